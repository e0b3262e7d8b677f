"""Files that are either finished or not there, how one is known again, and folders that one process writes to."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layers.common.errors import RarError

PART = re.compile(r"\..+\.\d+\.part(\.\w+)?", re.DOTALL)  # names of files that are being written


@contextmanager
def finished_file(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the place of `path` when the block ends without an exception.

    The folder is made when missing. A failed block leaves an older `path` as it was and nothing behind.
    durable: a power cut right afterwards does not undo it; costs some milliseconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        if durable:
            sync(part)
        part.replace(path)
        if durable:
            sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make the folder and hold it for this process; the system lets go of it however the process ends.

    RarError when another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RarError(f"another run is writing to {folder}: wait for its end, or give another --out") from None
        yield


def clear_parts(folder: Path) -> None:
    """Remove what killed runs have left of `finished_file` in a folder that is held alone."""
    for left in folder.glob(".*.part*"):
        if PART.fullmatch(left.name):
            left.unlink()


def sha256(path: Path) -> str:
    """Checksum of a file, as the model cards and results name it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_entry(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file, by which `mismatch` knows it again."""
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def mismatch(path: Path, entry: dict[str, Any]) -> str | None:
    """Why a file is not the one that `file_entry` described, in a few words; None when it is."""
    if not path.is_file():
        return "missing"
    size = path.stat().st_size
    if size != entry["bytes"]:
        return f"{size} bytes, not {entry['bytes']}: truncated or overwritten"
    if sha256(path) != entry["sha256"]:
        return "not the file that was written, its checksum differs"
    return None
