"""Which files the words of a command line name, and the name under which each one's results are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
VIDEOS = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv"}


def is_video(path: Path) -> bool:
    """By its ending, which OpenCV goes by as well."""
    return path.suffix.lower() in VIDEOS


def sources(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The files that pictures, videos, folders and globs name, each once, and a line for every word that names none."""
    found: dict[Path, None] = {}
    problems = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES | VIDEOS)
            problem = f"{word}: no picture or video in this folder"
        else:
            files = [path] if path.is_file() else sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
            problem = f"{word}: no picture of that name: give an image, a video, a folder or a glob"
        if not files:
            problems.append(problem)
        found |= dict.fromkeys(files)
    return list(found), problems


def stems(files: Iterable[Path]) -> dict[Path, str]:
    """What the results of each file are called: its stem, with ending, folder and a number where names clash."""
    names = {file: file.stem for file in files}
    for longer in (_with_ending, _with_folder):
        times = Counter(name.lower() for name in names.values())
        names = {file: longer(file) if times[name.lower()] > 1 else name for file, name in names.items()}
    seen: Counter[str] = Counter()
    for file, name in names.items():
        seen[name.lower()] += 1
        if seen[name.lower()] > 1:
            names[file] = f"{name}_{seen[name.lower()]}"
    return names


def _with_ending(file: Path) -> str:
    return f"{file.stem}_{file.suffix[1:]}"


def _with_folder(file: Path) -> str:
    return f"{file.resolve().parent.name}_{_with_ending(file)}"
