"""Run a trained net over the test sets of prepared data and write the results file that tools.evaluate scores."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from tqdm import tqdm

from data_prep.manifest import origin, read_manifest, scheme_of, verify
from data_prep.patches import open_set
from layers.common.errors import RarError, run_command
from layers.common.prepared import PreparedSet
from layers.common.shapes import affine_apply
from tools.common.gpu import use_gpu
from tools.common.version import commit, version
from tools.evaluate.results import Data, FaceResult, Model, Results, write_results
from tools.model.crop_detector import CropDetector
from tools.model.options import data_option, in_run, model_options_for
from tools.model.presets import preset

SETS = ("helen", "lfpw", "ibug")


def test_set(detector: CropDetector, faces: PreparedSet, subset: str, batch: int) -> Iterator[FaceResult]:
    """The results of the plain crop of every face of a set, mapped to px of the original image.

    A set without one hidden landmark is one whose annotation does not tell.
    """
    plain = np.flatnonzero(faces.copy == 0).tolist()
    told = bool(faces.occluded[plain].any())
    for first in tqdm(range(0, len(plain), batch), desc=subset, unit="batch"):
        rows = plain[first : first + batch]
        found = detector.detect(np.stack([faces.image(row) for row in rows]))
        for i, row in enumerate(rows):
            to_image = faces.crop_to_image[row]
            yield FaceResult(
                name=str(faces.name[row]),
                subset=subset,
                ground_truth=faces.image_shape[row],
                s_d=affine_apply(to_image, found.s_d[i].astype(np.float64)),
                stages=affine_apply(to_image, found.stages[i].astype(np.float64)),
                centres=found.centres[i],
                confidence=found.confidence[i],
                peak=found.peak[i],
                box=faces.box[row],
                hidden=faces.occluded[row].astype(np.int64) if told else None,
            )


@click.command(help=__doc__)
@model_options_for("vgg19")
@data_option()
@click.option("--sets", default=",".join(SETS), show_default=True, help="those that exist are tested")
@in_run("--out", "results.json", "results file to write")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1), help="faces at a time")
@click.option("--gpu", type=click.IntRange(0), help="number of the GPU to use; without it the CPU is used")
@click.option("--trained-seed", type=click.IntRange(0), help="of the training, to compare results by seed")
def main(
    name: str, weights: Path, data: Path, sets: str, out: Path, batch: int, gpu: int | None, trained_seed: int | None
) -> None:
    manifest, chosen = read_manifest(data), preset(name)
    present = [subset for subset in sets.split(",") if (data / subset).is_dir()]
    absent = sorted(set(sets.split(",")) - set(present))
    if not present:
        raise RarError(f"none of {sets} in {data}: prepare the data first (make data-300w)")
    if absent:
        print(f"not in {data}, left out: {', '.join(absent)}", file=sys.stderr)
    if gpu is not None:
        use_gpu(gpu)
    verify(data, manifest, present)
    detector = CropDetector(chosen, weights)
    faces = [face for subset in present for face in test_set(detector, open_set(data / subset), subset, batch)]
    model = Model(name, str(weights), detector.sha256, commit(), version(), trained_seed)
    annotated = scheme_of(manifest).name
    origins = described(manifest, present)
    write_results(out, Results(chosen.scheme, model, origins, chosen.steps, tuple(faces), annotated))
    print(out)


def described(manifest: dict[str, Any], sets: Sequence[str]) -> Data:
    """The provenance of the faces of these sets, which a table must state."""
    first = origin(manifest, sets[0])
    others = {name: origin(manifest, name) for name in sets[1:]}
    for name, found in others.items():
        if found.raw != first.raw:
            raise RarError(f"{name} is of {found.raw} and {sets[0]} of {first.raw}: test them one by one (--sets)")
    differing = {n: (cut.boxes, cut.margin) for n, cut in others.items() if cut[1:] != first[1:]}
    return Data(first.boxes, first.margin, first.raw, str(manifest.get("note", "")), differing)


if __name__ == "__main__":
    run_command(main)
