"""The state of Caffe's solver on the disk, looked through before Caffe sees it, which would end the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from layers.common.errors import RarError
from layers.quiet import caffe
from tools.model.weight_file import parse, read_weights
from tools.model.weights import owners, shapes_of
from tools.train.snapshots import Snapshot

REMEDY = "give what it was begun with, or another --out"


def read_state(path: Path, iteration: int) -> Any:
    """The SolverState in a file; RarError when it is none, or of another iteration."""
    state = caffe.proto.caffe_pb2.SolverState()
    if not parse(state, path.read_bytes()) or state.iter != iteration or not state.history:
        raise RarError(f"{path} is no state of the solver at iteration {iteration}: it is damaged, or of another run")
    return state


@contextmanager
def ready_to_restore(snapshot: Snapshot, net: Any) -> Iterator[Path]:
    """The state for Caffe to restore a solver of `net` from, its weights those beside it.

    A state names its weights by the path they were written to; in a run that was moved or copied that is another file,
    or none. RarError for a snapshot of another net.
    """
    stored, state = read_weights(snapshot.weights), read_state(snapshot.state, snapshot.iteration)
    for name, blobs in net.params.items():
        if name in stored.layers and stored.shapes(name) != shapes_of(blobs):
            found = f"{name} is {stored.shapes(name)}, not {shapes_of(blobs)}"
            raise RarError(f"{snapshot.weights} is of another net or kind of data ({found}): {REMEDY}")
    wanted = [shape for _, blobs in owners(net) for shape in shapes_of(blobs)]
    if [tuple(blob.shape.dim) for blob in state.history] != wanted:
        raise RarError(f"{snapshot.state} is of another net than {snapshot.weights}: {REMEDY}")
    if Path(state.learned_net) == snapshot.weights:
        yield snapshot.state
        return
    state.learned_net = str(snapshot.weights)
    with TemporaryDirectory() as folder:
        corrected = Path(folder, snapshot.state.name)
        corrected.write_bytes(state.SerializeToString())
        yield corrected
