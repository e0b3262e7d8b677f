"""The house: every file in a room, imports that go one way, no circle anywhere."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from tools import PROJECT

# A room may import from those before it, and from itself.
ORDER = ("layers", "data_prep", "tools.build", "tools.common", "tools.model", "tools.train", "tools.evaluate",
         "tools.draw", "tools.test", "tools.detect", "tools.many", "tools.web", "tools.onnx", "tools.bench",
         "tools.bundle", "tools.gpu_check", "tools.report", "tools.cli")  # fmt: skip


def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    files = [path for room in ("layers", "data_prep", "tools") for path in (PROJECT / room).rglob("*.py")]
    named = {path: path.relative_to(PROJECT).with_suffix("").parts for path in files}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in named.items()}


def imports(path: Path, known: set[str], *, anywhere: bool) -> set[str]:
    """The modules of ours that a file imports; at its top alone, or anywhere in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in inner}
    return found & known


def room(module: str) -> str:
    return next((name for name in reversed(ORDER) if module == name or module.startswith(f"{name}.")), "")


def test_every_file_is_in_a_room() -> None:
    loose = [name for name in modules() if not room(name) and name != "tools"]
    assert loose == []
    assert [path.name for path in (PROJECT / "tools").glob("*.py")] == ["__init__.py"]


def test_imports_go_one_way() -> None:
    """What the rooms share is below them; layers know of nothing else here."""
    ours = modules()
    wrong = [
        f"{name} imports {other}"
        for name, path in ours.items()
        for other in imports(path, set(ours), anywhere=True)
        if room(name) and room(other) and ORDER.index(room(other)) > ORDER.index(room(name))
    ]
    assert wrong == []


def test_no_circle() -> None:
    ours = modules()
    graph = {name: imports(path, set(ours), anywhere=False) - {name} for name, path in ours.items()}
    assert list(TopologicalSorter(graph).static_order())


def test_tests_mirror_the_rooms() -> None:
    rooms = {name.replace(".", "/") for name in ORDER}
    folders = {str(path.parent.relative_to(PROJECT / "tests")) for path in (PROJECT / "tests").rglob("test_*.py")}
    assert folders - {".", "tools", "gpu", "fuzz"} <= rooms
    assert rooms - folders == set()
