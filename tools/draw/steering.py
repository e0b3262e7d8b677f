"""The paper's Fig. 3: how the attention centre of a step steers where the landmarks go, on one face a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from layers.common.gamma import gamma_for_centre
from layers.common.schemes import Scheme, scheme
from tools.draw import style
from tools.draw.images import FacePicture, FacePictures
from tools.draw.sheet import Sheet
from tools.evaluate.results import FaceResult, Results

_TOP, _GAP, _LABEL, _BOTTOM, _SIDE, _NARROWEST = 106, 12, 26, 40, 14, 560  # px
_NEAR, _FAR, _MOVE = "#ff3b4e", "#3ddc84", "#ffd23f"
_LENGTHENED = 8  # steps are of a pixel or two: drawn as they are, none would show
_SHOWN = 3  # steps of each face


def shown_steps(steps: int) -> list[int]:
    """The middle steps of the thirds that the paper's Table 4 tells apart, from 0."""
    count = min(_SHOWN, steps)
    return [(2 * k + 1) * steps // (2 * count) for k in range(count)]


def draw_step(axes: Axes, face: FaceResult, picture: FacePicture, kind: Scheme, t: int) -> None:
    """Step t: lines from the centre to the landmarks, and where each is moved, `_LENGTHENED` times as far.

    Red lines go to the third of the landmarks that weigh most, dotted green ones to the others.
    """
    shape, centre = picture.place(face.stages[t]), int(face.centres[t])
    gamma = gamma_for_centre(face.stages[t][None], np.array([centre]), kind)[0]
    near = gamma > np.quantile(gamma, 2 / 3)
    for chosen, colour, look in ((~near, _FAR, "dotted"), (near, _NEAR, "solid")):
        lines = [np.stack([shape[centre], point]) for point in shape[chosen]]
        axes.add_collection(LineCollection(lines, colors=colour, linestyles=look, linewidths=0.9, alpha=0.8))
    moved = shape + _LENGTHENED * (picture.place(face.stages[t + 1]) - shape)
    arrows = [np.stack(ends) for ends in zip(shape, moved, strict=True)]
    axes.add_collection(LineCollection(arrows, colors="#000000a0", linewidths=3.4, capstyle="round", zorder=3))
    axes.add_collection(LineCollection(arrows, colors=_MOVE, linewidths=1.8, capstyle="round", zorder=4))
    axes.scatter(*shape.T, s=9, color=np.where(near, _NEAR, _FAR), edgecolors="#000000b0", linewidths=0.4, zorder=5)
    axes.scatter(*shape[centre], s=110, color=_NEAR, edgecolors="white", linewidths=1.6, zorder=6)


def steering(
    results: Results, faces: Sequence[FaceResult], pictures: FacePictures, note: str, tile: int = 380
) -> Sheet:
    """A row per face, a column per shown step; the results need T >= 1.

    Size: up to 3 (tile + 12) + 16 px wide, at least 560; 106 + n (tile + 26) + 40 px high.
    """
    kind, steps = scheme(results.scheme), shown_steps(results.steps)
    width = max(_NARROWEST, 2 * _SIDE + len(steps) * (tile + _GAP) - _GAP)
    sheet = Sheet(width, _TOP + len(faces) * (tile + _LABEL) + _BOTTOM)
    sheet.heading(
        f"{results.model.name}: how a centre steers the refinement",
        "large dot: the attention centre. Red: the third of the landmarks with the largest weight γ; dotted green: the"
        f"\nothers. Yellow: where the step moves each landmark, {_LENGTHENED} times as far.",
    )
    for row, face in enumerate(faces):
        picture = pictures(face)
        for column, t in enumerate(steps):
            left, top = _SIDE + column * (tile + _GAP), _TOP + row * (tile + _LABEL)
            draw_step(sheet.picture(left, top, tile, style.dim(picture.image, 0.72)), face, picture, kind, t)
            words = f"step {t + 1}: centre {int(face.centres[t]) + 1}"
            words += f" ({part_of(int(face.centres[t]), kind)})"
            sheet.text(left + tile / 2, top + tile + 13, words, fontsize=9, ha="center")
    style.caption(sheet.figure, note)
    return sheet


def part_of(landmark: int, kind: Scheme) -> str:
    """The facial part that a landmark (0-based) is of."""
    return next(name for name, members in kind.groups.items() if landmark in members)
