"""Prepared data know what they are: boxes and margin of every set, and the files that were written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_prep import check
from data_prep.manifest import Origin, origin, read_manifest, training_digest, verify, write_manifest
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from tests.data_prep.test_preparation import prepared


def test_preparing_one_set_does_not_relabel_the_others(raw: Path, tmp_path: Path) -> None:
    data = prepared(raw, tmp_path / "data", "--sets", "train,helen", "--dataset", "dots")
    before = training_digest(read_manifest(data))
    prepared(raw, data, "--sets", "ibug", "--boxes", "gt", "--margin", "2")
    book = read_manifest(data)
    assert origin(book, "train") == origin(book, "helen") == Origin("dots", "detector", 1.4)
    assert origin(book, "ibug") == Origin("300w", "gt", 2.0)
    assert training_digest(book) == before, "another test set is no other training set"


def test_sets_of_an_older_version_keep_the_label_they_had(raw: Path, tmp_path: Path) -> None:
    data = prepared(raw, tmp_path / "data", "--sets", "helen")
    book = read_manifest(data)
    del book["sets"]["helen"]["raw"], book["sets"]["helen"]["settings"]["boxes"]
    write_manifest(data, book)
    prepared(raw, data, "--sets", "helen")  # the same settings: kept, not refused
    prepared(raw, data, "--sets", "ibug", "--boxes", "gt", "--dataset", "dots")
    assert origin(read_manifest(data), "helen") == Origin("300w", "detector", 1.4)


def test_a_set_without_an_origin_is_named(raw: Path, tmp_path: Path) -> None:
    book = read_manifest(prepared(raw, tmp_path / "data", "--sets", "helen"))
    with pytest.raises(RarError, match="does not say how the set lfpw was made"):
        origin(book, "lfpw")


@pytest.mark.parametrize("margin", [10**20, float("nan"), -1, 0, "1.4", True, None])
def test_a_margin_that_is_none_is_named(raw: Path, tmp_path: Path, margin: object) -> None:
    """It goes beside the weights, and decides how every crop after that is cut."""
    book = read_manifest(prepared(raw, tmp_path / "data", "--sets", "helen"))
    book["sets"]["helen"]["settings"]["margin"] = margin
    with pytest.raises(RarError, match="does not say how the set helen was made .*margin"):
        origin(book, "helen")


def cut(path: Path, size: int) -> None:
    os.truncate(path, size)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_map_that_is_cut_short_ends_nobody(prepared_data: Path, share: float) -> None:
    """In a process of its own, which a look beyond the end of the map would kill."""
    images = prepared_data / "train" / "images.lmdb" / "data.mdb"
    cut(images, int(images.stat().st_size * share))
    program = (
        "from pathlib import Path; from layers.common.prepared import PreparedSet; "
        f"s = PreparedSet(Path({str(prepared_data / 'train')!r})); [s.image(i) for i in range(len(s))]"
    )
    for command in (["-c", program], ["-m", "data_prep.check", str(prepared_data)]):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 1, done
        assert "data.mdb" in done.stdout + done.stderr or "images.lmdb is damaged" in done.stderr
    with pytest.raises(RarError, match=r"data\.mdb: .*: prepare the data again"):
        verify(prepared_data, read_manifest(prepared_data), ["train"])


def test_the_map_of_a_whole_file_is_opened(prepared_data: Path) -> None:
    with PreparedSet(prepared_data / "train") as rows:
        assert rows.image(len(rows) - 1).shape == (40, 40, 3)


def test_a_check_speaks_as_it_goes(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found in the first set is told before the second is looked at."""
    data = prepared(raw, tmp_path / "data", "--sets", "train,helen")
    shutil.rmtree(data / "train" / "images.lmdb")
    looked: list[str] = []
    real = check._set

    def noted(folder: Path, entry: dict[str, object]) -> Iterator[str]:
        looked.append(folder.name)
        return real(folder, entry)

    monkeypatch.setattr(check, "_set", noted)
    said: list[str] = []
    problems = check.check(data, said.append)
    assert "data.mdb: missing" in next(problems)
    assert (looked, said) == ([], [])
    assert list(problems) == []
    assert (looked, said) == (["helen"], ["helen: 2 crops of 2 faces, all well"])
