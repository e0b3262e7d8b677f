"""Which pictures: gathered once from lists, folders and globs into one file, then read from it a chunk at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from layers.common.errors import RarError, reason
from layers.common.text_files import open_text
from tools.detect.boxes import Boxes


class Picture(NamedTuple):
    """One picture: its absolute path, and its face boxes, x0 y0 x1 y1 in px; None: to be found.

    problem: why it has no boxes, where they are given.
    """

    path: str
    boxes: list[list[float]] | None = None
    problem: str = ""


class Chunk(NamedTuple):
    """The pictures of one part, by its number."""

    number: int
    pictures: list[Picture]


def listed(lists: Iterable[Path], files: Iterable[Path], given: Boxes | None) -> Iterator[Picture]:
    """The pictures of text files, a path a line, then `files`; relative paths are of the current folder.

    given: boxes by a picture's name as it is listed, or as `Boxes.of` finds them; one that is not there has none.
    RarError for a list that cannot be read.
    """
    for name in (name for source in (*map(_lines, lists), map(str, files)) for name in source):
        boxes = None if given is None else given.by_name.get(name) or given.of(Path(name))
        problem = "" if given is None or boxes else given.problem(Path(name))
        yield Picture(str(Path(name).absolute()), boxes, problem)


def _lines(path: Path) -> Iterator[str]:
    """One by one: a list may be longer than the memory."""
    try:
        with open_text(path) as file:
            yield from (line.rstrip("\r\n") for line in file if line.strip())
    except (OSError, ValueError) as error:
        raise RarError(f"no list at {path} ({reason(error)}): give a text file, a picture's path a line") from None


def write_listing(path: Path, pictures: Iterable[Picture]) -> tuple[int, str]:
    """Write them to a file of JSON lines: their number, and the file's sha256."""
    digest, count = hashlib.sha256(), 0
    with path.open("wb") as file:
        for picture in pictures:
            line = json.dumps(picture, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            file.write(line)
            count += 1
    return count, digest.hexdigest()


def chunks(path: Path, size: int, done: set[int]) -> Iterator[Chunk]:
    """The pictures of such a file, `size` at a time, without the chunks that are `done`."""
    with path.open("rb") as file:
        number = 0
        while lines := list(islice(file, size)):
            if number not in done:
                yield Chunk(number, [Picture(*json.loads(line)) for line in lines])
            number += 1
