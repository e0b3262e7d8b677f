"""What every picture says of the results it was made from."""

from __future__ import annotations

from pathlib import Path

from tools.draw import style
from tools.evaluate.results import Results


def small_print(results: Results, *others: Results) -> str:
    """The small print: where the faces come from, what they can be compared with, and which weights found the shapes.

    others: of other models on the same faces.
    """
    data = results.data
    parts = [f"{len(results.faces)} {style.faces_from(data.raw)}", data.cut()]
    if data.raw not in style.PAPERS_FACES:
        parts.append("not comparable with the paper")
    models = (one.model for one in (results, *others))
    parts += [f"{model.name}: {Path(model.weights).name} {model.sha256[:12]}" for model in models]
    return " · ".join([*parts, data.note] if data.note else parts)
