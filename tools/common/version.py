"""Which version of the code this is."""

from __future__ import annotations

import subprocess
import tomllib
from functools import cache

from tools import PROJECT


@cache
def version() -> str:
    """The version that pyproject.toml gives."""
    return str(tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def commit() -> str:
    """The commit of the code, "+" appended when the work tree differs from it; "unknown" without git."""
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
