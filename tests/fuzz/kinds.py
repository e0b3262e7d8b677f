"""The kinds of files that readers are given: samples, how they are changed, and how each is read.

`read` returns when the file was taken, raises RarError when it was refused, Wrong when it was taken although a
checksum, a type, a range or a count in it tells that it is damaged, and Lost when good entries beside the bad one are
not there any more.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep import mtfl, w300
from data_prep.boxes import read_boxes as read_mat
from data_prep.check import check
from data_prep.images import read_upright
from data_prep.pts import read_points
from layers.common.errors import RarError
from layers.quiet import caffe
from tests.fuzz.mutators import BYTES, JSON, TEXT, Mutator
from tools.detect.boxes import read_boxes
from tools.detect.calibration import read_calibration
from tools.detect.journal import Journal
from tools.evaluate import w300 as evaluation
from tools.many.listing import listed
from tools.model.about import about
from tools.model.net_files import made_net, read_solver
from tools.model.presets import preset
from tools.model.weight_file import read_weights
from tools.model.weights import load_weights

L = 68
MOST = 1e6  # px


class Wrong(Exception):
    """Taken, and should not have been."""


class Lost(Exception):
    """Good entries went with the bad one."""


@dataclass(frozen=True)
class Kind:
    """pattern: of the samples in the kind's folder. read: (that folder, a mutant). begin: once in a child."""

    pattern: str
    mutators: tuple[Mutator, ...]
    read: Callable[[Path, Path], object]
    begin: Callable[[Path], object] = lambda folder: None

    def samples(self, folder: Path) -> list[Path]:
        found = sorted((folder / "samples").glob(self.pattern))
        assert found, f"no samples {self.pattern} in {folder}"
        return found


def finite(values: Any, most: float = MOST) -> None:
    array = np.asarray(values, np.float64)
    if not (np.abs(array) <= most).all():
        raise Wrong(f"a number is none, or over {most:g}")


def pts(folder: Path, mutant: Path) -> None:
    shape = read_points(mutant, L)
    finite(shape)
    if shape.shape != (L, 2):
        raise Wrong(f"{shape.shape}")


def mat(folder: Path, mutant: Path) -> None:
    """Boxes are held against the faces afterwards, so any numbers may come."""
    for both in read_mat(mutant).values():
        if both.detector.shape != (4,) or both.ground_truth.shape != (4,):
            raise Wrong("no box")


def picture(folder: Path, mutant: Path) -> None:
    """What has checksums for its pixels, PNG, is as it was or refused."""
    image = read_upright(mutant)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise Wrong(f"{image.dtype} {image.shape}")
    sample = folder / "samples" / f"face{mutant.suffix}"
    still_png = mutant.suffix == ".png" and mutant.read_bytes()[:8] == sample.read_bytes()[:8]
    if still_png and not np.array_equal(image, read_upright(sample)):
        raise Wrong("other pixels")


def prepared(file: str) -> Callable[[Path, Path], None]:
    """Prepared data of which one file is the mutant; the manifest has its checksum."""

    def read(folder: Path, mutant: Path) -> None:
        data = mutant.with_name("data")
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(folder / "prepared", data, symlinks=True, copy_function=os.link)
        (data / file).unlink()
        shutil.copyfile(mutant, data / file)
        problems = list(check(data))
        if any("\n" in problem for problem in problems):
            raise Wrong("a problem of several lines")
        if problems:
            raise RarError(problems[0])
        if (data / file).read_bytes() != (folder / "prepared" / file).read_bytes() and file != "manifest.json":
            raise Wrong("its checksum is not looked at")

    return read


def weights(folder: Path, mutant: Path) -> None:
    load_weights(_net(folder), read_weights(mutant))
    for name, blobs in _net(folder).params.items():
        for blob in blobs:
            if not np.isfinite(blob.data).all():
                raise Wrong(f"{name} is not finite")


_NETS: dict[Path, Any] = {}


def _net(folder: Path) -> Any:
    if folder not in _NETS:
        _NETS[folder] = made_net(folder / "deploy.prototxt", caffe.TEST)
    return _NETS[folder]


def results(folder: Path, mutant: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        (scored,) = evaluation.evaluate_all([mutant])
    for score in scored.scores.values():
        line = score.line()
        if "nan" in line or "inf" in line:
            raise Wrong(line)


def calibration(folder: Path, mutant: Path) -> None:
    """It belongs to the weights beside it."""
    place = mutant.with_name("weights.calibration.json")
    mutant.rename(place)
    try:
        found = read_calibration(mutant.with_name("weights.h5"))
    finally:
        place.rename(mutant)
    if found is None:
        raise Lost("not seen")
    finite(found.coefficients, np.inf)
    finite([*found.scores, *found.errors], np.inf)
    if (np.diff(found.scores) < 0).any() or min(found.errors) < 0:
        raise Wrong("no map")


def note(folder: Path, mutant: Path) -> None:
    place = mutant.with_name("weights.about.json")
    mutant.rename(place)
    try:
        found = about(mutant.with_name("weights.h5"), preset("compact"))
    finally:
        place.rename(mutant)
    finite(found.margin, 10)


def boxes(folder: Path, mutant: Path) -> None:
    """Whatever is wrong with some, the others are there as they were."""
    found = read_boxes(mutant, L)
    finite([box for boxes in found.by_name.values() for box in boxes])
    stored = mutant.read_bytes()
    sample = next(path for path in (folder / "samples").iterdir() if path.suffix == mutant.suffix)
    if mutant.suffix == ".csv" and stored[:9] == b"name,x0,y" and stored.count(b'"') == 0:
        whole = read_boxes(sample, L).by_name
        lines = set(stored.decode("utf-8", "surrogateescape").splitlines())
        for line in sample.read_text().splitlines()[1:]:
            name, *box = line.split(",")
            if line in lines and whole[name][0] not in found.by_name.get(name, []):
                raise Lost(line)


def lists(folder: Path, mutant: Path) -> None:
    found = [one.path for one in listed([mutant], [], None)]
    if mutant.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return
    good = set((folder / "samples" / "a.txt").read_text().split("\n"))
    lines = mutant.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    lacking = {line for line in lines if line and line in good} - set(found)
    if lacking:
        raise Lost(str(lacking))


def mtfl_list(folder: Path, mutant: Path) -> None:
    """Lines that are as they were give their faces."""
    raw = mutant.with_name("mtfl now")
    shutil.rmtree(raw, ignore_errors=True)
    shutil.copytree(folder / "mtfl", raw)
    shutil.copyfile(mutant, raw / "testing.txt")
    (scan,) = mtfl.scan(raw, ["aflw"], "frame", 0)
    finite([record.shape for record in scan.records] or 0)
    if any("\n" in problem for problem in scan.problems):
        raise Wrong("a problem of several lines")
    if scan.problems:
        raise RarError(scan.problems[0])


def faces(folder: Path, mutant: Path) -> None:
    """300-W's folder with one bad .pts among good ones: they are read."""
    raw = mutant.with_name("raw now")
    shutil.rmtree(raw, ignore_errors=True)
    shutil.copytree(folder / "raw", raw, copy_function=os.link)
    target = sorted((raw / "afw").glob("*.pts"))[0]
    target.unlink()
    shutil.copyfile(mutant, target)
    (scan,) = [one for one in w300.scan(raw, ["train"], "gt") if one.subset.name == "afw"]
    due = len(list((raw / "afw").glob("*.pts"))) - 1
    if len(scan.records) < due:
        raise Lost(f"{len(scan.records)} of {due}")
    if scan.problems:
        raise RarError(scan.problems[0])


def journal(folder: Path, mutant: Path) -> None:
    """What cannot be read is dropped from there on; the rest can be written again."""
    with Journal(mutant, {"preset": "tiny"}) as found:
        wanted = [json.loads(key) for key in found.done]
        for record in found.records(wanted):
            json.dumps(record["faces"])


def net(folder: Path, mutant: Path) -> None:
    made_net(mutant, caffe.TEST)


KINDS = {
    "pts": Kind("*.pts", TEXT, pts),
    "pts in a folder": Kind("*.pts", TEXT, faces),
    "mat": Kind("*.mat", BYTES, mat),
    "picture": Kind("*", BYTES, picture),
    "LMDB": Kind("data.mdb", BYTES, prepared("helen/images.lmdb/data.mdb")),
    "HDF5": Kind("landmarks.h5", BYTES, prepared("helen/landmarks.h5")),
    "shape pool": Kind("shape_pool.h5", BYTES, prepared("shape_pool.h5")),
    "manifest": Kind("manifest.json", JSON, prepared("manifest.json")),
    "caffemodel": Kind("*.caffemodel", BYTES, weights),
    "caffemodel.h5": Kind("*.h5", BYTES, weights),
    "results": Kind("*.json", JSON, results),
    "calibration": Kind("*.json", JSON, calibration),
    "about": Kind("*.json", JSON, note),
    "boxes, CSV": Kind("*.csv", TEXT, boxes),
    "boxes, JSON": Kind("*.json", JSON, boxes),
    "list": Kind("*.txt", TEXT, lists),
    "MTFL list": Kind("*.txt", TEXT, mtfl_list),
    "journal": Kind("*.jsonl", (*JSON, *TEXT), journal),
    "prototxt": Kind("*.prototxt", TEXT, net),
    "solver": Kind("*.prototxt", TEXT, lambda folder, mutant: read_solver(mutant)),
}
