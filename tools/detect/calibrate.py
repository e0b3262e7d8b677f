"""The expected error of every landmark, learnt from faces that were not trained on.

From the validation faces of prepared data, checked on the faces of another set. Writes FILE.calibration.json beside the
weights, which tools.detect then uses, and to --out calibration.png and calibration.md: expected against measured error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression

from data_prep.patches import open_set
from layers.common.errors import RarError, run_command
from layers.common.files import finished_file
from layers.common.shapes import FloatArray, point_errors
from tools.common.version import commit
from tools.detect.calibration import Calibration, face_size, features, write_calibration
from tools.draw import style
from tools.evaluate.results import FaceResult
from tools.evaluate.table import Cell, Row, Table, as_markdown, as_text
from tools.model.crop_detector import CropDetector
from tools.model.options import data_option, in_run, model_options
from tools.model.presets import preset
from tools.test.faces import test_set

PATH = click.Path(path_type=Path)
BINS = 10
FEWEST = 20  # faces to learn from
NOISE = 0.1  # % of the face's size, of the annotations: an error of zero has no logarithm
COLUMNS = ("expected", "measured", "median")


def measured(faces: Sequence[FaceResult]) -> FloatArray:
    """Distance (n, L) of the last stage from the truth, % of the size of the face as found."""
    truth, final = np.stack([f.ground_truth for f in faces]), np.stack([f.stages[-1] for f in faces])
    return 100 * point_errors(final, truth) / face_size(final)[:, None]


def evidence(faces: Sequence[FaceResult]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Peaks, S_d and last stages of all faces, as a calibration takes them."""
    return np.stack([f.peak for f in faces]), np.stack([f.s_d for f in faces]), np.stack([f.stages[-1] for f in faces])


def learn(faces: Sequence[FaceResult], weights: str, data: str) -> Calibration:
    """The score that a linear fit to the logarithm of the error gives, and its isotonic map to the error itself."""
    seen = features(*evidence(faces))
    seen, errors = seen.reshape(-1, seen.shape[-1]), measured(faces).ravel()
    linear = LinearRegression().fit(seen, np.log(errors + NOISE))
    rising = IsotonicRegression(out_of_bounds="clip").fit(seen @ linear.coef_, errors)
    corners = (rising.X_thresholds_, rising.y_thresholds_)
    coefficients, scores, mapped = (tuple(values.astype(float).tolist()) for values in (linear.coef_, *corners))
    return Calibration(weights, data, len(faces), coefficients, scores, mapped)


def bins(expected: FloatArray, errors: FloatArray) -> list[tuple[float, float, float]]:
    """Landmarks in order of their expected error, in equal parts: mean expected, mean and median measured error."""
    order = np.argsort(expected, axis=None, kind="stable")
    parts = [(expected.ravel()[part], errors.ravel()[part]) for part in np.array_split(order, BINS)]
    return [(float(e.mean()), float(m.mean()), float(np.median(m))) for e, m in parts]


def figure(rows: Sequence[tuple[float, float, float]], title: str, note: str) -> Figure:
    """Expected against measured error, a point per bin, beside the line of a perfect calibration."""
    made = style.figure(640, 520)
    axes = made.add_subplot()
    expected, mean, median = zip(*rows, strict=True)
    top = 1.08 * max(*expected, *mean)
    axes.plot([0, top], [0, top], color=style.SOFT, linewidth=1, linestyle=(0, (4, 3)), label="as expected")
    axes.plot(expected, mean, color=style.LINES[0], marker="o", markersize=6, linewidth=2, label="mean measured")
    axes.plot(
        expected, median, color=style.LINES[2], marker="D", markersize=4.5, linewidth=1.4, label="median measured"
    )
    style.chart(axes, title, "expected error, % of the face's size", "measured error, % of the face's size")
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_aspect("equal")
    style.legend(axes)
    made.tight_layout(rect=(0, 0.05, 1, 1))
    style.caption(made, note)
    return made


def report(made: Calibration, faces: Sequence[FaceResult], subset: str, note: str, out: Path) -> None:
    """Table and picture of expected and measured error on other faces."""
    expected, errors = made.per_cent(*evidence(faces)), measured(faces)
    rows = bins(expected, errors)
    rank = spearmanr(expected, errors, axis=None).statistic
    rank_peak = spearmanr(-evidence(faces)[0], errors, axis=None).statistic
    rank_faces = spearmanr(expected.mean(1), errors.mean(1)).statistic
    lines = [Row(f"{number} of {BINS}", tuple(map(Cell, row))) for number, row in enumerate(rows, start=1)]
    lines.append(Row("all", (Cell(expected.mean()), Cell(errors.mean()), Cell(float(np.median(errors))))))
    notes = (
        f"rank correlation (Spearman) of expected and measured error: {rank:.3f} over landmarks "
        f"({rank_peak:.3f} by the peak alone), {rank_faces:.3f} over faces",
        note,
    )
    title = f"{subset}, {errors.size} landmarks of {len(faces)} faces: error in % of the face's size, by expected error"
    table = Table("calibration", title, "part", COLUMNS, tuple(lines), notes)
    with finished_file(out / "calibration.md") as part:
        part.write_text(as_markdown([table]), encoding="utf-8")
    print(as_text([table]))
    drawing = figure(rows, f"Expected error against measured, {subset}, {len(faces)} faces", f"ρ = {rank:.3f} · {note}")
    print(style.save(drawing, out / "calibration.png"))


@click.command(help=__doc__)
@model_options
@data_option()
@click.option("--fit", default="val", show_default=True, help="set to learn from: faces that were not trained on")
@click.option("--check", default="helen", show_default=True, help="set to check it on")
@in_run("--out", "", "folder for calibration.png and calibration.md")
@click.option("--batch", default=8, show_default=True, type=click.IntRange(1), help="faces at a time")
def main(name: str, weights: Path, data: Path, fit: str, check: str, out: Path, batch: int) -> None:
    if not (data / fit).is_dir():
        raise RarError(f"no {fit} in {data}: prepare the data with VALIDATION=0.06, or name another set by --fit")
    detector = CropDetector(preset(name), weights)
    learnt = list(test_set(detector, open_set(data / fit), fit, batch))
    if len(learnt) < FEWEST:
        raise RarError(f"{data / fit} has {len(learnt)} faces, too few to learn from: {FEWEST} are the least")
    made = learn(learnt, detector.sha256, f"{data.name}/{fit}")
    print(write_calibration(weights, made))
    others = list(test_set(detector, open_set(data / check), check, batch))
    note = f"learnt on {made.data}, {made.faces} faces · {name} {made.weights_sha256[:12]} · commit {commit()[:12]}"
    report(made, others, check, note, out)


if __name__ == "__main__":
    run_command(main)
