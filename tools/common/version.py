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
    """The commit of the code, "+" appended when the work tree differs from it; "unknown" without git.

    A bundle has no git and says it in the file COMMIT.
    """
    told = PROJECT / "COMMIT"
    if told.is_file():
        return told.read_text(encoding="utf-8").strip()
    return _git("describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*") or "unknown"


def commit_time() -> int:
    """When the commit was made, in seconds since 1970; 0 without git."""
    return int(_git("log", "-1", "--format=%ct") or 0)


def _git(*words: str) -> str:
    try:
        return subprocess.run(
            ["git", "-C", str(PROJECT), *words], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
