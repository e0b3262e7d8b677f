"""The version of the code that results name."""

from __future__ import annotations

import pytest

from tools.common.version import commit


def test_the_commit_is_named_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 7 <= len(commit().rstrip("+")) <= 40
    monkeypatch.setenv("PATH", "")
    assert commit() == "unknown"
