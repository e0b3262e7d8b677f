"""Whether this runs from a bundle (tools/bundle), where all is there and nothing can be built or fetched."""

from __future__ import annotations

import os
from pathlib import Path

from tools.build.errors import BuildError

VARIABLE = "RAR_BUNDLE"  # the bundle's folder; its launcher sets it


def folder() -> Path | None:
    """The bundle that this runs from; None in a clone."""
    return Path(found) if (found := os.environ.get(VARIABLE)) else None


def refuse(what: str, remedy: str) -> None:
    """In a bundle, BuildError: what it is without, and how a bundle is made that has it."""
    if folder():
        raise BuildError(f"this bundle is without {what}", remedy)
