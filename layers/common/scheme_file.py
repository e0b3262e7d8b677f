"""A landmark scheme, and the JSON that describes one: docs/own-data.md shows a file.

Indices are 0-based. "Left" is the left of the image, so `pupils[0]` is the eye with the smaller x on an upright face.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from layers.common.errors import RarError
from layers.common.json_types import parsed

Indices = tuple[int, ...]
FEWEST, MOST = 3, 1000  # landmarks; a similarity alone fits two
EYES = "pupil"  # the name of the distance that all built-in schemes are normalised by
OTHERS = "others"  # the group of the landmarks that are in none
KEYS = ("name", "number", "landmarks", "mirror", "eyes", "normaliser", "outer_corners", "groups", "edges", "comment")


@dataclass(frozen=True)
class Scheme:
    """One way of annotating a face with L landmarks.

    names: what each landmark is called.
    mirror: landmark i of a mirrored image is landmark mirror[i] of the original, with x reflected.
    pupils: two sets of landmarks; the distance of their means is the size of the face. For each eye the landmarks whose
        mean is the eye centre, where `normaliser` is "pupil"; else whatever the scheme is normalised by.
    corners: the two outer eye corners, or None where the scheme has none.
    groups: named facial parts, for drawing and for error by part; each landmark is in one.
    curves: polylines to draw, as (indices, closed).
    normaliser: the name of that distance.
    """

    name: str
    landmarks: int
    mirror: Indices
    pupils: tuple[Indices, Indices]
    corners: tuple[int, int] | None
    groups: dict[str, Indices]
    curves: tuple[tuple[Indices, bool], ...]
    names: tuple[str, ...]
    normaliser: str = EYES

    @property
    def eyed(self) -> bool:
        """Whether `pupils` are eyes, by which glasses and masks can be hung on a face."""
        return self.normaliser == EYES


def read_scheme(path: Path) -> Scheme:
    """The scheme that a JSON file describes; RarError, naming the file, for whatever is wrong with it."""
    try:
        described = parsed(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RarError(f"no scheme file {path} ({error.strerror}): docs/own-data.md shows one") from None
    except ValueError as error:
        raise RarError(f"{path} is no JSON ({error}): mend it, docs/own-data.md shows a scheme file") from None
    try:
        return parse(described)
    except RarError as error:
        raise RarError(f"{path}: {error}") from None


def parse(described: Any) -> Scheme:
    """The scheme that `described`, the content of a scheme file, describes; RarError for whatever is wrong."""
    if not isinstance(described, dict):
        raise RarError("a scheme is a JSON object: docs/own-data.md shows one")
    for key in described:
        if key not in KEYS:
            raise RarError(f"a scheme has no key {key!r}: it takes {', '.join(KEYS)}")
    name = described.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name):
        raise RarError(f"the scheme's name is {name!r}: give up to 40 letters, digits, - and _")
    reader = _Reader(name, _names(name, described))
    pupils, normaliser = reader.normaliser(described)
    return Scheme(
        name=name,
        landmarks=len(reader.names),
        mirror=reader.mirror(described.get("mirror", []), pupils),
        pupils=pupils,
        corners=reader.corners(described.get("outer_corners")),
        groups=reader.groups(described.get("groups", {})),
        curves=reader.curves(described.get("edges", [])),
        names=reader.names,
        normaliser=normaliser,
    )


def describe(scheme: Scheme) -> dict[str, Any]:
    """The content of a file that `parse` reads as this scheme."""
    first, second = (list(part) for part in scheme.pupils)
    if scheme.eyed:
        measure: dict[str, Any] = {"eyes": {"left": first, "right": second}}
    else:
        measure = {"normaliser": {"name": scheme.normaliser, "from": first, "to": second}}
    return {
        "name": scheme.name,
        "number": scheme.landmarks,
        "landmarks": list(scheme.names),
        "mirror": [[i, other] for i, other in enumerate(scheme.mirror) if i < other],
        **measure,
        **({"outer_corners": list(scheme.corners)} if scheme.corners else {}),
        "groups": {part: list(members) for part, members in scheme.groups.items()},
        "edges": [[*indices, *(indices[:1] if closed else ())] for indices, closed in scheme.curves],
    }


def _names(scheme: str, described: dict[str, Any]) -> tuple[str, ...]:
    names, number = described.get("landmarks"), described.get("number")
    if names is None and isinstance(number, int) and number <= MOST:
        names = [f"landmark {i}" for i in range(number)]
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise RarError(f"scheme {scheme}: `landmarks` is the list of their names, in order: give one")
    if not FEWEST <= len(names) <= MOST:
        raise RarError(f"scheme {scheme} has {len(names)} landmarks: {FEWEST} are the least, {MOST} the most")
    if number is not None and number != len(names):
        raise RarError(f"scheme {scheme}: `number` is {number!r}, and {len(names)} landmarks are named")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise RarError(f"scheme {scheme}: two landmarks are called {twice[0]!r}: give each a name of its own")
    return tuple(names)


class _Reader:
    """Reads the parts of a scheme, in which a landmark is given by its number, from 0, or by its name."""

    def __init__(self, scheme: str, names: tuple[str, ...]) -> None:
        self.scheme, self.names = scheme, names

    def wrong(self, words: str) -> RarError:
        """An error that names the scheme."""
        return RarError(f"scheme {self.scheme}: {words}")

    def index(self, given: Any, where: str) -> int:
        if isinstance(given, str) and given in self.names:
            return self.names.index(given)
        if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(self.names):
            return given
        raise self.wrong(f"{where} names landmark {given!r}: there are 0 to {len(self.names) - 1}, or their names")

    def indices(self, given: Any, where: str) -> Indices:
        if not isinstance(given, list):
            raise self.wrong(f"{where} is {given!r}: give a list of landmarks")
        return tuple(self.index(one, where) for one in given)

    def some(self, given: Any, where: str) -> Indices:
        """Different landmarks, one at least."""
        found = self.indices(given, where)
        if not found or len(set(found)) != len(found):
            raise self.wrong(f"{where} is {given!r}: give one landmark or more, each once")
        return found

    def normaliser(self, described: dict[str, Any]) -> tuple[tuple[Indices, Indices], str]:
        keys = [key for key in ("eyes", "normaliser") if key in described]
        if len(keys) != 1:
            raise self.wrong('give "eyes": {"left": [...], "right": [...]}, or "normaliser": {"name", "from", "to"}')
        given, ends = described[keys[0]], ("left", "right") if keys[0] == "eyes" else ("from", "to")
        name: Any = EYES
        if not isinstance(given, dict) or not all(end in given for end in ends):
            raise self.wrong(f"`{keys[0]}` is {given!r}: give an object with {' and '.join(ends)}")
        if keys[0] == "normaliser":
            name = given.get("name")
            if not isinstance(name, str) or not name.strip() or name in (EYES, "corner"):
                raise self.wrong(f"the normaliser's name is {name!r}: give it a name of its own, as `nose to chin`")
        first, second = (self.some(given[end], f"{keys[0]}.{end}") for end in ends)
        if set(first) == set(second):
            raise self.wrong(f"{keys[0]}: {ends[0]} and {ends[1]} are the same landmarks, at a distance of 0")
        return (first, second), name

    def mirror(self, given: Any, pupils: tuple[Indices, Indices]) -> Indices:
        table, seen = list(range(len(self.names))), set[int]()
        if not isinstance(given, list):
            raise self.wrong(f"`mirror` is {given!r}: give a list of pairs of landmarks")
        for pair in given:
            both = self.indices(pair, "mirror")
            if len(both) != 2 or both[0] == both[1]:
                raise self.wrong(f"`mirror` has {pair!r}: give pairs; a landmark in the middle is in none")
            if again := seen & set(both):
                raise self.wrong(f"`mirror` has landmark {min(again)} twice: a landmark is in one pair")
            seen |= set(both)
            table[both[0]], table[both[1]] = both[1], both[0]
        images = [{table[i] for i in part} for part in pupils]
        if images not in ([set(pupils[1]), set(pupils[0])], [set(part) for part in pupils]):
            raise self.wrong("mirrored, the eyes (or the normaliser) must be themselves: mend their pairs in `mirror`")
        return tuple(table)

    def corners(self, given: Any) -> tuple[int, int] | None:
        if given is None:
            return None
        found = self.some(given, "outer_corners")
        if len(found) != 2:
            raise self.wrong(f"`outer_corners` is {given!r}: give the two of the left and the right eye")
        return found[0], found[1]

    def groups(self, given: Any) -> dict[str, Indices]:
        if not isinstance(given, dict):
            raise self.wrong(f'`groups` is {given!r}: give {{"mouth": [...], ...}}')
        found = {str(part): self.some(members, f"group {part}") for part, members in given.items()}
        members = Counter(i for part in found.values() for i in part)
        if twice := [i for i, times in members.items() if times > 1]:
            raise self.wrong(f"landmark {twice[0]} is in two groups: it may be in one")
        rest = tuple(i for i in range(len(self.names)) if i not in members)
        return {**found, OTHERS: (*found.get(OTHERS, ()), *rest)} if rest else found

    def curves(self, given: Any) -> tuple[tuple[Indices, bool], ...]:
        if not isinstance(given, list):
            raise self.wrong(f"`edges` is {given!r}: give a list of lines, each a list of landmarks")
        lines = [self.indices(line, "edges") for line in given]
        for line in lines:
            if len(line) < 2 or any(a == b for a, b in pairwise(line)):
                raise self.wrong(f"`edges` has {list(line)}: a line joins two different landmarks or more")
        closed = [len(line) > 3 and line[0] == line[-1] for line in lines]
        return tuple((line[:-1] if shut else line, shut) for line, shut in zip(lines, closed, strict=True))
