"""Shapes over faces: a gallery with S_d, the initial shape, the final shape and the truth, one face a column."""

from __future__ import annotations

from collections.abc import Sequence

from layers.common.metrics import face_errors
from layers.common.schemes import Scheme, scheme
from layers.common.shapes import FloatArray
from tools.draw import style
from tools.draw.images import FacePictures
from tools.draw.sheet import Sheet
from tools.evaluate.results import FaceResult, Results

_LEFT, _TOP, _GAP, _LABEL, _BOTTOM, _NARROWEST = 112, 68, 8, 22, 44, 560  # px


def _rows(face: FaceResult, steps: int) -> list[tuple[str, str, str, FloatArray]]:
    """Symbol, name, colour and shape of each row of the gallery."""
    rows = [(r"$S_d$", "detected", "s_d", face.s_d), (r"$\hat{S}_0$", "initial", "initial", face.stages[0])]
    if steps:
        rows.append((rf"$\hat{{S}}_{{{steps}}}$", "final", "final", face.stages[-1]))
    return [*rows, ("truth", "annotated", "truth", face.ground_truth)]


def _pupil_error(shape: FloatArray, face: FaceResult, kind: Scheme) -> str:
    return f"{100 * face_errors(shape[None], face.ground_truth[None], kind, 'pupil')[0]:.1f} %"


def gallery(results: Results, faces: Sequence[FaceResult], pictures: FacePictures, note: str, tile: int = 224) -> Sheet:
    """A column per face, a row per shape, tiles of `tile` px; under each shape its NME, inter-pupil.

    Size: 112 + n (tile + 8) px wide, at least 560; 68 + rows (tile + 22) + 44 px high, with 4 rows, 3 when T = 0.
    """
    kind, steps = scheme(results.scheme), results.steps
    rows = len(_rows(results.faces[0], steps))
    width = max(_NARROWEST, _LEFT + len(faces) * (tile + _GAP))
    sheet = Sheet(width, _TOP + rows * (tile + _LABEL) + _BOTTOM)
    sheet.heading(
        f"{results.model.name} on {style.faces_from(results.data.raw)}",
        "per cent: mean error of the face's landmarks, of its inter-pupil distance",
    )
    for column, face in enumerate(faces):
        picture, left = pictures(face), _LEFT + column * (tile + _GAP)
        for row, (symbol, name, colour, shape) in enumerate(_rows(face, steps)):
            top = _TOP + row * (tile + _LABEL)
            axes = sheet.picture(left, top, tile, picture.image)
            style.draw_shape(axes, picture.place(shape), kind, style.COLOURS[colour], width=tile / 190)
            words = face.name if name == "annotated" else _pupil_error(shape, face, kind)
            sheet.text(left + tile / 2, top + tile + 11, words, fontsize=8.5, ha="center")
            if column == 0:
                sheet.text(_LEFT / 2, top + tile / 2 - 9, symbol, fontsize=15, ha="center")
                sheet.text(_LEFT / 2, top + tile / 2 + 13, name, fontsize=9, ha="center", color=style.SOFT)
    style.caption(sheet.figure, note)
    return sheet
