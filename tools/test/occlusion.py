"""Robustness: a test set under a disc of growing size; errors of hidden and of visible landmarks apart.

The disc has `size` times the area of the landmarks' bounding box, lies round a landmark drawn at random and is filled
with smooth noise. Centre and filling are functions of the seed and the face's name: the same for every size and model.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from layers.common import metrics
from layers.common.errors import run_command
from layers.common.files import finished_file
from layers.common.prepared import PreparedSet
from layers.common.shapes import FloatArray
from tools.common.version import commit
from tools.draw import style
from tools.evaluate import where
from tools.evaluate.bins import bins
from tools.evaluate.face_properties import HIDDEN
from tools.evaluate.table import Cell, Row, Table, as_markdown, as_text
from tools.model.crop_detector import CropDetector
from tools.model.options import data_option, in_run, preset_option, run_of, run_option
from tools.model.places import chosen_weights
from tools.model.presets import preset

SIZES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
COLUMNS = ("hidden, %", "S_d", "S_hat_0", "S_hat_T", "visible", "hidden", "FR10")
PATH = click.Path(path_type=Path)


class Disc(NamedTuple):
    """Centre (2,), px, of a disc; its radius at size 1; its filling, an image of the crop's size."""

    centre: FloatArray
    unit: float
    filling: NDArray[np.uint8]

    def hides(self, shape: FloatArray, size: float) -> NDArray[np.bool_]:
        """Which landmarks (L,) of a shape (L, 2) lie under it."""
        return np.asarray(np.linalg.norm(shape - self.centre, axis=-1) < self.unit * np.sqrt(size))

    def over(self, crop: NDArray[np.uint8], size: float) -> NDArray[np.uint8]:
        """The crop with the disc on it, its edge softened over a pixel."""
        y, x = np.mgrid[: crop.shape[0], : crop.shape[1]]
        distance = np.hypot(x - self.centre[0], y - self.centre[1])
        alpha = np.clip(self.unit * np.sqrt(size) - distance + 0.5, 0, 1)[..., None] * (size > 0)
        return np.rint(alpha * self.filling + (1 - alpha) * crop).astype(np.uint8)


def disc(shape: FloatArray, name: str, crop_size: int, seed: int) -> Disc:
    """The disc of a face with true shape (L, 2), px of its crop."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    centre = shape[generator.integers(len(shape))]
    noise = cv2.GaussianBlur(generator.normal(size=(crop_size, crop_size, 3)), (0, 0), crop_size / 40)
    filling = generator.uniform(40, 200, 3) + 25 * noise / noise.std()
    unit = float(np.sqrt(np.ptp(shape, axis=0).prod() / np.pi))
    return Disc(centre.astype(np.float64), unit, np.clip(filling, 0, 255).astype(np.uint8))


class Measured(NamedTuple):
    """One model at one size of the disc.

    NME (n,) of S_d, S_hat_0 and S_hat_T, and of S_hat_T's visible and hidden landmarks; the share (n,) of landmarks
    hidden. Fractions; NaN where a face has no landmark of the kind.
    """

    s_d: FloatArray
    initial: FloatArray
    final: FloatArray
    visible: FloatArray
    hidden: FloatArray
    share: FloatArray

    def cells(self) -> tuple[Cell, ...]:
        means = [float(np.mean(part)) for part in (self.share, self.s_d, self.initial, self.final)]
        means += [
            float(np.nanmean(part)) if np.isfinite(part).any() else np.nan for part in (self.visible, self.hidden)
        ]
        means.append(metrics.failure_rate(self.final))
        return tuple(Cell(None if np.isnan(mean) else 100 * mean) for mean in means)


def measure(detector: CropDetector, faces: PreparedSet, size: float, seed: int) -> Measured:
    """The detector on every plain crop of a set under its disc."""
    shapes, under = [], []
    rows = np.flatnonzero(faces.copy == 0)
    for row in tqdm(rows, desc=f"{detector.preset.name}, size {size:g}", unit="face"):
        cover = disc(faces.shape[row], str(faces.name[row]), faces.crop_size, seed)
        found = detector.detect(cover.over(faces.image(row), size)[None])
        shapes.append(np.stack([found.s_d[0], found.stages[0, 0], found.stages[0, -1]]))
        under.append(cover.hides(faces.shape[row], size))
    truth, found_shapes, hidden = faces.shape[rows], np.stack(shapes), np.stack(under)
    whole = metrics.stage_errors(found_shapes, truth, faces.scheme, "pupil")
    seen, unseen = (
        metrics.visible_errors(found_shapes[:, -1], truth, which, faces.scheme, "pupil") for which in (~hidden, hidden)
    )
    return Measured(whole[:, 0], whole[:, 1], whole[:, 2], seen, unseen, hidden.mean(axis=-1))


def by_share(name: str, measured: Sequence[Measured], steps: int, seed: int) -> Table:
    """One model's error by the share of landmarks hidden, whatever the disc.

    A face counts once in a row, with the mean over its pictures there, so that the faces of a row are independent.
    """
    share = 100 * np.stack([one.share for one in measured])  # (sizes, n)
    errors = np.stack([np.stack([one.s_d, one.initial, one.final], axis=-1) for one in measured])
    rows = []
    for part in bins(share.ravel(), HIDDEN):
        inside = part.members.reshape(share.shape)
        counts = inside.sum(axis=0)
        means = (errors * inside[..., None]).sum(axis=0)[counts > 0] / counts[counts > 0, None]
        rows.append(Row(part.label(" %"), where.cells(means, seed)))
    title = f"By the share of landmarks hidden, {name}, all discs together, per cent of the inter-pupil distance"
    notes = ("a face counts once in a row, with the mean over its pictures there", *where.NOTES)
    return Table(f"occlusion_share_{name}", title, "hidden", where.columns_for(steps), tuple(rows), notes)


def figure(found: dict[str, list[Measured]], title: str, width: int = 860, height: int = 480) -> Figure:
    """Error of the last shape over the disc's size, a colour a model: all, visible (dashed) and hidden (dotted)."""
    made = style.figure(width, height)
    axes = made.add_subplot()
    for colour, (name, measured) in zip(style.LINES * 3, found.items(), strict=False):
        rows = [[cell.value for cell in one.cells()] for one in measured]
        for column, line, part in ((3, "-", "all"), (4, (0, (4, 2)), "visible"), (5, (0, (1, 2)), "hidden")):
            points = [(size, row[column]) for size, row in zip(SIZES, rows, strict=True) if row[column] is not None]
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=line, marker="o", markersize=3.5,
                      label=f"{name}: {part}")  # fmt: skip
    style.chart(axes, title, "area of the disc over that of the face", "mean error, % of the inter-pupil distance")
    axes.set_ylim(bottom=0)
    style.legend(axes)
    made.tight_layout()
    return made


@click.command(help=__doc__)
@click.option("--model", "models", nargs=2, multiple=True, help="PRESET WEIGHTS, any number of times, to compare")
@preset_option("vgg19")
@run_option
@click.option("--weights", type=PATH, help="of the preset, where no --model is given; without it those of the run")
@data_option(subset="helen")
@in_run("--out", "", "folder for occlusion.md and occlusion.png")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.pass_context
def main(
    context: click.Context,
    models: Sequence[tuple[str, str]],
    name: str,
    weights: Path | None,
    data: Path,
    out: Path,
    seed: int,
) -> None:
    models = models or [(name, str(chosen_weights(name, run_of(context), weights)))]
    faces = PreparedSet(data)
    found, notes = {}, [f"data {data}, normaliser inter-pupil, px of the crop, seed {seed}, commit {commit()[:12]}"]
    for model, file in models:
        detector = CropDetector(preset(model), Path(file))
        notes.append(f"{model}: {file} (sha256 {detector.sha256[:12]})")
        found[model] = [measure(detector, faces, size, seed) for size in SIZES]
    title = f"{data.name}, {int((faces.copy == 0).sum())} faces under a disc of growing size, per cent"
    rows = [
        Row(f"{name}, {size:g}", one.cells())
        for name, measured in found.items()
        for size, one in zip(SIZES, measured, strict=True)
    ]
    table = Table("occlusion", title, "model, size", COLUMNS, tuple(rows), tuple(notes))
    shares = [by_share(name, measured, preset(name).steps, seed) for name, measured in found.items()]
    with finished_file(out / "occlusion.md") as part:
        part.write_text(as_markdown([table, *shares]), encoding="utf-8")
    print(as_text([table, *shares]))
    print(style.save(figure(found, title), out / "occlusion.png"))


if __name__ == "__main__":
    run_command(main)
