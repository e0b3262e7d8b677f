"""Which files the words of a command line name, and the name under which each one's results are written."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from layers.common.errors import RarError, named, readable
from tools.common.endings import VIDEOS

PICTURES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp",
            ".pbm", ".pgm", ".ppm", ".pnm"}  # fmt: skip
# Pictures of kinds that OpenCV does not read.
OTHERS = {".gif", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".svg", ".psd", ".raw", ".dng", ".cr2", ".cr3", ".nef",
          ".arw", ".orf", ".raf", ".rw2"}  # fmt: skip
LONGEST = 200  # bytes of a result's name without its ending; file systems take 255 with all
JOURNAL = "faces.partial.jsonl"  # of pictures that are under way


class Sources(NamedTuple):
    """Files to work on, each once; a line for what is left out; a line for each folder with other things in it."""

    files: list[Path]
    problems: list[str]
    passed_over: list[str]


def is_video(path: Path) -> bool:
    """By its ending, which OpenCV goes by as well."""
    return path.suffix.lower() in VIDEOS


def sources(words: Sequence[str]) -> Sources:
    """The files that pictures, videos, folders and globs name; a word that names none is a problem."""
    files: dict[Path, None] = {}
    found = Sources([], [], [])
    for word in words:
        try:
            with named(word):
                path = Path(word)
                some = _in_folder(path, found) if path.is_dir() else _matching(path)
                files |= dict.fromkeys(some)
        except RarError as error:
            found.problems.append(str(error))
    found.files.extend(files)
    return found


def _in_folder(folder: Path, found: Sources) -> list[Path]:
    files: list[Path] = []
    others = []
    for file in sorted(folder.iterdir()):
        kind = file.suffix.lower()
        if file.name.startswith(".") or file.is_dir() or kind not in PICTURES | VIDEOS | OTHERS:
            others.append(f"{file.name}/" if file.is_dir() else file.name)
        elif kind in OTHERS:
            found.problems.append(f"{readable(file)}: {kind[1:]} pictures cannot be read here: save it as JPEG or PNG")
        else:
            files.append(file)
    if others:
        found.passed_over.append(f"{readable(folder)}: {len(others)}, no pictures: {readable(', '.join(others))}")
    if not files:
        raise RarError(f"{folder}: no picture or video in this folder")
    return files


def _matching(path: Path) -> list[Path]:
    if path.is_symlink() or path.exists():
        return [path]
    found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    files = [file for file in found if path.name.startswith(".") or not file.name.startswith(".")]  # as shells have it
    if not files:
        raise RarError(f"{path}: no picture of that name: give an image, a video, a folder or a glob")
    return files


def stems(files: Iterable[Path]) -> dict[Path, str]:
    """What the results of each file are called: no two alike, nor as one with the number of a face.

    The stem; with ending and folder where names clash, with a checksum of the path where these do not help or are long.
    """
    names = {file: file.stem for file in files}
    ways: tuple[Callable[[Path], str], ...] = (_with_ending, _with_folder, _with_checksum)
    for longer in ways:
        taken = Counter(name.lower() for name in names.values())
        names = {file: longer(file) if _clashes(name, taken) else name for file, name in names.items()}
    return {file: name if _fits(name) else _with_checksum(file) for file, name in names.items()}


def _clashes(name: str, taken: Counter[str]) -> bool:
    numbered = re.fullmatch(r"(.+)_\d+", name.lower(), re.DOTALL)
    return taken[name.lower()] > 1 or bool(numbered and numbered[1] in taken) or f"{name}.jsonl" == JOURNAL


def _fits(name: str) -> bool:
    return len(os.fsencode(name)) <= LONGEST


def _with_ending(file: Path) -> str:
    return f"{file.stem}_{file.suffix[1:]}"


def _with_folder(file: Path) -> str:
    return f"{Path(os.path.realpath(file)).parent.name}_{_with_ending(file)}"


def _with_checksum(file: Path) -> str:
    name = _with_ending(file)
    if not _fits(name):
        name = name[: LONGEST // 4]  # a character may have four bytes
    return f"{name}~{hashlib.sha256(bytes(file.absolute())).hexdigest()[:8]}"
