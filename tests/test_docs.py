"""The documentation: short where it should be, no dead link, and nothing named that does not exist."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from tests.conftest import import_packages
from tools import PROJECT
from tools.cli.__main__ import Lazy
from tools.cli.table import COMMANDS, PLAIN
from tools.train import maps, steps

PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", PROJECT / "models" / "README.md",
         *sorted((PROJECT / "docs").glob("*.md"))]  # fmt: skip
ASKED = {
    "install", "train", "evaluate", "detect", "python-api", "video", "onnx", "many-pictures", "web", "gpu", "layers",
    "readings", "results", "limits", "own-data", "faq", "experiments",
}  # fmt: skip
MAKEFILE = (PROJECT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.M))
VARIABLES = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", MAKEFILE))
OWN_OPTIONS = {  # of the subcommands that are none of click's
    "build": {"--cuda", "--cpu", "--cupy", "--source"}, "env": {"--preset", "--data", "--test-set"}, "packages": set(),
    "doctor": set(), "lock": set(), "self-test": {"-k", "-x"}, "lint": set(), "docs": set(),
}  # fmt: skip
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: f"{path.parent.name}/{path.stem}")


def prose(page: Path) -> str:
    """The text without code blocks."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)


def code(page: Path) -> Iterator[str]:
    """Every line of a code block and every span of code, comments left out."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```(?:sh|text)?\n(.*?)```", text, re.S):
        yield from (line.partition("  #")[0].strip() for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    yield from (line.partition("  #")[0].strip() for line in text.splitlines() if line.startswith("    "))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def test_every_layer_has_its_section_in_the_fixed_order() -> None:
    text = (PROJECT / "docs" / "layers.md").read_text()
    files = [*(PROJECT / "layers").glob("*.py"), PROJECT / "data_prep" / "live" / "layer.py"]
    derived = dict(
        pair for file in files for pair in re.findall(r"^class (\w+Layer)\(([\w.]+)", file.read_text(), re.M)
    )
    sections = dict(re.findall(r"^## ([^\n]*Layer)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert derived.keys() - set(derived.values()) == {name for heading in sections for name in heading.split(", ")}
    for heading, section in sections.items():
        found = re.findall(r"^- \*\*(Bottoms|Tops|Parameters|Gradient)\*\*:", section, re.M)
        order = ["Bottoms", "Tops", "Parameters", "Gradient"]
        assert found and found == order * (len(found) // 4), heading


@cache
def anchors(page: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", prose(page), re.M)}


def test_the_first_page_is_one_screen_after_another_of_few() -> None:
    lines = (PROJECT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 170


def test_a_page_for_every_task() -> None:
    assert {page.stem for page in PAGES} >= ASKED
    (site,) = re.findall(r"^nav:\n(.*)", (PROJECT / "mkdocs.yml").read_text(), re.M | re.S)
    listed = set(re.findall(r"[a-z-]+\.md", site)) - {"index.md"}
    assert listed == {page.name for page in PAGES if page.parent.name == "docs"}


@every_page
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


@pytest.fixture(scope="module", autouse=True)
def dask() -> None:
    """Some subcommands are written with it."""
    import_packages("many")


@cache
def options_of(words: tuple[str, ...]) -> set[str]:
    """The options of a click command of the table, its subcommands told by the words after it."""
    found = Lazy("rar-caffe").get_command(click.Context(click.Command("rar-caffe")), words[0])
    for word in words[1:]:
        if isinstance(found, click.Group):
            found = found.get_command(click.Context(found), word)
    assert found, words
    subcommands = found.commands.values() if isinstance(found, click.Group) else [found]
    return {name for command in subcommands for name in names_of(command)}


def names_of(command: click.Command) -> set[str]:
    """The options of one click command."""
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


def check_launcher(words: list[str]) -> None:
    name = words[0]
    assert name in {*COMMANDS, *PLAIN, "--help", "--version"}, name
    given = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
    if name in COMMANDS:
        plain = tuple(word for word in words[1:2] if re.fullmatch(r"[a-z0-9]+", word))
        assert given <= options_of((name, *plain)) | {"--help"}, words
    elif name in OWN_OPTIONS:
        assert given <= OWN_OPTIONS[name] | {"--help"}, words


@pytest.mark.parametrize(
    "line", ["detekt", "detect --colour", "data 300w --chunk", "build --gpu", "evaluate 300w --raw"]
)
def test_what_does_not_exist_is_noticed(line: str) -> None:
    with pytest.raises(AssertionError):
        check_launcher(line.split())


@every_page
def test_commands_exist(page: Path) -> None:
    """Targets and variables of make, subcommands and options of the launcher, modules of Python."""
    for line in code(page):
        if match := re.search(r"(?:^|\s|\"|\()make (?:-s )?([a-z][a-z0-9-]*)((?: [A-Z0-9_]+=\S*)*)", line):
            assert match[1] in TARGETS, line
            assert set(re.findall(r"([A-Z0-9_]+)=", match[2])) <= VARIABLES, line
        if match := re.search(r"rar-caffe ([a-z-]+.*)", line):
            words = shlex.split(re.sub(r"[\[\]]|\)\"?$", "", match[1]))
            check_launcher(list(itertools.takewhile(lambda word: word not in ("&&", "|", ">", ";"), words)))
        if match := re.search(r"python3 -m ([\w.]+)", line):
            assert match[1] == "pytest" or importlib.util.find_spec(match[1]), line


@every_page
def test_options_that_are_named_alone_exist(page: Path) -> None:
    known = {option for name in COMMANDS for option in options_of((name,))}
    known |= {option for options in OWN_OPTIONS.values() for option in options}
    known |= {"--gpu", "--slow", "--help", "--version"} | names_of(steps.main) | names_of(maps.main)
    for span in re.findall(r"`(--[a-z][a-z-]*)[ =`]", prose(page)):
        assert span in known, span


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    for span in re.findall(r"`((?:tools|layers|data_prep|tests|docs|models|prototxt)/[\w./-]+)`", prose(page)):
        assert (PROJECT / span).exists() or re.search(r"NAME|/patches/.*\.cpp", span), span


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "experiments"], ids=lambda path: path.stem)
def test_no_commits_in_prose(page: Path) -> None:
    """They belong in tables, their footnotes and cards."""
    for line in prose(page).splitlines():
        if not re.match(r"\||[¹²³⁴⁵⁶⁷⁸⁹]|c5399", line):
            found = [word for word in re.findall(r"\b[0-9a-f]{7,40}\b", line) if re.search(r"[a-f]", word)]
            assert not [word for word in found if re.search(r"\d", word)], line


def test_nothing_is_said_twice() -> None:
    sentences: Counter[str] = Counter()
    for page in PAGES:
        plain = " ".join(line for line in prose(page).splitlines() if not line.startswith(("|", "#")))
        sentences.update({part.strip() for part in re.split(r"(?<=[.:]) ", plain) if len(part.strip()) > 90})
    assert [sentence for sentence, count in sentences.items() if count > 1] == []
