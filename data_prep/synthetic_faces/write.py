"""The data set on disk, in the official raw 300-W layout: pictures, .pts files and the bounding-box .mat files."""

from __future__ import annotations

import io
import json
import shutil
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import scipy.io
from tqdm import tqdm

from data_prep.parallel import in_order
from data_prep.pts import write_points
from data_prep.synthetic_faces.faces import draw_face
from data_prep.synthetic_faces.model import Array
from layers.common.errors import RarError

JPEG_QUALITY = 92
MARKER = "synthetic.json"
_MAT_TEXT = b"MATLAB 5.0 MAT-file, synthetic faces".ljust(116)  # the free text at the head of the file
_TRAIN_SHARES = {"afw": 337, "lfpw/trainset": 811, "helen/trainset": 2000}  # as in 300-W
_TEST_SHARES = {"helen/testset": 330, "lfpw/testset": 224, "ibug": 135}


@dataclass(frozen=True)
class Parameters:
    """What decides every byte of the data set."""

    train: int
    test: int
    seed: int

    def describe(self) -> dict[str, object]:
        """The parameters and a fingerprint of the drawing code, as kept in the marker file."""
        code = sha256()
        for source in sorted(Path(__file__).parent.glob("*.py")):
            code.update(source.read_bytes())
        return {"train": self.train, "test": self.test, "seed": self.seed, "code": code.hexdigest()}


def split_counts(total: int, shares: dict[str, int]) -> dict[str, int]:
    """`total` faces over the folders in proportion to `shares`; the last folder takes what rounding leaves."""
    counts = {folder: round(total * share / sum(shares.values())) for folder, share in shares.items()}
    last = list(shares)[-1]
    counts[last] += total - sum(counts.values())
    return counts


def folders(parameters: Parameters) -> dict[str, int]:
    """Faces per folder of the layout."""
    return split_counts(parameters.train, _TRAIN_SHARES) | split_counts(parameters.test, _TEST_SHARES)


def tight_box(points: Array) -> Array:
    """x0 y0 x1 y1 (4,) round the points, 0-based."""
    return np.concatenate([points.min(0), points.max(0)])


def detector_box(box: Array, rng: np.random.Generator) -> Array:
    """The box a detector might give: shifted by 4 % and resized by 8 % of its size (one deviation)."""
    size = box[2:] - box[:2]
    centre = (box[:2] + box[2:]) / 2 + rng.normal(0, (0.04, 0.035), 2) * size
    size = size * (0.98 + 0.03 * rng.normal(size=2)) * (1 + 0.07 * rng.normal())
    return np.concatenate([centre - size / 2, centre + size / 2])


def _bounding_boxes(names: list[str], boxes: list[Array], rng: np.random.Generator) -> Array:
    """The cell array (1, n) of structs imgName, bb_detector, bb_ground_truth that 300-W distributes, 1-based."""
    cells = np.empty((1, len(names)), object)
    for place, (name, box) in enumerate(zip(names, boxes, strict=True)):
        cells[0, place] = {
            "imgName": name,
            "bb_detector": detector_box(box, rng)[None] + 1,
            "bb_ground_truth": box[None] + 1,
        }
    return cells


@dataclass(frozen=True)
class _Task:
    """Face number `index` of a folder."""

    seed: int
    folder: str
    index: int

    @property
    def stem(self) -> str:
        return f"face_{self.index + 1:05d}"


def _draw(task: _Task) -> tuple[_Task, bytes, Array]:
    """The face's JPEG file and its landmarks (68, 2)."""
    face = draw_face(task.seed, task.folder, task.index, hard=task.folder == "ibug")
    data = cv2.imencode(".jpg", face.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return task, data.tobytes(), face.points


def _draw_all(root: Path, parameters: Parameters, workers: int) -> dict[str, list[Array]]:
    """Write pictures and .pts files; returns the tight boxes per folder, in order."""
    counts = folders(parameters)
    boxes: dict[str, list[Array]] = {folder: [] for folder in counts}
    for folder in counts:
        (root / folder).mkdir(parents=True)
    tasks = [_Task(parameters.seed, folder, index) for folder, count in counts.items() for index in range(count)]
    faces = in_order(_draw, tasks, workers)
    for task, picture, points in tqdm(faces, total=len(tasks), unit="face", disable=not sys.stderr.isatty()):
        path = root / task.folder / f"{task.stem}.jpg"
        path.write_bytes(picture)
        write_points(path.with_suffix(".pts"), points)
        boxes[task.folder].append(tight_box(points))
    return boxes


def _write_boxes(root: Path, boxes: dict[str, list[Array]], seed: int) -> None:
    directory = root / "Bounding Boxes"
    directory.mkdir()
    for number, (folder, tight) in enumerate(boxes.items()):
        names = [f"{_Task(seed, folder, index).stem}.jpg" for index in range(len(tight))]
        cells = _bounding_boxes(names, tight, np.random.default_rng([seed, number]))
        content = io.BytesIO()
        scipy.io.savemat(content, {"bounding_boxes": cells})
        content.getbuffer()[: len(_MAT_TEXT)] = _MAT_TEXT  # scipy puts the time there
        (directory / f"bounding_boxes_{folder.replace('/', '_')}.mat").write_bytes(content.getvalue())


def up_to_date(out: Path, parameters: Parameters) -> bool:
    """Whether `out` is a finished data set with these parameters."""
    try:
        return bool(json.loads((out / MARKER).read_text()) == parameters.describe())
    except (OSError, ValueError):
        return False


def write(out: Path, parameters: Parameters, workers: int = 0) -> bool:
    """Write the data set to `out`; False when it was already there with the same parameters.

    Faces go to `out`.partial first, which is renamed when complete. A folder that this program did not
    write is never replaced: RarError. workers: processes, 0 for this one; the result is the same.
    """
    if up_to_date(out, parameters):
        return False
    if out.exists() and not (out / MARKER).is_file() and any(out.iterdir()):
        raise RarError(f"{out}: exists and is no synthetic data set of ours; choose another --out")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    boxes = _draw_all(partial, parameters, workers)
    _write_boxes(partial, boxes, parameters.seed)
    (partial / MARKER).write_text(json.dumps(parameters.describe(), indent=1) + "\n")
    if out.exists():
        shutil.rmtree(out)
    partial.rename(out)
    return True
