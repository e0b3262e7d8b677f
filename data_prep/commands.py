"""What the commands that prepare a data set share: their options, and the way from faces read to sets written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import h5py

from data_prep import manifest
from data_prep.augmentation import PLAIN, Augmentation
from data_prep.parallel import cores
from data_prep.preparation import SetPlan, split_by_photograph, usable, write_plan
from data_prep.records import FaceRecord
from data_prep.rendering import JPEG_QUALITY, CropSettings
from data_prep.shape_pool import CENTRES, write_pool
from data_prep.subsets import SubsetScan
from layers.common.errors import RarError, readable
from layers.common.files import alone, clear_parts, file_entry
from layers.common.paper import IMAGE_SIZE
from layers.common.schemes import Scheme, stored
from layers.common.shape_pool import FILE as POOL

_DEFAULT = Augmentation()


@dataclass(frozen=True)
class Options:
    """The options of every such command; `boxes` names where the face boxes come from."""

    raw: Path
    out: Path
    boxes: str
    crop_size: int
    margin: float
    copies: int
    occluded: float
    seed: int
    occluders: Path | None
    validation: float
    sets: str
    centres: int
    workers: int
    augment: str
    quality: int
    dataset: str
    any_count: bool
    skip_bad: bool
    protocol: str = ""  # by which the test faces are scored, where the name of the data set does not say it

    def crops(self, augmentation: Augmentation) -> CropSettings:
        return CropSettings(self.crop_size, self.margin, augmentation, self.seed, self.occluders)

    @property
    def training(self) -> CropSettings:
        """How the training faces are cut."""
        crops = self.crops(Augmentation(copies=self.copies, occluded=self.occluded))
        return replace(crops, quality=self.quality)


def preparation_options(raw_help: str, margin: float, sets: Sequence[str], dataset: str) -> Callable[..., Any]:
    """Decorate a click command with all of `Options` but --boxes; the arguments are what differs by data set."""
    path = click.Path(path_type=Path)
    options = (
        click.option("--raw", required=True, type=path, help=raw_help),
        click.option("--out", required=True, type=path, help="Where the prepared data go."),
        click.option("--crop-size", default=IMAGE_SIZE, show_default=True, type=click.IntRange(16), help="px."),
        click.option(
            "--margin", default=margin, show_default=True, type=click.FloatRange(0.5, 5), help="Crop side / box side."
        ),
        click.option(
            "--augment",
            default="fixed",
            show_default=True,
            type=click.Choice(["fixed", "live"]),
            help="Crops drawn now, or in training, anew at every visit.",
        ),
        click.option(
            "--quality",
            default=JPEG_QUALITY,
            show_default=True,
            type=click.IntRange(1, 100),
            help="Of the JPEG files of `train`.",
        ),
        click.option(
            "--copies",
            default=_DEFAULT.copies,
            show_default=True,
            type=click.IntRange(1, 1000),
            help="Fixed crops per face.",
        ),
        click.option(
            "--occluded",
            default=_DEFAULT.occluded,
            show_default=True,
            type=click.FloatRange(0, 1),
            help="Share of the augmented crops with a synthetic occluder.",
        ),
        click.option("--seed", default=0, show_default=True, type=click.IntRange(0)),
        click.option("--occluders", type=path, help="Folder of your own RGBA PNG cut-outs."),
        click.option(
            "--validation",
            default=0.0,
            show_default=True,
            type=click.FloatRange(0, 0.9),
            help="Share of the training faces to split off as `val`, by photograph.",
        ),
        click.option("--sets", default=",".join(sets), show_default=True),
        click.option("--centres", default=CENTRES, show_default=True, type=click.IntRange(1), help="K of the pool."),
        click.option("--workers", default=cores(), show_default=True, type=click.IntRange(0), help="Processes."),
        click.option("--dataset", default=dataset, show_default=True, help="Another name for the tables."),
        click.option("--any-count", is_flag=True, help="Do not expect the official number of faces."),
        click.option("--skip-bad", is_flag=True, help="End with success although faces were left out."),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def chosen_sets(sets: str, known: Sequence[str]) -> list[str]:
    """The names in a comma-separated list; RarError for one that is not `known`."""
    chosen = [name.strip() for name in sets.split(",") if name.strip()]
    for name in chosen:
        if name not in known:
            raise RarError(f"no set {name!r}: --sets takes {', '.join(known)}")
    return chosen


def prepare(options: Options, scans: list[SubsetScan], scheme: Scheme, training_boxes: str = "") -> None:
    """Write the sets of the scanned faces, the shape pool and the manifest; print what was found.

    training_boxes: where those of the training faces come from, unless from where `options` says.
    RarError at the end when faces had to be left out and `skip_bad` is not set.
    """
    for scan in scans:
        scan.records, problems = usable(scan.records, options.workers)
        scan.problems += problems
        for problem in scan.problems:
            print(f"left out: {problem}", file=sys.stderr)
    plans = _plans(scans, options, training_boxes or options.boxes)
    if not plans:
        raise RarError(f"no usable face under {options.raw}: see the lines above")
    with alone(options.out):
        clear_parts(options.out)
        book = _open_book(options, scans, scheme)
        _drop_pool(options, plans, book)
        for plan in plans:
            write_plan(options.out, plan, scheme, options.workers, book)
        _pool(options, plans, book)
        manifest.write_manifest(options.out, book)
    print(_table(scans, options.any_count))
    count = len(book["problems"])
    if count and not options.skip_bad:
        raise RarError(
            f"{count} problems, listed above and in {options.out / manifest.FILE}; the rest is prepared: "
            "mend them and prepare again, or accept with --skip-bad"
        )


def _plans(scans: list[SubsetScan], options: Options, training_boxes: str) -> list[SetPlan]:
    by_set: dict[str, list[FaceRecord]] = {}
    for scan in scans:
        by_set.setdefault(scan.subset.set, []).extend(scan.records)
    plain, raw = options.crops(PLAIN), options.dataset
    plans = []
    for name, unordered in by_set.items():
        records = sorted(unordered, key=lambda record: record.name)
        if name == "train":
            records, validation = split_by_photograph(records, options.validation, options.seed)
            live = options.augment == "live"
            plans.append(SetPlan("train", records, options.training, not live, raw, training_boxes, live))
            plans.append(SetPlan("val", validation, plain, False, raw, training_boxes))
        else:
            plans.append(SetPlan(name, records, plain, False, raw, options.boxes))
    return [plan for plan in plans if plan.records]


def _open_book(options: Options, scans: list[SubsetScan], scheme: Scheme) -> dict[str, Any]:
    """The manifest to go on with: what DATA holds already, and this run's parameters and counts."""
    old = manifest.read_manifest(options.out) if (options.out / manifest.FILE).exists() else {}
    for name, entry in old.get("sets", {}).items():  # one that was prepared before sets knew where they come from
        known = manifest.origin(old, name)
        entry.setdefault("raw", known.raw)
        entry["settings"].setdefault("boxes", known.boxes)
    if old and manifest.scheme_of(old) != scheme:
        held = manifest.scheme_of(old).name
        raise RarError(f"{options.out} holds faces of scheme {held}, not {scheme.name}: give another folder (DATA=)")
    return {
        "format": manifest.FORMAT,
        "raw": options.dataset,
        "raw_folder": readable(options.raw),
        **({"protocol": options.protocol} if options.protocol else {}),
        "scheme": stored(scheme),
        "parameters": {
            "boxes": options.boxes, "crop_size": options.crop_size, "margin": options.margin, "copies": options.copies,
            "occluded": options.occluded, "seed": options.seed, "validation": options.validation,
            "occluders": readable(options.occluders) if options.occluders else None, "centres": options.centres,
            "augment": options.augment, "quality": options.quality,
        },
        "counts": {**old.get("counts", {}), **{scan.subset.name: _counts(scan, options.any_count) for scan in scans}},
        "problems": [problem for scan in scans for problem in scan.problems],
        "sets": old.get("sets", {}),
        "files": old.get("files", {}),
    }  # fmt: skip


def _counts(scan: SubsetScan, any_count: bool) -> dict[str, Any]:
    expected = scan.found if any_count else scan.subset.faces
    return {"expected": expected, "found": scan.found, "written": len(scan.records)}


def _drop_pool(options: Options, plans: list[SetPlan], book: dict[str, Any]) -> None:
    """The pool of another `train`: whatever ends this run, it is not to be taken for that of the new one."""
    if plans[0].name == "train" and not (options.out / "train").exists():
        (options.out / POOL).unlink(missing_ok=True)
        book["files"].pop(POOL, None)


def _pool(options: Options, plans: list[SetPlan], book: dict[str, Any]) -> None:
    """The pool of `train`, unless it is there and in the manifest."""
    if plans[0].name != "train" or ((options.out / POOL).exists() and POOL in book["files"]):
        return
    path = write_pool(options.out, options.centres, options.seed)
    book["files"][path.name] = file_entry(path)
    print(f"{path.name}: written")
    with h5py.File(path) as file:
        held = len(file["centres"])
    if held < options.centres:
        print(
            f"{path.name} holds {held} shapes, not {options.centres}: there are no more. Add training faces, or train "
            f"a preset with +basis_size={held}",
            file=sys.stderr,
        )


def _table(scans: list[SubsetScan], any_count: bool) -> str:
    lines = [f"{'subset':<16}{'expected':>9}{'found':>7}{'written':>9}  "]
    for scan in scans:
        counts = _counts(scan, any_count)
        missing = counts["expected"] - counts["written"]
        note = "" if missing == 0 else f"{missing} missing" if missing > 0 else f"{-missing} more than expected"
        if not scan.found and missing:
            note = f"all {missing} missing" + (f": no such {scan.subset.kind}" if scan.folder is None else "")
        lines.append(f"{scan.subset.name:<16}{counts['expected']:>9}{counts['found']:>7}{counts['written']:>9}  {note}")
    return "\n".join(line.rstrip() for line in lines)
