"""Figs. 4 and 5 of the paper: the full model's shapes above, those of its variants below, a face a column.

python3 -m tools.draw.compare --data DATA --out FILE.png FULL.json VARIANT.json ...
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from layers.common.errors import RarError, run_command
from layers.common.metrics import face_errors
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from tools.draw import choose, style
from tools.draw.images import FacePictures, PreparedPictures
from tools.draw.sheet import Sheet
from tools.draw.small_print import small_print
from tools.evaluate.results import FaceResult, Results, read_results

_LEFT, _TOP, _GAP, _LABEL, _BOTTOM, _NARROWEST = 132, 68, 8, 22, 44, 560  # px
FILE = click.Path(path_type=Path, dir_okay=False)


def variant(results: Results) -> str:
    """The settings in which a variant differs, each in two lines, or "full"."""
    return "\n".join(results.model.name.split("+")[1:]).replace("=", "\n") or "full"


def aligned(models: Sequence[Results]) -> list[dict[str, FaceResult]]:
    """The faces of each model by name; RarError unless all have been tested on the same ones."""
    faces = [{f"{face.subset}/{face.name}": face for face in results.faces} for results in models]
    for results, other in zip(models[1:], faces[1:], strict=True):
        if other.keys() != faces[0].keys() or results.scheme != models[0].scheme:
            raise RarError(
                f"{results.model.name} was tested on other faces than {models[0].model.name}: test both alike"
            )
    return faces


def telling(models: Sequence[Results], count: int) -> list[str]:
    """The faces on which the models differ most: by the largest minus the smallest final error, fractions of D."""
    faces = aligned(models)
    order = {name: i for i, name in enumerate(faces[0])}
    errors = np.stack([_by_name(results, order) for results in models])
    names = list(order)
    return [names[i] for i in np.argsort(-np.ptp(errors, axis=0), kind="stable")[:count]]


def _by_name(results: Results, order: dict[str, int]) -> FloatArray:
    found = choose.pupil_errors(results, [face.stages[-1] for face in results.faces])
    places = [order[f"{face.subset}/{face.name}"] for face in results.faces]
    errors = np.empty(len(found))
    errors[places] = found
    return errors


def comparison(
    models: Sequence[Results], names: Sequence[str], pictures: FacePictures, note: str, tile: int = 224
) -> Sheet:
    """A column per face, a row per model, tiles of `tile` px; under each the NME, inter-pupil.

    Size: 132 + n (tile + 8) px wide, at least 560; 68 + rows (tile + 22) + 44 px high.
    """
    kind, faces = scheme(models[0].scheme), aligned(models)
    sheet = Sheet(max(_NARROWEST, _LEFT + len(names) * (tile + _GAP)), _TOP + len(models) * (tile + _LABEL) + _BOTTOM)
    sheet.heading(
        f"{models[0].model.name} and its variants",
        "the final shapes; per cent: mean error of the face's landmarks, of its inter-pupil distance",
    )
    for row, results in enumerate(models):
        top = _TOP + row * (tile + _LABEL)
        sheet.text(_LEFT / 2, top + tile / 2, variant(results), fontsize=9.5, ha="center", linespacing=1.5)
        for column, name in enumerate(names):
            face, left = faces[row][name], _LEFT + column * (tile + _GAP)
            picture = pictures(face)
            axes = sheet.picture(left, top, tile, picture.image)
            colour = style.COLOURS["final" if row == 0 else "initial"]
            style.draw_shape(axes, picture.place(face.stages[-1]), kind, colour, width=tile / 190)
            error = face_errors(face.stages[-1][None], face.ground_truth[None], kind, "pupil")[0]
            sheet.text(left + tile / 2, top + tile + 11, f"{100 * error:.1f} %", fontsize=8.5, ha="center")
    style.caption(sheet.figure, note)
    return sheet


@click.command(help=__doc__)
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="prepared data tested on")
@click.option("--out", type=FILE, required=True, help="the picture, PNG")
@click.option("--faces", type=click.IntRange(1, 12), default=6, show_default=True)
def main(files: tuple[Path, ...], data: Path, out: Path, faces: int) -> None:
    models = [read_results(file) for file in files]
    names = telling(models, faces)
    note = f"the {len(names)} faces on which the models differ most, of {small_print(*models)}"
    click.echo(style.save(comparison(models, names, PreparedPictures(data), note).figure, out))


if __name__ == "__main__":
    run_command(main)
