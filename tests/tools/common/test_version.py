"""The version of the code that results name."""

from __future__ import annotations

import re

import pytest

from tools.common.version import PROJECT, commit, version


def test_the_commit_is_named_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 7 <= len(commit().rstrip("+")) <= 40
    monkeypatch.setenv("PATH", "")
    assert commit() == "unknown"


def test_one_version_everywhere() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", version())
    cited = re.search(r"^version: (.+)$", (PROJECT / "CITATION.cff").read_text(), re.M)
    assert cited and cited[1] == version()
    newest = re.search(r"^## (\S+)", (PROJECT / "CHANGELOG.md").read_text(), re.M)
    assert newest and newest[1] == version()
