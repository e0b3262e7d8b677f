"""Small changes to files, as disks, editors, programs and people make them; each draws from the generator given."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

Mutator = Callable[[bytes, random.Random], bytes]

ODD_NUMBERS = ["inf", "-inf", "nan", "1e300", "-1e300", "1e15", "-1", "0", "1e-300", "9" * 400, "", "0x10", "1,5", "²"]
ODD_VALUES: list[Any] = [
    None, True, False, -1, 0, 1.5, 10**30, 1e300, float("nan"), float("inf"), "", "x", "\udce9\n", [], [[]], [None], {},
    {"x": {}}, [1, [2]], "9" * 400,
]  # fmt: skip
ODD_LINES = ["", ",,,,", "x" * 5000, "\0", "#", "1 2 3", "{", "}", "/dev/zero", "\x1b[31m", "\udce9".join("ab")]


def flip(stored: bytes, rng: random.Random) -> bytes:
    """One to eight bits."""
    changed = bytearray(stored)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_head(stored: bytes, rng: random.Random) -> bytes:
    """A byte of the first 600, where sizes, types and counts are."""
    changed = bytearray(stored)
    changed[rng.randrange(min(600, len(changed)))] = rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)])
    return bytes(changed)


def cut(stored: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return stored[: rng.randrange(len(stored))]


def cut_out(stored: bytes, rng: random.Random) -> bytes:
    """A part is missing."""
    first = rng.randrange(len(stored))
    return stored[:first] + stored[first + rng.randint(1, 64) :]


def blank(stored: bytes, rng: random.Random) -> bytes:
    """A block of zeros, as a power cut leaves one."""
    first, size = rng.randrange(len(stored)), rng.choice([16, 512, 4096])
    return stored[:first] + bytes(min(size, len(stored) - first)) + stored[first + size :]


def splice(stored: bytes, rng: random.Random) -> bytes:
    """A part of the file in another place."""
    source, target, size = (rng.randrange(len(stored)) for _ in range(3))
    part = stored[source : source + size % 2048]
    return stored[:target] + part + stored[target + len(part) :]


def append(stored: bytes, rng: random.Random) -> bytes:
    """Bytes behind the end."""
    return stored + rng.randbytes(rng.choice([1, 60, 5000]))


def other_file(stored: bytes, rng: random.Random) -> bytes:
    """Something else altogether."""
    return rng.choice([b"", b"\0", b"<html>404</html>", b"{}", b"[]", b"null", b"\x89HDF\r\n\x1a\n" + bytes(600),
                       b"version https://git-lfs.github.com/spec\n", rng.randbytes(300), b"[" * 100_000])  # fmt: skip


def number(stored: bytes, rng: random.Random) -> bytes:
    """A number of a text is another one, or none."""
    text = stored.decode("utf-8", "surrogateescape")
    places = [match.span() for match in re.finditer(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?", text)]
    if not places:
        return flip(stored, rng)
    first, end = rng.choice(places)
    return (text[:first] + rng.choice(ODD_NUMBERS) + text[end:]).encode("utf-8", "surrogateescape")


def line(stored: bytes, rng: random.Random) -> bytes:
    """A line is gone, twice there, half there, swapped with the next or an odd one."""
    lines = stored.decode("utf-8", "surrogateescape").split("\n")
    at = rng.randrange(len(lines))
    ways: list[list[str]] = [[], [lines[at]] * 2, [lines[at][: len(lines[at]) // 2]], [rng.choice(ODD_LINES)]]
    return "\n".join([*lines[:at], *rng.choice(ways), *lines[at + 1 :]]).encode("utf-8", "surrogateescape")


def word(stored: bytes, rng: random.Random) -> bytes:
    """A typo: a letter more, less or other."""
    text = stored.decode("utf-8", "surrogateescape")
    places = [match.start() for match in re.finditer(r"[A-Za-z_]", text)]
    if not places:
        return flip(stored, rng)
    at = rng.choice(places)
    return (text[:at] + rng.choice(["", "q", text[at] * 2, text[at].upper()]) + text[at + 1 :]).encode(
        "utf-8", "surrogateescape"
    )


def encoding(stored: bytes, rng: random.Random) -> bytes:
    """Saved by another editor."""
    text = stored.decode("utf-8", "replace")
    return rng.choice([text.encode("utf-16"), text.encode("utf-16-le"), text.encode("utf-8-sig"),
                       text.replace("\n", "\r\n").encode(), text.replace("\n", "\r").encode()])  # fmt: skip


def value(stored: bytes, rng: random.Random) -> bytes:
    """A value of JSON is an odd one, or its key is gone or misspelt."""
    try:
        root = json.loads(stored)
    except (ValueError, RecursionError):
        return flip(stored, rng)
    at, steps = root, rng.randint(1, 5)
    for step in range(steps):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            break
        key = rng.choice(keys)
        inner = at[key]
        if step < steps - 1 and isinstance(inner, dict | list) and inner:
            at = inner
            continue
        if isinstance(at, dict) and rng.random() < 0.3:
            moved = at.pop(key)
            if rng.random() < 0.5:
                at[f"{key}x"] = moved
        else:
            at[key] = rng.choice(ODD_VALUES)
        break
    return json.dumps(root).encode()


BYTES: tuple[Mutator, ...] = (flip, flip_head, cut, cut_out, blank, splice, append, other_file)
TEXT: tuple[Mutator, ...] = (number, line, word, encoding, cut, cut_out, flip, other_file)
JSON: tuple[Mutator, ...] = (value, value, value, number, cut, flip, other_file)
