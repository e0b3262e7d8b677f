"""Schemes of one's own: read from a file, told what is wrong with it, known by name, stored and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layers.common import schemes
from layers.common.errors import RarError
from layers.common.scheme_file import describe, parse, read_scheme
from layers.common.schemes import SCHEME_98, SCHEMES, scheme, stored, stored_text
from layers.common.shapes import mirror_shape, pupil_distance

SEVEN: dict[str, Any] = {
    "name": "seven",
    "landmarks": ["left eye", "right eye", "tip", "left corner", "right corner", "lip", "chin"],
    "mirror": [["left eye", "right eye"], [3, 4]],
    "eyes": {"left": [0], "right": ["right eye"]},
    "groups": {"mouth": [3, 4, 5]},
    "edges": [[3, 5, 4, 3], [0, 1]],
}


@pytest.fixture(autouse=True)
def no_own_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemes, "_own", {})


def test_what_a_file_says() -> None:
    seven = parse(SEVEN)
    assert (seven.name, seven.landmarks, seven.pupils, seven.corners) == ("seven", 7, ((0,), (1,)), None)
    assert seven.mirror == (1, 0, 2, 4, 3, 5, 6)
    assert seven.groups == {"mouth": (3, 4, 5), "others": (0, 1, 2, 6)}  # every landmark is in a group
    assert seven.curves == (((3, 5, 4), True), ((0, 1), False))
    assert seven.eyed
    mixed = parse({**SEVEN, "groups": {"others": [2], "mouth": [3, 4, 5]}})
    assert mixed.groups == {"others": (2, 0, 1, 6), "mouth": (3, 4, 5)} and parse(describe(mixed)) == mixed


def test_another_normaliser_than_the_eyes() -> None:
    given = {**SEVEN, "normaliser": {"name": "nose to chin", "from": ["tip"], "to": ["chin"]}}
    del given["eyes"]
    found = parse(given)
    assert (found.normaliser, found.eyed) == ("nose to chin", False)
    shape = np.zeros((7, 2))
    shape[6] = 3, 4
    assert pupil_distance(shape, found) == 5
    assert pupil_distance(mirror_shape(shape, found, 10), found) == 5
    assert parse(describe(found)) == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "a b"}, "name is 'a b'"),
        ({"number": 8}, "`number` is 8, and 7 landmarks are named"),
        ({"landmarks": ["a", "b"]}, "2 landmarks: 3 are the least"),
        ({"landmarks": [str(i) for i in range(1001)]}, "1001 landmarks: 3 are the least, 1000 the most"),
        ({"landmarks": ["a", "b", "c", "d", "e", "f", "a"]}, "two landmarks are called 'a'"),
        ({"landmarks": None}, "`landmarks` is the list of their names"),
        ({"mirror": [[0, 7]]}, "mirror names landmark 7: there are 0 to 6"),
        ({"mirror": [[0, -1]]}, "landmark -1"),
        ({"mirror": [[0, True]]}, "landmark True"),
        ({"mirror": [[0, 1], [1, 2]]}, "landmark 1 twice"),
        ({"mirror": [[2, 2]]}, "give pairs"),
        ({"mirror": [[3, 4]]}, None),  # eyes that a mirror leaves in their places: odd, and consistent
        ({"mirror": [[0, 2]]}, "mirrored, the eyes"),
        ({"eyes": {"left": [0]}}, "give an object with left and right"),
        ({"eyes": {"left": [], "right": [1]}}, "give one landmark or more"),
        ({"eyes": {"left": [0], "right": [0]}}, "at a distance of 0"),
        ({"normaliser": {"name": "x", "from": [0], "to": [1]}}, 'give "eyes"'),
        ({"eyes": None}, "`eyes` is None"),
        ({"outer_corners": [0]}, "outer_corners"),
        ({"groups": {"a": [0, 1], "b": [1]}}, "landmark 1 is in two groups"),
        ({"groups": [[0]]}, "`groups` is"),
        ({"edges": [[0]]}, "a line joins two"),
        ({"edges": [[0, 0]]}, "a line joins two"),
        ({"edges": {"a": [0]}}, "`edges` is"),
        ({"edge": []}, "no key 'edge'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: dict[str, Any], words: str | None) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({**SEVEN, **change}))
    if words is None:
        read_scheme(file)
        return
    with pytest.raises(RarError) as error:
        read_scheme(file)
    assert words in str(error.value) and str(file) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", None, "[" * 100_000, '{"name": "a", "name": "b"}'],
    ids=["empty", "cut", "list", "number", "missing", "deep", "twice"],
)
def test_files_that_are_none(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "mine.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(RarError, match=str(file)):
        read_scheme(file)


def test_known_by_name_once_read() -> None:
    with pytest.raises(RarError, match="no landmark scheme 'seven'"):
        scheme("seven")
    seven = scheme(SEVEN)
    assert scheme("seven") is seven is scheme(stored_text(seven))
    assert stored("seven") == describe(seven) and stored("68") == "68"
    assert scheme(json.loads(json.dumps(stored(seven)))) == seven
    with pytest.raises(RarError, match="two different landmark schemes are called 'seven'"):
        scheme({**SEVEN, "mirror": [[0, 1]]})
    with pytest.raises(RarError, match="two different landmark schemes are called '68'"):
        scheme({**SEVEN, "name": "68"})
    with pytest.raises(RarError, match="damaged"):
        scheme("{")


@pytest.mark.parametrize("name", SCHEMES)
def test_those_of_the_project_are_files_as_well(name: str) -> None:
    assert parse(describe(SCHEMES[name])) == SCHEMES[name]
    assert stored_text(SCHEMES[name]) == name


def test_wflw() -> None:
    """Mirror pairs typed here a second time, from the annotation's picture: ranges that run against each other."""
    runs = [((0, 16), 32), ((33, 37), 46), ((38, 41), 50), ((55, 57), 59), ((60, 64), 72), ((65, 67), 75)]
    runs += [((76, 79), 82), ((83, 85), 87), ((88, 90), 92), ((93, 94), 95), ((96, 96), 97)]
    table = list(range(98))
    for (first, last), opposite in runs:
        for i in range(first, last + 1):
            table[i], table[opposite - i + first] = opposite - i + first, i
    assert list(SCHEME_98.mirror) == table
    assert SCHEME_98.corners == (60, 72) and SCHEME_98.pupils == ((96,), (97,))
