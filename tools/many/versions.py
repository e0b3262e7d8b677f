"""What must be the same on every machine for the parts of one result to be of one kind."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import caffe

from tools.common.version import commit

PACKAGES = ("numpy", "dask", "distributed", "pyarrow")


def versions() -> tuple[tuple[str, str], ...]:
    """Name and version of the code, of Caffe's build and of the packages here."""
    return (
        ("commit", commit()),
        ("caffe", Path(caffe.__file__).parents[2].name),
        ("python", platform.python_version()),
        *((name, version(name)) for name in PACKAGES),
    )


def difference(ours: tuple[tuple[str, str], ...], theirs: tuple[tuple[str, str], ...]) -> str | None:
    """The first thing that differs, in words."""
    for (name, here), (_, there) in zip(ours, theirs, strict=True):
        if here != there:
            return f"its {name} is {there}, not {here}"
    return None
