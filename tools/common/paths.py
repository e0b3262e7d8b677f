"""Folders for data and results, whatever the current one."""

from __future__ import annotations

from pathlib import Path

from tools import PROJECT
from tools.build import bundled


def in_project(*parts: str) -> Path:
    """A path below the project's folder, as a person would write it; in a bundle below the current one."""
    return Path(*parts) if bundled.folder() else shown(PROJECT.joinpath(*parts))


def shown(path: Path) -> Path:
    """The path as a person would write it: relative to the current folder where it lies below that."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path
