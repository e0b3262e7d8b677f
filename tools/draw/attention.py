"""Where RAR looked: the chain of attention centres on a face, and the way each landmark went."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import Normal, Stroke

from layers.common.metrics import face_errors
from layers.common.schemes import Scheme, scheme
from tools.draw import style
from tools.draw.chain import SHADES, bright, label_places, ranges, spots, time_colour
from tools.draw.images import FacePicture, FacePictures
from tools.draw.sheet import Sheet
from tools.evaluate.results import FaceResult, Results

_TOP, _GAP, _LABEL, _BOTTOM, _SIDE, _NARROWEST = 90, 14, 26, 84, 14, 560  # px


def draw_chain(axes: Axes, face: FaceResult, picture: FacePicture, kind: Scheme) -> None:
    """The centres c_1 ... c_T at their landmarks of the final shape, numbered and joined in order."""
    steps, side = len(face.centres), float(picture.image.shape[0])
    final = picture.place(face.stages[-1])
    style.draw_shape(axes, final, kind, "#ffffff90", width=0.7)
    looked = final[face.centres]
    for t in range(1, steps):
        if face.centres[t] == face.centres[t - 1]:
            continue
        arrow = FancyArrowPatch(
            tuple(looked[t - 1]), tuple(looked[t]), connectionstyle="arc3,rad=0.18", arrowstyle="-|>", mutation_scale=9,
            color=time_colour(t + 1, steps), linewidth=1.7, shrinkA=3, shrinkB=3, zorder=4,
            path_effects=[Stroke(linewidth=3.2, foreground="#00000080"), Normal()],
        )  # fmt: skip
        axes.add_patch(arrow)
    looked_at = spots(face.centres.tolist())
    points = final[list(looked_at)]
    places = label_places(points, final.mean(0), side, (side, side))
    for times, point, place in zip(looked_at.values(), points, places, strict=True):
        colour = time_colour(times[0], steps)
        axes.plot(*np.stack([point, place]).T, color="white", linewidth=0.8, zorder=5)
        axes.scatter(*point, s=46, color=[colour], edgecolors="white", linewidths=1.1, zorder=6)
        axes.text(
            *place, ranges(times), fontsize=8.5, fontweight="bold", ha="center", va="center", zorder=7,
            color=style.INK if bright(colour) else "white",
            bbox={"boxstyle": "round,pad=0.22", "facecolor": colour, "edgecolor": "white", "linewidth": 0.8},
        )  # fmt: skip


def draw_paths(axes: Axes, face: FaceResult, picture: FacePicture) -> None:
    """The path of every landmark from S_hat_0 (ring) to S_hat_T (dot), coloured by time, and the truth (cross)."""
    stages = picture.place(face.stages)
    steps = len(stages) - 1
    pieces = np.stack([stages[:-1], stages[1:]], 2).reshape(-1, 2, 2)  # step-major
    colours = np.repeat([time_colour(t, steps) for t in range(1, steps + 1)], stages.shape[1], axis=0)
    axes.add_collection(LineCollection(list(pieces), colors="#00000080", linewidths=3.0, capstyle="round"))
    axes.add_collection(LineCollection(list(pieces), colors=colours, linewidths=1.7, capstyle="round"))
    truth = picture.place(face.ground_truth)
    axes.scatter(*truth.T, s=20, marker="x", color="white", linewidths=0.9, zorder=3)
    first, last = [time_colour(1, steps)], [time_colour(steps, steps)]
    axes.scatter(*stages[0].T, s=13, facecolors="none", edgecolors=first, linewidths=0.9, zorder=4)
    axes.scatter(*stages[-1].T, s=12, color=last, edgecolors="#000000b0", linewidths=0.5, zorder=5)


def attention_chains(
    results: Results, faces: Sequence[FaceResult], pictures: FacePictures, note: str, tile: int = 440
) -> Sheet:
    """Two pictures per face, one face a column: the chain of centres above, the landmarks' paths below.

    Size: n (tile + 14) + 14 px wide, at least 560; 90 + 2 (tile + 26) + 84 px high. The results need T >= 1.
    """
    width = max(_NARROWEST, _SIDE + len(faces) * (tile + _GAP))
    sheet = Sheet(width, _TOP + 2 * (tile + _LABEL) + _BOTTOM)
    sheet.heading(
        f"{results.model.name}: where the attention went in {results.steps} steps",
        "above: attention centres, numbered by step and joined in order, on the final shape\n"
        "below: the way of every landmark from its ring to its dot; the truth is a cross",
    )
    kind = scheme(results.scheme)
    for column, face in enumerate(faces):
        picture, left = pictures(face), _SIDE + column * (tile + _GAP)
        image = style.dim(picture.image, 0.78)
        draw_chain(sheet.picture(left, _TOP, tile, image), face, picture, kind)
        draw_paths(sheet.picture(left, _TOP + tile + _LABEL, tile, image), face, picture)
        truth = face.ground_truth[None]
        first, last = (100 * face_errors(shape[None], truth, kind, "pupil")[0] for shape in face.stages[[0, -1]])
        words = f"NME {first:.1f} % → {last:.1f} %, inter-pupil"
        sheet.text(left + tile / 2, _TOP + tile + 13, face.name, fontsize=9, ha="center")
        sheet.text(left + tile / 2, _TOP + 2 * tile + _LABEL + 13, words, fontsize=9, ha="center")
    _time_bar(sheet, results.steps)
    style.caption(sheet.figure, note)
    return sheet


def _time_bar(sheet: Sheet, steps: int) -> None:
    """The colours of the steps."""
    shades = colormaps[style.TIME](np.linspace(*SHADES, 256))
    axes = sheet.axes(_SIDE, sheet.height - 60, 360, 9)
    axes.imshow(shades[None], aspect="auto", extent=(1, max(steps, 2), 0, 1))
    axes.set_yticks([])
    axes.set_xticks(sorted({1, max(1, steps // 3), max(1, 2 * steps // 3), steps}))
    axes.tick_params(labelsize=8, colors=style.SOFT, length=2, pad=2)
    axes.set_title("step t", loc="left", fontsize=8, color=style.SOFT, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
