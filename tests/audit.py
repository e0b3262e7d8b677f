"""What Python code may not do with what it reads: run it, unpickle it, unpack it anywhere, hand it to a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

MODULES = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve"}
NAMES = {
    *("eval", "exec", "compile", "__import__"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("tempfile.mktemp", "shutil.unpack_archive", "pandas.read_pickle", "distributed.protocol.pickle"),
    *("yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all"),
}
METHODS = {"extractall", "extract"}  # of archives, whose members may have any path
SAFE_LOADERS = {"yaml.SafeLoader", "yaml.CSafeLoader"}


class Finding(NamedTuple):
    """A line of code, and what it uses."""

    line: int
    what: str


def findings(source: str) -> Iterator[Finding]:
    """All that is unsafe in a Python file, by the full names of what it imports."""
    tree = ast.parse(source)
    imported = dict(_imported(tree))
    for node in ast.walk(tree):
        for what in _unsafe(node, imported):
            yield Finding(getattr(node, "lineno", 0), what)


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names of this file and what they stand for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield (name.asname, name.name) if name.asname else (name.name.split(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                yield name.asname or name.name, f"{node.module}.{name.name}"


def _unsafe(node: ast.AST, imported: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names if _is_module(name.name))
    elif isinstance(node, ast.ImportFrom):
        if _is_module(node.module or ""):
            yield str(node.module)
        yield from (whole for name in node.names if (whole := f"{node.module}.{name.name}") in NAMES)
    elif isinstance(node, ast.Name | ast.Attribute):
        if isinstance(node.ctx, ast.Load) and (name := _name(node, imported)) in NAMES:
            yield name
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            yield node.attr
    elif isinstance(node, ast.Call):
        yield from _call(node, imported)


def _call(node: ast.Call, imported: dict[str, str]) -> Iterator[str]:
    """Calls that are unsafe by what they are given, or not given."""
    name = _name(node.func, imported)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    for word in ("shell", "allow_pickle"):
        if word in given and not _is(given[word], False):
            yield f"{word}="
    if name in ("yaml.load", "yaml.load_all"):
        loader = given.get("Loader") or (node.args[1] if len(node.args) > 1 else None)
        if loader is None or _name(loader, imported) not in SAFE_LOADERS:
            yield name
    if name == "torch.load" and not _is(given.get("weights_only"), True):
        yield name


def _name(node: ast.AST, imported: dict[str, str]) -> str:
    """The full name of what an expression is: os.system for `system` after `from os import system`."""
    if isinstance(node, ast.Name):
        return imported.get(node.id, node.id)
    return f"{_name(node.value, imported)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def _is(node: ast.AST | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_module(name: str) -> bool:
    return name.split(".")[0] in MODULES or name in NAMES
