"""The record of the run in a folder: begun, gone on with when it is the same training, or made for an older one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from data_prep.manifest import versions
from layers.common.errors import RarError
from layers.common.files import file_entry
from layers.common.json_types import parsed
from layers.quiet import caffe
from tools.common.version import commit, version
from tools.model.places import begun
from tools.model.run_record import FILE, RunRecord, read_record
from tools.model.weight_file import read_weights
from tools.train.identity import differences
from tools.train.solver_state import read_state

PHASES = ("warm_up", "rar")


def opened(out: Path, training: dict[str, Any]) -> RunRecord:
    """The record of the run in `out`, which is to be this `training`; saved. RarError when it is another one."""
    code = {"commit": commit(), "version": version(), "caffe": str(caffe.__version__), **versions()}
    record = read_record(out)
    if record is None or record.empty:
        adopted = record is None and begun(out)
        record = RunRecord(out, training, [code])
        if adopted:
            _adopt(record)
    if words := differences(record.training, training):
        raise RarError(
            f"{out} holds another training ({'; '.join(words)}): give what it was begun with to go on, or another "
            "--out to begin anew"
        )
    if record.code[-1:] != [code]:
        record.code.append(code)
    record.save()
    for phase in PHASES:
        _index(out, phase).unlink(missing_ok=True)  # an older version's, entered in the record now
    return record


def _index(folder: Path, phase: str) -> Path:
    """Where the older version listed its complete snapshots."""
    return folder / f"{phase}.json"


def _adopt(record: RunRecord) -> None:
    """Enter what an older version of this project, which kept no such record, has finished in the folder."""
    for phase in PHASES:
        for iteration in _indexed(_index(record.folder, phase)):
            stem = record.folder / f"{phase}_iter_{iteration}"
            files = [stem.with_suffix(suffix) for suffix in (".caffemodel", ".solverstate")]
            if all(path.is_file() for path in files) and _readable(files[0]):
                try:
                    read_state(files[1], iteration)
                except RarError as error:
                    print(f"left out: {error}", file=sys.stderr)
                    continue
                entry = {"iteration": iteration, "files": {path.name: file_entry(path) for path in files}}
                record.snapshots.setdefault(phase, []).append(entry)
        result = record.folder / f"{phase}.caffemodel"
        if result.is_file() and _readable(result):
            record.finished[result.name] = file_entry(result)
    print(
        f"{record.folder}: begun before runs had a {FILE}; adopted as preset {record.training['preset']}, seed "
        f"{record.training['seed']}, which nothing here can confirm",
        file=sys.stderr,
    )


def _indexed(index: Path) -> list[int]:
    """The complete snapshots that the older version listed, the newest last."""
    try:
        return sorted(int(iteration) for iteration in parsed(index.read_text())["complete"])
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise RarError(f"{index} is damaged ({error}): delete it to start the phase again") from error


def _readable(weights: Path) -> bool:
    try:
        read_weights(weights)
    except RarError as error:
        print(f"left out: {error}", file=sys.stderr)
        return False
    return True
