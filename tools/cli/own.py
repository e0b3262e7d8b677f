"""Preparing faces of one's own, by any landmark scheme."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from data_prep.commands import Options, preparation_options, prepare
from data_prep.own.boxes import SOURCES
from data_prep.own.scan import SETS, Scanned, Wanted, scan
from layers.common.errors import RarError
from layers.common.scheme_file import read_scheme
from layers.common.schemes import Scheme, made_known, scheme
from layers.common.shape_pool import read_shape_pool
from tools.detect.calibrate import FEWEST as FEWEST_TO_CALIBRATE
from tools.detect.finder import FaceFinder
from tools.model.options import preset_option
from tools.model.presets import Preset, basis_size, preset

PATH = click.Path(path_type=Path)
FEW = 200  # training faces; with fewer a model learns these faces and little else
VALIDATION = 0.1
DECIDED = ("raw", "sets", "any_count", "centres", "crop_size")  # shared options that are decided here


def given_scheme(word: str | None) -> Scheme | None:
    """The scheme of a file, or of that name; None for none."""
    if word is None:
        return None
    return made_known(read_scheme(Path(word))) if word.endswith(".json") or "/" in word else scheme(word)


def own_preset(name: str, kind: Scheme) -> Preset:
    """The preset `name` for the scheme; what a user gives as a preset may say the scheme already."""
    chosen = preset(name)
    if "scheme=" in name and chosen.scheme != kind.name:
        raise RarError(f"preset {name} is for scheme {chosen.scheme}, and the faces are of {kind.name}: leave it out")
    return chosen if chosen.scheme == kind.name else preset(f"{name}+scheme={kind.name}")


@click.command()
@preset_option("compact")
@click.option("--images", required=True, type=PATH, help="Folder of the pictures.")
@click.option(
    "--annotations", required=True, type=PATH, help="Folder of .pts, dlib's XML, COCO keypoints (JSON) or CSV."
)
@click.option("--scheme", "kind", help="File of the landmark scheme, or a name; without it by the number of points.")
@click.option(
    "--boxes",
    type=click.Choice(SOURCES),
    help="Of the annotations, round the points, or as the face finder draws them.  [default: file, else points]",
)
@click.option("--split", default="", help="Column (CSV) or attribute that says train, val or test for each face.")
@click.option(
    "--test", default=0.1, show_default=True, type=click.FloatRange(0, 0.9), help="Share to test on, by photograph."
)
@click.option("--first-pixel", default=0, show_default=True, type=click.IntRange(0, 1), help="Not for .pts: 1.")
@click.option("--stored", is_flag=True, help="Annotations are in px of the stored picture, not turned by its tag.")
@preparation_options("", margin=1.4, sets=SETS, dataset="own")
def main(
    name: str,
    images: Path,
    annotations: Path,
    kind: str | None,
    out: Path,
    boxes: str | None,
    split: str,
    test: float,
    first_pixel: int,
    stored: bool,
    **shared: Any,
) -> None:
    """Cut, augment and occlude faces of your own; write LMDB, HDF5, shape pool and manifest.

    docs/own-data.md shows the forms of annotations and of a scheme's file, and a whole example.
    """
    kind = kind or (preset(name).scheme if "scheme=" in name else None)
    chosen_scheme = given_scheme(kind)
    wanted = Wanted(images, annotations, chosen_scheme, boxes or "", split, test, shared["seed"], first_pixel, stored)
    found = scan(wanted, FaceFinder().find if boxes == "finder" else None)
    chosen = own_preset(name, found.scheme)
    shared["validation"] = validation_share(found, shared["validation"])
    if faces_to_train_on(found) == 1 and shared["copies"] == 1 and shared["augment"] == "fixed":
        raise RarError("one crop of one face cannot be trained on: give --copies 2 or more, or --augment live")
    for remark in remarks(found, shared["validation"]):
        print(remark, file=sys.stderr)
    if not found.scheme.eyed and shared["occluded"]:
        print(f"scheme {found.scheme.name} has no eyes to hang them on: no synthetic occluders", file=sys.stderr)
        shared["occluded"] = 0.0
    options = Options(
        raw=images, out=out, boxes=found.boxes, crop_size=chosen.crop_size, sets=",".join(SETS), any_count=True,
        centres=basis_size(found.scheme.landmarks), protocol="own", **shared,
    )  # fmt: skip
    prepare(options, found.scans, found.scheme)
    if faces_to_train_on(found):
        print(f"to train: rar-caffe train --preset {trainable(chosen, out)} --data {out} --out runs/{out.name}")
    else:
        print(f"no face to train on; to test: rar-caffe test --preset {chosen.name} --data {out} --run YOUR_RUN")


def faces_to_train_on(found: Scanned) -> int:
    """Of the set `train`, validation faces not yet split off."""
    return sum(len(scan.records) for scan in found.scans if scan.subset.set == "train")


def validation_share(found: Scanned, asked: float) -> float:
    """None of the training faces where a column names others, or where they are all of one photograph."""
    by_set = {scan.subset.set: scan.records for scan in found.scans}
    photographs = {record.photograph for record in by_set.get("train", ())}
    return 0.0 if "val" in by_set or len(photographs) < 2 else asked


def remarks(found: Scanned, validation: float) -> list[str]:
    """What the user should know before hours of training."""
    counts = {scan.subset.set: len(scan.records) for scan in found.scans}
    lines = [*found.remarks, f"boxes: {found.boxes}"]
    if found.boxes != "finder":
        lines.append("detect finds boxes of its own: for a model of found faces take --boxes finder")
    training = counts.get("train", 0)
    if 0 < training < FEW:
        lines.append(f"{training} faces to train on: enough to try it, too few for a model that is good on other faces")
    held = counts.get("val", 0) or round(validation * training)
    if held < FEWEST_TO_CALIBRATE:
        lines.append(f"{held} faces to validate on: calibrate needs {FEWEST_TO_CALIBRATE} (--validation)")
    return lines


def trainable(chosen: Preset, data: Path) -> str:
    """The preset that the prepared data can train: with as many basis shapes as there are."""
    pool = data / "shape_pool.h5"
    held = len(read_shape_pool(pool).centres) if pool.is_file() else chosen.basis_size
    return chosen.name if held == chosen.basis_size else f"{chosen.name}+basis_size={held}"


main.params = [option for option in main.params if option.name not in DECIDED]
next(option for option in main.params if option.name == "validation").default = VALIDATION
