"""What all pictures share: colours, fonts, shapes drawn on a face, and how a figure reaches the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from layers.common.files import finished_file
from layers.common.schemes import Scheme
from layers.common.shapes import FloatArray

DPI = 100
PAPERS_FACES = {"300w": "300-W faces", "cofw": "COFW faces", "mtfl": "AFLW faces (MTFL)"}  # what the paper measured on
INK, SOFT, RULE = "#1d2733", "#5b6775", "#d9dee4"
COLOURS = {"s_d": "#ff5fd2", "initial": "#ffa21f", "final": "#2ee6c8", "truth": "#ffffff"}
LINES = ("#0b7a75", "#d1495b", "#edae49", "#30638e", "#8f5fb5", "#7a8b3c")  # for curves on white
TIME = "plasma"  # colour map of the steps t = 1 ... T


def figure(width: int, height: int) -> Figure:
    """An empty white figure of width x height px."""
    made = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(made)
    return made


def save(made: Figure, path: Path) -> Path:
    """Write the figure as PNG; the file appears complete or not at all."""
    with finished_file(path) as part:
        made.savefig(part, format="png", dpi=DPI)
    return path


def draw_shape(axes: Axes, shape: FloatArray, scheme: Scheme, colour: str, width: float = 1.3) -> None:
    """A shape (L, 2) as the scheme's curves with a dot on each landmark, rimmed dark so that it shows on any skin."""
    effects = [Stroke(linewidth=width + 1.6, foreground="#00000090"), Normal()]
    for indices, closed in scheme.curves:
        path = shape[[*indices, indices[0]] if closed else list(indices)]
        axes.plot(path[:, 0], path[:, 1], color=colour, linewidth=width, path_effects=effects, solid_capstyle="round")
    axes.scatter(
        shape[:, 0], shape[:, 1], s=(2.4 * width) ** 2, color=colour, edgecolors="#000000b0", linewidths=0.5, zorder=3
    )


def chart(axes: Axes, title: str, x_label: str, y_label: str, pad: float = 10) -> None:
    """The look of a diagram: light rules, no box, title on the left."""
    axes.set_title(title, loc="left", fontsize=11, color=INK, fontweight="bold", pad=pad)
    axes.set_xlabel(x_label, fontsize=9.5, color=SOFT)
    axes.set_ylabel(y_label, fontsize=9.5, color=SOFT)
    axes.grid(color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, labelsize=9, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(RULE)


def legend(axes: Axes) -> None:
    """A small legend where it hides least."""
    axes.legend(fontsize=8.5, framealpha=0.85, edgecolor="white", labelcolor=INK)


def dim(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """A darker copy, on which lines stand out."""
    return (image * np.float32(factor)).astype(np.uint8)


def faces_from(raw: str) -> str:
    """The data set of a results file in words."""
    return {**PAPERS_FACES, "synthetic": "synthetic faces"}.get(raw, f"faces from {raw}")


def caption(made: Figure, note: str) -> None:
    """Small print at the bottom left."""
    width, height = made.get_size_inches() * DPI
    made.text(14 / width, 10 / height, note, fontsize=8, color=SOFT, ha="left", va="bottom")
