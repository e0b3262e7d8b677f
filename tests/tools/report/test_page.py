"""The report: one page with nothing outside it, tables and pictures in it, strange names made harmless."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from layers.common.errors import RarError
from tests.tools.evaluate.test_paper_tables import put
from tools.draw import style
from tools.evaluate.results import Results
from tools.report import page as report

VOID = {"meta", "img", "br", "link"}


class Balance(HTMLParser):
    """Every element that opens closes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An SVG shape."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def page(tmp_path: Path, make_results: Callable[..., Results]) -> str:
    """The page of a run with one picture, and of a variant without."""
    put(make_results({"helen": 330}, name="vgg19"), tmp_path / "runs/a", b"a")
    put(make_results({"helen": 330}, name="vgg19+<b>=1"), tmp_path / "runs/b", b"b")
    made = style.figure(100, 100)
    made.add_subplot().plot(np.arange(3))
    (tmp_path / "runs/a/pictures").mkdir()
    style.save(made, tmp_path / "runs/a/pictures/stages.png")
    report.main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out.html")], standalone_mode=False)
    return (tmp_path / "out.html").read_text(encoding="utf-8")


def test_the_page_is_whole_and_needs_nothing_else(page: str) -> None:
    checker = Balance()
    checker.feed(page)
    assert not checker.open
    references = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert references and all(reference.startswith(("data:image/webp;base64,", "#")) for reference in references)
    assert len(page) < 10 << 20


def test_a_damaged_picture_is_named(tmp_path: Path, make_results: Callable[..., Results]) -> None:
    put(make_results({"helen": 330}), tmp_path / "runs/a", b"a")
    (tmp_path / "runs/a/stages.png").write_bytes(b"no picture")
    with pytest.raises(RarError, match="stages.png is no picture: delete it"):
        report.main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out.html")], standalone_mode=False)


def test_tables_and_pictures_are_in_it(page: str) -> None:
    assert '<tr class="ours"><td>vgg19 (ours)</td><td>2.50</td>' in page
    assert "<td>RAR (paper)</td><td>4.30</td>" in page
    assert page.count("<img ") == 1 and "Error by stage" in page
    assert "Ablations of vgg19 on helen" in page


def test_each_run_says_where_its_error_lies(page: str) -> None:
    assert page.count("Where the error lies: results.json") == 2
    assert "Error by part, vgg19, per cent" in page and "The 10 faces with the largest error, vgg19" in page


def test_a_run_that_cannot_say_it_says_why(tmp_path: Path, make_results: Callable[..., Results]) -> None:
    """Shapes of 68 points on 29 drawn ones, with no face to learn the map on: the page is written all the same."""
    made = make_results({"cofw": 2}, raw="synthetic")
    faces = tuple(dataclasses.replace(face, ground_truth=face.ground_truth[:29]) for face in made.faces)
    put(dataclasses.replace(made, truth_scheme="29", faces=faces), tmp_path / "runs/a", b"a")
    report.main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out.html")], standalone_mode=False)
    assert "no face of the subset train to learn" in (tmp_path / "out.html").read_text(encoding="utf-8")


def test_names_are_text(page: str) -> None:
    assert "&lt;b&gt;=1" in page and "<b>" not in page
