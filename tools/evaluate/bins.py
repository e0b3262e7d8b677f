"""Parts of a range with enough faces each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layers.common.shapes import FloatArray

FEWEST = 20  # faces: below it an interval of their mean says little
ABOVE_ZERO = 1e-9  # an edge that parts what is exactly 0 from all else


class Bin(NamedTuple):
    """Values from `low` to below `high`, without bound where it is None; members (n,): which faces have such a one."""

    low: float | None
    high: float | None
    members: NDArray[np.bool_]

    @property
    def faces(self) -> int:
        return int(self.members.sum())

    def label(self, unit: str) -> str:
        """The range in words; `unit` follows its numbers."""
        if self.low is None and self.high is None:
            return "all"
        if self.low is None:
            return "none" if self.high == ABOVE_ZERO else f"under {self.high:g}{unit}"
        low = "0" if self.low == ABOVE_ZERO else f"{self.low:g}"
        if self.high is None:
            return "some" if self.low == ABOVE_ZERO else f"{low}{unit} and over"
        return f"{low} to {self.high:g}{unit}"


def bins(values: FloatArray, edges: Sequence[float], fewest: int = FEWEST) -> list[Bin]:
    """The ranges between rising `edges`, with both ends open, that hold any of values (n,); NaN is in none.

    The one with the fewest values joins the smaller of its neighbours until each has `fewest`, or one bin is left.
    """
    bounds = [None, *edges, None]
    part = np.where(np.isnan(values), -1, np.digitize(values, edges))
    found = [Bin(bounds[i], bounds[i + 1], part == i) for i in range(len(edges) + 1) if (part == i).any()]
    while len(found) > 1 and (smallest := min(found, key=lambda one: one.faces)).faces < fewest:
        at = next(i for i, one in enumerate(found) if one is smallest)
        beside = min((i for i in (at - 1, at + 1) if 0 <= i < len(found)), key=lambda i: found[i].faces)
        first, second = found[min(at, beside)], found[max(at, beside)]
        found[min(at, beside) : max(at, beside) + 1] = [Bin(first.low, second.high, first.members | second.members)]
    return found
