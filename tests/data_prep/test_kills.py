"""Preparation killed at any moment: what is finished stays, and the end is the same, to the last byte."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Hashable
from pathlib import Path

import pytest

from layers.common.shape_pool import FILE as POOL
from tests.killing import Killed, stamped


def files(data: Path) -> dict[str, bytes]:
    found = [path for path in data.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(data)): path.read_bytes() for path in found}


@pytest.mark.slow
@pytest.mark.parametrize("augment", ["fixed --copies 6", "live"])
def test_killed_twenty_times_at_any_moment(augment: str, drawn_faces: Path, tmp_path: Path) -> None:
    data, whole = tmp_path / "data", dict[str, bytes]()
    options = f"--preset tiny --any-count --validation 0.1 --workers 2 --centres 20 --augment {augment}"
    command = [sys.executable, "-m", "tools.cli", "data", "300w", "--raw", str(drawn_faces), "--out", str(data)]

    def finished() -> set[Hashable]:
        """The sets that have their name, and the pool."""
        sets = [path for path in data.iterdir() if path.is_dir() and path.suffix != ".partial"] if data.exists() else []
        pool = [data / POOL] if (data / POOL).exists() else []
        return stamped(*pool, *(path for folder in sets for path in folder.rglob("*") if path.is_file()))

    def check() -> None:
        found = files(data)
        names = {name.split("/")[0] for name in found}
        assert names == {"train", "val", "helen", "lfpw", "ibug", POOL, "manifest.json"}
        whole.update(whole or found)
        assert found.keys() == whole.keys()
        assert [name for name in found if found[name] != whole[name]] == []

    def begin() -> None:
        shutil.rmtree(data, ignore_errors=True)

    Killed([*command, *options.split()], begin, finished).often(7, check)
