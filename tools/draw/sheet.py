"""A figure laid out in px from its top left corner: headings, captions and square pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from tools.draw import style


class Sheet:
    """A white sheet of width x height px."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = style.figure(width, height)

    def text(self, x: float, y: float, words: str, **look: Any) -> None:
        """Words whose middle line is at y; `look` goes to matplotlib."""
        look = {"color": style.INK, "va": "center", **look}
        self.figure.text(x / self.width, 1 - y / self.height, words, **look)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Empty axes on this rectangle."""
        place = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place)

    def picture(self, left: float, top: float, side: float, image: NDArray[np.uint8]) -> Axes:
        """A square with a BGR image; its data coordinates are the image's px, pixel centres at integers."""
        axes = self.axes(left, top, side, side)
        axes.imshow(image[..., ::-1], interpolation="lanczos", interpolation_stage="rgba")
        axes.set_xlim(-0.5, image.shape[1] - 0.5)
        axes.set_ylim(image.shape[0] - 0.5, -0.5)
        axes.set_axis_off()
        return axes

    def heading(self, title: str, explanation: str) -> None:
        """A bold title at the top left and small print under it."""
        self.text(14, 24, title, fontsize=13, fontweight="bold")
        self.text(14, 42, explanation, fontsize=9, color=style.SOFT, va="top", linespacing=1.4)
