"""The journal: results on the disk as they come, whatever ends the run."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import pytest

from tools.detect.journal import Journal, fingerprint

SETTINGS = {"preset": "tiny"}


def test_a_second_run_finds_what_is_done(tmp_path: Path) -> None:
    path, picture = tmp_path / "out" / "journal", tmp_path / "a.jpg"
    picture.write_bytes(b"one")
    with Journal(path, SETTINGS) as journal:
        journal.add(fingerprint(picture), {"faces": [1, 2]})
    with Journal(path, SETTINGS) as journal:
        assert journal.has(fingerprint(picture))
        assert [record["faces"] for record in journal.records()] == [[1, 2]]
        picture.write_bytes(b"another")
        assert not journal.has(fingerprint(picture)), "a picture changed since is another one"
    with Journal(path, {"preset": "vgg19"}) as journal:
        assert not journal.done and not list(journal.records()), "other settings begin anew"


@pytest.mark.parametrize("tail", [b'{"source": ["b"], "fac', b"\0\0\0\n", b'"no record"\n'])
def test_a_line_cut_short_is_dropped(tail: bytes, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal", SETTINGS) as journal:
        journal.add(["a"], {"faces": [1]})
    with (tmp_path / "journal").open("ab") as file:
        file.write(tail)
    with Journal(tmp_path / "journal", SETTINGS) as journal:
        journal.add(["b"], {"faces": [2]})
        assert [record["faces"] for record in journal.records()] == [[1], [2]]


def test_a_disk_without_room_costs_only_what_does_not_fit(tmp_path: Path) -> None:
    """The system's limit on the size of a file stands for the full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(tmp_path / "journal", SETTINGS) as journal:
        journal.add(["a"], {"faces": [1]})
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
            with pytest.raises(OSError) as refused:
                journal.add(["b"], {"faces": [0] * 1000})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert refused.value.filename == str(tmp_path / "journal") and refused.value.errno == errno.EFBIG
    with Journal(tmp_path / "journal", SETTINGS) as journal:
        journal.add(["b"], {"faces": [2]})
        assert [record["faces"] for record in journal.records()] == [[1], [2]]
