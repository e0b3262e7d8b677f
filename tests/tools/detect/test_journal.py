"""The journal: results on the disk as they come, whatever ends the run."""

from __future__ import annotations

import errno
import resource
from pathlib import Path
from typing import Any

import pytest

from tools.detect.journal import Journal, Record, fingerprint

SETTINGS = {"preset": "tiny"}


def record(*numbers: int) -> Record:
    return {"files": ["a.pts"], "faces": [{"number": number} for number in numbers]}


def faces(journal: Journal, *wanted: list[Any]) -> list[int]:
    return [face["number"] for one in journal.records(wanted) for face in one["faces"]]


def test_a_second_run_finds_what_is_done(tmp_path: Path) -> None:
    path, picture = tmp_path / "out" / "journal", tmp_path / "a.jpg"
    picture.write_bytes(b"one")
    with Journal(path, SETTINGS) as journal:
        journal.add(fingerprint(picture, "a"), record(1, 2))
    with Journal(path, SETTINGS) as journal:
        assert journal.has(fingerprint(picture, "a"))
        assert faces(journal, fingerprint(picture, "a")) == [1, 2]
        assert not journal.has(fingerprint(picture, "b")), "its results would be called otherwise"
        assert faces(journal, ["another list"]) == [], "what is no longer asked for is not given"
        picture.write_bytes(b"another")
        assert not journal.has(fingerprint(picture, "a")), "a picture changed since is another one"
    with Journal(path, {"preset": "vgg19"}) as journal:
        assert not journal.done and not faces(journal, fingerprint(picture, "a")), "other settings begin anew"


@pytest.mark.parametrize("tail", [b'{"source": ["b"], "fac', b"\0\0\0\n", b'"no record"\n'])
def test_a_line_cut_short_is_dropped(tail: bytes, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal", SETTINGS) as journal:
        journal.add(["a"], record(1))
    with (tmp_path / "journal").open("ab") as file:
        file.write(tail)
    with Journal(tmp_path / "journal", SETTINGS) as journal:
        journal.add(["b"], record(2))
        assert faces(journal, ["a"], ["b"]) == [1, 2]


def test_a_disk_without_room_costs_only_what_does_not_fit(tmp_path: Path) -> None:
    """The system's limit on the size of a file stands for the full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(tmp_path / "journal", SETTINGS) as journal:
        journal.add(["a"], record(1))
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
            with pytest.raises(OSError) as refused:
                journal.add(["b"], record(*[0] * 1000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert refused.value.filename == str(tmp_path / "journal") and refused.value.errno == errno.EFBIG
    with Journal(tmp_path / "journal", SETTINGS) as journal:
        journal.add(["b"], record(2))
        assert faces(journal, ["a"], ["b"]) == [1, 2]
