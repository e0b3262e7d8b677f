"""What every picture says of the results it was made from."""

from __future__ import annotations

from tools.draw import style
from tools.evaluate.results import Results


def small_print(results: Results) -> str:
    """The small print: where the faces come from and what they can be compared with."""
    data = results.data
    parts = [f"{len(results.faces)} {style.faces_from(data.raw)}", f"boxes: {data.boxes}, margin {data.margin:g}"]
    if data.raw not in style.PAPERS_FACES:
        parts.append("not comparable with the paper")
    return " · ".join([*parts, data.note] if data.note else parts)
