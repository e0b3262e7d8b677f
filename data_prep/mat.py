"""Reading MATLAB's .mat files before version 7.3, in another process: SciPy's reader crashes on some damaged ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from layers.common.errors import RarError
from layers.common.json_types import parsed

CHILD = Path(__file__).with_name("mat_child.py")
SECONDS, MEMORY = 60, 2 << 30  # of processor time for all files together; bytes


def read_mat(path: Path, *variables: str) -> dict[str, Any]:
    """Variables of a file: structures as dictionaries, arrays as lists, single values bare.

    RarError, which says why without a remedy, when it cannot be read or lacks one.
    """
    (values,) = read_mats([path], *variables)
    return values


def read_mats(paths: Iterable[Path], *variables: str) -> Iterator[dict[str, Any]]:
    """`read_mat` of every file, by one process for all."""
    command = [sys.executable, "-I", str(CHILD), str(SECONDS), str(MEMORY), *variables]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin and child.stdout
        try:
            for path in paths:
                yield _answer(path, _asked(child, path))
        finally:
            child.kill()


def _asked(child: subprocess.Popen[bytes], path: Path) -> bytes:
    assert child.stdin and child.stdout
    if "\n" in str(path):
        raise RarError(f"{path} cannot be read: rename it")
    try:
        child.stdin.write(os.fsencode(path.absolute()) + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        return b""
    return child.stdout.readline()


def _answer(path: Path, line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise RarError(f"{path} is damaged: SciPy's reader does not survive it")
    answer = parsed(line)
    if "error" in answer:
        raise RarError(f"{path} cannot be read ({answer['error']})")
    return dict(answer["values"])
