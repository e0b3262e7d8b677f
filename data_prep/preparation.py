"""Face records -> prepared sets in DATA, whatever data set the records come from."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep import manifest
from data_prep.images import check_image
from data_prep.occlusion.library import find_own
from data_prep.parallel import DIES, died, in_order
from data_prep.patches import DETAIL, PatchRow, attributes, largest_side, render_patch
from data_prep.records import FaceRecord, check_face
from data_prep.rendering import CropSettings, Row, render_face
from data_prep.writing import Files, Header, clear_partial, write_set
from layers.common.errors import RarError, named
from layers.common.prepared import CROPS, PATCHES
from layers.common.schemes import Scheme


@dataclass(frozen=True)
class SetPlan:
    """A set to be: its name, its faces in order of name, how they are cut, whether the rows are shuffled.

    raw, boxes: the data set, and where its face boxes come from.
    live: patches from which the crops are drawn in training, one a face, instead of crops.
    """

    name: str
    records: list[FaceRecord]
    crops: CropSettings
    shuffled: bool
    raw: str
    boxes: str
    live: bool = False

    @property
    def copies(self) -> int:
        """Rows of each face."""
        return 1 if self.live else self.crops.augmentation.copies

    @property
    def rows(self) -> int:
        return len(self.records) * self.copies

    @property
    def kind(self) -> str:
        """Of the pictures: CROPS or PATCHES."""
        return PATCHES if self.live else CROPS

    def header(self, scheme: Scheme) -> Header:
        """What the set says about itself."""
        longest = max(len(record.name.encode()) for record in self.records)
        header = Header(scheme, self.crops.size, self.rows, self.crops.seed, longest, self.crops.size)
        if not self.live:
            return header
        own = find_own(self.crops.occluders) if self.crops.occluders else {}
        return replace(
            header,
            picture_size=largest_side(self.crops),
            row=PatchRow,
            attributes=attributes(self.crops),
            occluders=[(kind, path) for kind, paths in own.items() for path in paths],
        )

    def row_numbers(self) -> NDArray[np.int64]:
        """Row of every copy of every face (faces, copies)."""
        rows = np.arange(self.rows)
        if self.shuffled:
            rows = np.random.default_rng([self.crops.seed, zlib.crc32(self.name.encode())]).permutation(rows)
        return rows.reshape(len(self.records), -1)


def usable(records: list[FaceRecord], workers: int) -> tuple[list[FaceRecord], list[str]]:
    """The records whose image can be decoded and whose box lies on it, and one line for each other."""
    kept, problems = [], []
    found = in_order(_problem, records, workers, _killer)
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


def write_plan(data: Path, plan: SetPlan, scheme: Scheme, workers: int, book: dict[str, Any]) -> None:
    """Write the set DATA/<name> and enter it in the manifest `book`, unless it is there already, made just so.

    RarError when it is there but made otherwise, and for anything that goes wrong in reading or writing.
    """
    settings = _settings(plan)
    entry = book["sets"].get(plan.name)
    folder = data / plan.name
    if folder.exists():
        _must_agree(folder, entry, settings)
        print(f"{plan.name}: {plan.rows} {plan.kind} already there, made with the same settings: kept")
        return
    if clear_partial(folder):
        print(f"{plan.name}: an earlier run was interrupted; starting clean")
    start = time.monotonic()
    words = f"{PATCHES} for {CROPS}" if plan.live else CROPS
    print(f"{plan.name}: {len(plan.records)} faces -> {plan.rows} {words} of {plan.crops.size} px", flush=True)
    files = write_set(folder, plan.header(scheme), _rows(plan, scheme, workers), partial(_enter, data, plan, book))
    seconds = time.monotonic() - start
    size = sum(entry["bytes"] for entry in files.values()) / 2**20
    print(f"{plan.name}: {size:.1f} MiB written in {seconds:.0f} s, {plan.rows / seconds:.0f} a second", flush=True)


def _enter(data: Path, plan: SetPlan, book: dict[str, Any], files: Files) -> None:
    """Into the manifest, in place of what the set was before."""
    book["sets"][plan.name] = {
        "raw": plan.raw,
        "rows": plan.rows,
        "faces": len(plan.records),
        "faces_by_subset": _by_subset(plan.records),
        "settings": _settings(plan),
        "versions": manifest.versions(),
    }
    book["files"] = {name: entry for name, entry in book["files"].items() if not name.startswith(f"{plan.name}/")}
    book["files"].update(files)
    manifest.write_manifest(data, book)


def _rows(plan: SetPlan, scheme: Scheme, workers: int) -> Iterator[Row]:
    tasks = zip(plan.records, plan.row_numbers(), strict=True)
    render = _render_patch if plan.live else _render
    faces = in_order(partial(render, settings=plan.crops, scheme=scheme), tasks, workers, _killed)
    for rows in _progress(faces, len(plan.records), plan.name):
        yield from rows


def _render(task: tuple[FaceRecord, NDArray[np.int64]], settings: CropSettings, scheme: Scheme) -> list[Row]:
    with named(task[0].image):
        return render_face(*task, settings, scheme)


def _render_patch(task: tuple[FaceRecord, NDArray[np.int64]], settings: CropSettings, scheme: Scheme) -> list[Row]:
    record, rows = task
    with named(record.image):
        return [render_patch(record, int(row), settings, scheme) for row in rows]


def _problem(record: FaceRecord) -> str | None:
    try:
        with named(record.image):
            check_face(record, *check_image(record.image))
    except RarError as error:
        return str(error)
    return None


def _killer(record: FaceRecord) -> str:
    return f"{record.image}: {DIES}"


def _killed(task: tuple[FaceRecord, NDArray[np.int64]]) -> list[Row]:
    died(task[0].image)


def _progress(items: Iterator[Any], total: int, label: str) -> Iterator[Any]:
    return iter(tqdm(items, label, total, unit="face", disable=None, leave=False))


def _settings(plan: SetPlan) -> dict[str, Any]:
    """All that decides what a set holds, for the manifest and for knowing it again."""
    settings = asdict(plan.crops)
    settings["occluders"] = str(plan.crops.occluders) if plan.crops.occluders else None
    settings["jpeg_quality"] = settings.pop("quality")
    if plan.live:
        settings["augmentation"] |= {"copies": plan.copies}
        settings |= {"augment": "live", "detail": DETAIL}
    return {**settings, "boxes": plan.boxes, "shuffled": plan.shuffled, "faces_sha256": _digest(plan.records)}


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
    keys = [*new, *(key for key in old if key not in new)]
    different = [f"{key} {old.get(key)}, now {new.get(key)}" for key in keys if new.get(key) != old.get(key)]
    different = [words for words in different if not words.startswith(("augmentation", "faces_sha256"))]
    if settings != entry["settings"]:
        raise RarError(f"{folder} was prepared otherwise ({'; '.join(different) or 'other faces or boxes'}): {remedy}")


def _by_subset(records: list[FaceRecord]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in records:
        counts[record.subset] = counts.get(record.subset, 0) + 1
    return counts
