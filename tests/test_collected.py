"""No test is passed over because of where its file lies."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def test_every_folder_is_searched(request: pytest.FixtureRequest) -> None:
    passed_over = request.config.getini("norecursedirs")
    files = [path.relative_to(HERE) for path in HERE.rglob("test_*.py")]
    assert len(files) > 100
    assert not [path for path in files for part in path.parts for pattern in passed_over if fnmatch(part, pattern)]
