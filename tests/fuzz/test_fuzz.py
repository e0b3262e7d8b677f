"""Every reader on damaged files: taken, or refused in one line; never a trace, an abort, a hang or a wrong number.

    python3 -m pytest tests/fuzz --slow -s [-k many]   # 300 mutants a kind, SEED= and COUNT= for others; a line each
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.pts import write_points
from layers.common.files import sha256
from layers.quiet import caffe
from tests.conftest import PROJECT
from tests.data_prep.conftest import draw, face_shape, write_raw
from tests.data_prep.mtfl_files import write_mtfl
from tests.fuzz import harness
from tests.fuzz.kinds import KINDS
from tests.fuzz.mutators import BYTES
from tests.tools.conftest import STEPS, made_face
from tests.tools.detect.conftest import finder  # noqa: F401
from tests.tools.web.conftest import Serve, Server, serve  # noqa: F401
from tests.tools.web.pictures import FACE, jpeg
from tools.detect.calibration import Calibration, write_calibration
from tools.detect.finder import FaceFinder
from tools.detect.journal import Journal
from tools.evaluate.results import Data, Model, Results, write_results
from tools.model.half_precision import write_half
from tools.model.net_files import made_net
from tools.model.weight_file import read_weights
from tools.model.weights import load_weights

SEED = int(os.environ.get("SEED", "0"))

FEW, COUNT = 12, int(os.environ.get("COUNT", "300"))


@pytest.fixture(scope="session")
def folders(
    prepared: Path, small_project: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """folders(kind): a folder with the samples of a kind and what its reader needs beside them."""
    root = tmp_path_factory.mktemp("fuzz")

    def made(kind: str) -> Path:
        folder = root / kind.replace(", ", "_").replace(" ", "_")
        if not folder.exists():
            (folder / "samples").mkdir(parents=True)
            write_samples(kind, folder, prepared, small_project, trained)
        return folder

    return made


def write_samples(kind: str, folder: Path, prepared: Path, project: Path, trained: Path) -> None:
    samples = folder / "samples"
    if kind.startswith("pts"):
        write_points(samples / "a.pts", face_shape())
        write_raw(folder / "raw")
    elif kind == "mat":
        write_raw(folder / "raw")
        shutil.copy(folder / "raw" / "Bounding Boxes" / "bounding_boxes_afw.mat", samples)
    elif kind == "picture":
        for ending in (".jpg", ".png", ".webp", ".tif", ".bmp", ".pgm"):
            image = draw(face_shape())
            cv2.imwrite(str(samples / f"face{ending}"), image[..., 0] if ending == ".pgm" else image)
    elif kind in ("LMDB", "HDF5", "shape pool", "manifest"):
        names = {"LMDB": "helen/images.lmdb/data.mdb", "HDF5": "helen/landmarks.h5", "shape pool": "shape_pool.h5"}
        shutil.copytree(prepared, folder / "prepared")
        shutil.copy(prepared / names.get(kind, "manifest.json"), samples)
    elif kind.startswith("caffemodel"):
        shutil.copy(project / "prototxt" / "tiny" / "deploy.prototxt", folder)
        write_weights(samples / f"small.{kind}", trained / "rar_iter_12.caffemodel", folder / "deploy.prototxt")
    elif kind == "results":
        rng = np.random.default_rng(0)
        found = tuple(made_face(f"helen/{i}", "helen", 1.5, rng) for i in range(3))
        model, data = Model("tiny", "rar.caffemodel", "0" * 64, "c0ffee"), Data("detector", 1.4, "300w", "")
        write_results(samples / "a.json", Results("68", model, data, STEPS, found))
    elif kind in ("calibration", "about"):
        (folder / "weights.h5").write_bytes(b"weights")
        made = Calibration(sha256(folder / "weights.h5"), "data/val", 20, (1.0, 2, 3, 4), (0.0, 1, 2), (1.0, 2, 3))
        about = {"format": "rar-about/1", "preset": "compact", "scheme": "68", "crop_size": 96, "margin": 1.4,
                 "boxes": "detector", "raw": "300w"}  # fmt: skip
        (samples / "a.json").write_text(json.dumps(about))
        if kind == "calibration":
            write_calibration(folder / "weights.h5", made).rename(samples / "a.json")
    elif kind.startswith("boxes"):
        given = {f"{name}.jpg": [[10 * i + 1.5, 20, 10 * i + 90, 130]] for i, name in enumerate("abcdefgh")}
        rows = [",".join([name, *map(str, box)]) for name, (box,) in given.items()]
        (samples / "a.csv").write_text("\n".join(["name,x0,y0,x1,y1", *rows, ""]))
        (samples / "a.json").write_text(json.dumps(given))
    elif kind == "list":
        (samples / "a.txt").write_text("".join(f"/pictures/{i}.jpg\n" for i in range(20)))
    elif kind == "MTFL list":
        write_mtfl(folder / "mtfl")
        shutil.copy(folder / "mtfl" / "testing.txt", samples)
    elif kind == "journal":
        with Journal(samples / "a.jsonl", {"preset": "tiny"}) as journal:
            for name in "abc":
                journal.add([name, 1, 2, name], {"files": [f"{name}.pts"], "faces": [{"image": name, "box": [1, 2]}]})
    elif kind == "prototxt":
        shutil.copy(project / "prototxt" / "tiny" / "deploy.prototxt", samples)
    elif kind == "solver":
        shutil.copy(PROJECT / "prototxt" / "tiny" / "solver.prototxt", samples)


def write_weights(path: Path, whole: Path, deploy: Path) -> None:
    """As training leaves them, or at half precision, as they ship."""
    if path.suffix != ".h5":
        shutil.copy(whole, path)
        return
    net = made_net(deploy, caffe.TEST)
    load_weights(net, read_weights(whole))
    write_half(net, path)


def show(tallies: dict[str, harness.Tally]) -> None:
    print(f"\n{harness.table(tallies)}", flush=True)
    bad = [line for tally in tallies.values() for line in tally.bad]
    print(*bad, sep="\n")
    assert not bad


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_few_of_every_kind(kind: str, folders: Callable[[str], Path]) -> None:
    show({kind: harness.fuzz(kind, folders(kind), FEW, SEED)})


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_many_of_every_kind(kind: str, folders: Callable[[str], Path]) -> None:
    show({kind: harness.fuzz(kind, folders(kind), COUNT, SEED + 1)})


@pytest.fixture
def server(serve: Serve) -> Iterator[Server]:  # noqa: F811
    with serve("--time-limit", "10") as served:
        yield served


@pytest.mark.parametrize("count", [20, pytest.param(COUNT, marks=pytest.mark.slow)])
def test_request_bodies(count: int, server: Server, finder: FaceFinder) -> None:  # noqa: F811
    show({"request body": bodies(server, count, random.Random(SEED))})


def bodies(server: Server, count: int, rng: random.Random) -> harness.Tally:
    """Pictures and other bodies sent to the page: 200 or a sentence, and a good picture is answered afterwards."""
    tally, good = harness.Tally(), jpeg(FACE[::2, ::2])
    for number in range(count):
        body = rng.choice(BYTES)(good, rng)
        try:
            status, answer = server.detect(body, f"{number}.jpg")
        except TimeoutError:
            tally.add("hang", str(number), "")
            continue
        except (OSError, ValueError) as error:
            tally.add("traceback", str(number), repr(error))
            continue
        fine = status == 200 or (400 <= status < 500 and "\n" not in answer["error"])
        tally.add("line" if fine and status != 200 else "read" if fine else "traceback", str(number), str(answer)[:200])
    if server.detect(good)[0] != 200:
        tally.add("lost", "the picture afterwards", "")
    return tally
