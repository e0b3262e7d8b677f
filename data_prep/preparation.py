"""Face records -> prepared sets in DATA, whatever data set the records come from."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep import manifest
from data_prep.images import check_image
from data_prep.parallel import in_order
from data_prep.records import FaceRecord, check_face
from data_prep.rendering import JPEG_QUALITY, CropSettings, Row, render_face
from data_prep.writing import Header, clear_partial, write_set
from layers.common.errors import RarError
from layers.common.schemes import Scheme


@dataclass(frozen=True)
class SetPlan:
    """A set to be: its name, its faces in order of name, how they are cut, whether the rows are shuffled."""

    name: str
    records: list[FaceRecord]
    crops: CropSettings
    shuffled: bool

    @property
    def rows(self) -> int:
        return len(self.records) * self.crops.augmentation.copies

    def row_numbers(self) -> NDArray[np.int64]:
        """Row of every copy of every face (faces, copies)."""
        rows = np.arange(self.rows)
        if self.shuffled:
            rows = np.random.default_rng([self.crops.seed, zlib.crc32(self.name.encode())]).permutation(rows)
        return rows.reshape(len(self.records), -1)


def usable(records: list[FaceRecord], workers: int) -> tuple[list[FaceRecord], list[str]]:
    """The records whose image can be decoded and whose box lies on it, and one line for each other."""
    kept, problems = [], []
    found = in_order(_problem, records, workers)
    for record, problem in zip(records, _progress(found, len(records), "checking images"), strict=True):
        if problem is None:
            kept.append(record)
        else:
            problems.append(problem)
    return kept, problems


def split_by_photograph(
    records: list[FaceRecord], share: float, seed: int
) -> tuple[list[FaceRecord], list[FaceRecord]]:
    """Training and validation faces; about `share` of the faces, photographs undivided, go to validation."""
    photographs: dict[str, int] = {}
    for record in records:
        photographs[record.photograph] = photographs.get(record.photograph, 0) + 1
    wanted, taken, chosen = share * len(records), 0, set()
    names = sorted(photographs)
    for number in np.random.default_rng([seed, zlib.crc32(b"validation")]).permutation(len(names)):
        if taken >= wanted:
            break
        chosen.add(names[number])
        taken += photographs[names[number]]
    train = [record for record in records if record.photograph not in chosen]
    return train, [record for record in records if record.photograph in chosen]


def write_plan(data: Path, plan: SetPlan, scheme: Scheme, workers: int, book: dict[str, Any]) -> bool:
    """Write the set DATA/<name> and enter it in the manifest `book`; False when it is there already, made just so.

    RarError when it is there but made otherwise, and for anything that goes wrong in reading or writing.
    """
    settings = _settings(plan)
    entry = book["sets"].get(plan.name)
    folder = data / plan.name
    if folder.exists():
        _must_agree(folder, entry, settings)
        print(f"{plan.name}: {plan.rows} crops already there, made with the same settings: kept")
        return False
    if clear_partial(folder):
        print(f"{plan.name}: an earlier run was interrupted; starting clean")
    start = time.monotonic()
    print(f"{plan.name}: {len(plan.records)} faces -> {plan.rows} crops of {plan.crops.size} px", flush=True)
    longest = max(len(record.name.encode()) for record in plan.records)
    header = Header(scheme, plan.crops.size, plan.rows, plan.crops.seed, longest)
    files = write_set(folder, header, _rows(plan, scheme, workers))
    book["sets"][plan.name] = {
        "rows": plan.rows,
        "faces": len(plan.records),
        "faces_by_subset": _by_subset(plan.records),
        "settings": settings,
        "versions": manifest.versions(),
    }
    book["files"] = {name: entry for name, entry in book["files"].items() if not name.startswith(f"{plan.name}/")}
    book["files"].update(files)
    manifest.write_manifest(data, book)
    seconds = time.monotonic() - start
    print(f"{plan.name}: written in {seconds:.0f} s, {plan.rows / seconds:.0f} crops/s", flush=True)
    return True


def _rows(plan: SetPlan, scheme: Scheme, workers: int) -> Iterator[Row]:
    tasks = zip(plan.records, plan.row_numbers(), strict=True)
    faces = in_order(partial(_render, settings=plan.crops, scheme=scheme), tasks, workers)
    for rows in _progress(faces, len(plan.records), plan.name):
        yield from rows


def _render(task: tuple[FaceRecord, NDArray[np.int64]], settings: CropSettings, scheme: Scheme) -> list[Row]:
    return render_face(*task, settings, scheme)


def _problem(record: FaceRecord) -> str | None:
    try:
        check_face(record, *check_image(record.image))
    except RarError as error:
        return str(error)
    return None


def _progress(items: Iterator[Any], total: int, label: str) -> Iterator[Any]:
    return iter(tqdm(items, label, total, unit="face", disable=None, leave=False))


def _settings(plan: SetPlan) -> dict[str, Any]:
    """All that decides what a set holds, for the manifest and for knowing it again."""
    settings = asdict(plan.crops)
    settings["occluders"] = str(plan.crops.occluders) if plan.crops.occluders else None
    return {**settings, "jpeg_quality": JPEG_QUALITY, "shuffled": plan.shuffled, "faces_sha256": _digest(plan.records)}


def _digest(records: list[FaceRecord]) -> str:
    digest = hashlib.sha256()
    for record in records:
        digest.update(record.name.encode() + record.shape.tobytes() + record.box.tobytes())
        digest.update(b"" if record.occluded is None else record.occluded.tobytes())
    return digest.hexdigest()


def _must_agree(folder: Path, entry: dict[str, Any] | None, settings: dict[str, Any]) -> None:
    remedy = "give another folder (DATA=) or remove this one"
    if entry is None:
        raise RarError(f"{folder} is there but not in {manifest.FILE}: {remedy}")
    old, new = ({**book, **book["augmentation"]} for book in (entry["settings"], settings))
    different = [f"{key} {old.get(key)}, now {new[key]}" for key in new if new[key] != old.get(key)]
    different = [words for words in different if not words.startswith(("augmentation", "faces_sha256"))]
    if settings != entry["settings"]:
        raise RarError(f"{folder} was prepared otherwise ({'; '.join(different) or 'other faces or boxes'}): {remedy}")


def _by_subset(records: list[FaceRecord]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in records:
        counts[record.subset] = counts.get(record.subset, 0) + 1
    return counts
