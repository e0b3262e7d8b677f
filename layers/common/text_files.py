"""Text files that people write: lists, boxes, annotations, in whatever encoding their editor chose."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARKS = {  # the longer first: UTF-16's is the beginning of UTF-32's
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip


def encoding_of(path: Path) -> str:
    """By the mark that a file begins with; UTF-8 without one. OSError when it cannot be read."""
    with path.open("rb") as file:
        begin = file.read(4)
    return next((name for mark, name in MARKS.items() if begin.startswith(mark)), "utf-8")


@contextmanager
def open_text(path: Path) -> Iterator[Iterator[str]]:
    """Its lines; bytes that are no UTF-8 as surrogates, for a name of a file may be any bytes.

    OSError when it cannot be read, ValueError when it is no text.
    """
    encoding = encoding_of(path)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    with path.open(encoding=encoding, errors=errors, newline="") as file:
        yield map(_text, file)


def read_text(path: Path) -> str:
    """The whole of it, as `open_text` reads it."""
    with open_text(path) as lines:
        return "".join(lines)


def _text(line: str) -> str:
    if "\0" in line:
        raise ValueError("it is no text, or UTF-16 without its mark: save it as UTF-8")
    return line
