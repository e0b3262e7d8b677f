"""The shared libraries of a bundle: which are needed, and how each program finds them.

A program finds them by its own run path, DT_RPATH. Modules that it loads inherit it, and LD_LIBRARY_PATH, which module
systems of clusters set, does not come before it. So other programs see nothing of the bundle, and it nothing of theirs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from layers.common.errors import RarError
from tools.build.environment import OPENMP_BLAS
from tools.bundle import debian
from tools.bundle.contents import OF_THE_MACHINE
from tools.bundle.origins import Origins

FOLDER = "lib"
BLAS = "libopenblas.so.0"
SYSTEM = OPENMP_BLAS.parent


def collect(origins: Origins) -> None:
    """Copy into lib/ all that programs and modules of the bundle load, but what is the machine's own."""
    root = origins.root
    brought = {path.name for path in root.rglob("*.so*")}
    for name, path in sorted(needed(root).items()):
        if OF_THE_MACHINE.match(name) or (path and path.is_relative_to(root)):
            continue
        if path:
            origins.copy(path, f"{FOLDER}/{name}", debian.owner(path))
        elif name not in brought:
            raise RarError(f"{name} is needed and not on this machine: install the Debian package that has it")


def needed(root: Path) -> dict[str, Path | None]:
    """Each library by its name with its place on this machine, None where the loader finds it nowhere."""
    found: dict[str, Path | None] = {}
    env = {**os.environ, "LD_LIBRARY_PATH": str(OPENMP_BLAS)}
    for file in sorted(programs_and_modules(root)):
        shown = subprocess.run(["ldd", file], env=env, capture_output=True, text=True, check=False).stdout
        for line in shown.splitlines():
            name, arrow, rest = line.strip().partition(" => ")
            if arrow and "/" not in name:
                place = None if rest.startswith("not found") else Path(rest.rpartition(" (")[0])
                found[name] = found.get(name) or place
    return found


def programs_and_modules(root: Path) -> Iterator[Path]:
    """All files that the loader reads."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def set_run_path(file: Path, root: Path, *folders: str) -> None:
    """Let a file find libraries in folders of the bundle, wherever it lies. RarError when patchelf fails."""
    up = "/".join([".."] * len(file.parent.relative_to(root).parts))
    paths = ":".join(f"$ORIGIN/{up}/{folder}" if up else f"$ORIGIN/{folder}" for folder in folders)
    patch(file, "--force-rpath", "--set-rpath", paths)


def has_run_path(file: Path) -> bool:
    """Whether a library has a run path of its own, and so inherits none."""
    return bool(patch(file, "--print-rpath").strip())


def patch(file: Path, *options: str) -> str:
    """patchelf's output."""
    done = subprocess.run(["patchelf", *options, str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RarError(f"patchelf cannot change {file}: {done.stderr.strip()}")
    return done.stdout
