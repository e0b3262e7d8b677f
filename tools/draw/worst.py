"""The faces with the largest error: what was found on them over the truth, a tile a face."""

from __future__ import annotations

from collections.abc import Sequence

from layers.common.schemes import scheme
from tools.draw import style
from tools.draw.choose import pupil_errors
from tools.draw.images import FacePictures
from tools.draw.sheet import Sheet
from tools.evaluate.own import measure
from tools.evaluate.results import FaceResult, Results

_LEFT, _TOP, _GAP, _LABEL, _BOTTOM, _COLUMNS = 14, 82, 12, 50, 30, 5  # px; tiles in a row


def worst_faces(
    results: Results, faces: Sequence[FaceResult], pictures: FacePictures, note: str, tile: int = 260
) -> Sheet:
    """Tiles of `tile` px, five in a row: the truth in white, the last shape over it; its name and errors below.

    Size: 16 + n (tile + 12) px wide for n columns, at least 560; 112 + rows (tile + 50) px high.
    """
    kind, steps, columns = scheme(results.scheme), results.steps, min(_COLUMNS, len(faces))
    lines = -(-len(faces) // columns)
    width = max(560, 2 * _LEFT - _GAP + columns * (tile + _GAP))
    sheet = Sheet(width, _TOP + lines * (tile + _LABEL) + _BOTTOM)
    found = "the last shape" if steps else "the shape found"
    sheet.heading(
        f"{results.model.name} on {style.faces_from(results.data.raw)}: the largest errors",
        f"white: annotated; green: {found}\nper cent: mean error of the face's landmarks, of {measure(kind)}",
    )
    chosen = Results(results.scheme, results.model, results.data, steps, tuple(faces))
    stages = {r"$S_d$": [face.s_d for face in faces], r"$\hat{S}_0$": [face.stages[0] for face in faces]}
    stages |= {rf"$\hat{{S}}_{{{steps}}}$": [face.stages[-1] for face in faces]} if steps else {}
    errors = {symbol: 100 * pupil_errors(chosen, shapes) for symbol, shapes in stages.items()}
    for number, face in enumerate(faces):
        row, column = divmod(number, columns)
        left, top = _LEFT + column * (tile + _GAP), _TOP + row * (tile + _LABEL)
        picture = pictures(face)
        axes = sheet.picture(left, top, tile, picture.image)
        truth, shape = picture.place(face.ground_truth), picture.place(face.stages[-1])
        style.draw_shape(axes, truth, kind, style.COLOURS["truth"], width=tile / 260)
        style.draw_shape(axes, shape, kind, style.COLOURS["final"], width=tile / 260)
        sheet.text(left + tile / 2, top + tile + 12, face.name, fontsize=8.5, ha="center")
        words = "   ".join(f"{symbol} {values[number]:.1f} %" for symbol, values in errors.items())
        sheet.text(left + tile / 2, top + tile + 30, words, fontsize=8.5, ha="center", color=style.SOFT)
    style.caption(sheet.figure, note)
    return sheet
