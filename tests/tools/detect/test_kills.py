"""Detection on a folder killed at any moment: no picture is done twice, and the end is the same, to the last byte."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Hashable
from pathlib import Path

import pytest

from layers.common.prepared import PreparedSet
from tests.killing import Killed
from tools.detect.inputs import JOURNAL

PICTURES = 40


@pytest.mark.slow
def test_killed_twenty_times_at_any_moment(
    small_project: Path, trained: Path, prepared: Path, drawn_faces: Path, tmp_path: Path
) -> None:
    out, pictures, whole = tmp_path / "out", tmp_path / "pictures", dict[str, bytes]()
    pictures.mkdir()
    with PreparedSet(prepared / "helen") as faces:
        given = [(drawn_faces / f"{name}.jpg", box) for name, box in zip(faces.name, faces.box, strict=True)]
    rows = []
    for number in range(PICTURES):
        picture, box = given[number % len(given)]
        shutil.copy(picture, pictures / f"{number}.jpg")
        rows.append(f"{number}.jpg,{','.join(map(str, box))}\n")
    (tmp_path / "boxes.csv").write_text("".join(rows))
    words = ["--preset", "tiny", "--weights", trained / "rar_iter_12.caffemodel", "--out", out, "--batch", 2]
    words += ["--boxes", tmp_path / "boxes.csv", pictures]
    command = [sys.executable, "-m", "tests.tools.on_small", "tools.detect", *map(str, words)]

    def finished() -> set[Hashable] | None:
        """The pictures that are in the journal, which goes in the end."""
        journal = out / JOURNAL
        if journal.exists():
            return set(journal.read_bytes().split(b"\n")[:-1])
        return None if (out / "faces.json").exists() else set()

    def check() -> None:
        found = {path.name: path.read_bytes() for path in out.iterdir() if path.name != ".lock"}
        assert {f"{number}.pts" for number in range(PICTURES)} < found.keys()
        whole.update(whole or found)
        assert found.keys() == whole.keys()
        assert [name for name in found if found[name] != whole[name] and name != ".results.jsonl"] == []

    def begin() -> None:
        shutil.rmtree(out, ignore_errors=True)

    Killed(command, begin, finished, PROTOTXT=str(small_project / "prototxt")).often(8, check)
