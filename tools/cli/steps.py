"""Subcommands that run others: each in a process of its own, as a person would type them."""

from __future__ import annotations

import subprocess
import sys

from layers.common.errors import RarError


def step(*words: str | object) -> None:
    """Run `rar-caffe WORDS` and wait; a failure ends this process with its status, its words having been shown."""
    done = subprocess.run([sys.executable, "-m", "tools.cli", *map(str, words)], check=False)
    if done.returncode < 0:
        raise RarError(f"rar-caffe {words[0]} was ended by signal {-done.returncode}: run the same command again")
    if done.returncode:
        sys.exit(done.returncode)
