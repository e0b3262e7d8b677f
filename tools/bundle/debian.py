"""Files of Debian's packages, as dpkg knows them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from layers.common.errors import RarError
from tools.bundle.origins import Origin


def files(package: str) -> list[str]:
    """The files and links of an installed package; RarError when it is not installed."""
    return [path for path in _ask("dpkg-query", "--listfiles", package).splitlines() if _is_file(path)]


@cache
def origin(package: str) -> Origin:
    """The package with its version and its licence."""
    version = _ask("dpkg-query", "--show", "--showformat=${Version}", package)
    licence = Path("/usr/share/doc", package, "copyright")
    return Origin(package, version, licence if licence.is_file() else "see Debian's package")


@cache
def owner(path: Path) -> Origin:
    """The package that a library on this machine is of; RarError when no package owns it."""
    real = path.resolve()
    names = [str(real), str(real).removeprefix("/usr"), str(path)]  # dpkg remembers where a file was, /lib or /usr/lib
    for name in names:
        done = subprocess.run(["dpkg-query", "--search", name], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return origin(done.stdout.partition(":")[0].strip())
    raise RarError(f"{path} is of no Debian package, so its licence is not known: install Debian's in its place")


def _is_file(path: str) -> bool:
    return Path(path).is_file()


def _ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RarError(f"{done.stderr.strip()}: install it with apt, then make the bundle again")
    return done.stdout
