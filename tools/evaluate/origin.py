"""What every table says of the results it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tools.evaluate.results import Results


def origin(label: str, results: Results, faces: str) -> str:
    """Where the numbers of row `label` come from, in one line; `faces` says how many of what."""
    model, data = results.model, results.data
    code = f"RAR-Caffe {model.version}, commit" if model.version else "commit"
    return (
        f"{label}: data {data.raw} ({faces}), {data.cut()}, "
        f"T = {results.steps}, model {model.name}, weights {model.weights} (sha256 {model.sha256[:12]}), "
        f"{code} {model.commit[:12]}{'; ' + data.note if data.note else ''}"
    )


def row_labels(names: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """The models' names, with the file added where several have one name."""
    named = zip(names, paths, strict=True)
    return [f"{name} [{path}]" if names.count(name) > 1 else name for name, path in named]
