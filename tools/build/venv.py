"""Packages that Debian has not: each group of pyproject.toml in a virtual environment of its own over the system's.

Standard library only. requirements/GROUP.txt fixes them all with their checksums (lock.py). An environment's folder is
named by what is in it, so a changed pin makes another one, and two versions of the project share what they agree on.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from tools import PROJECT
from tools.build import bundled
from tools.build.cache import root, writable
from tools.build.errors import BuildError

MADE = "made"  # in a finished environment


def groups(project: Path = PROJECT) -> dict[str, list[str]]:
    """What each group asks for: the extras and the dependency groups of pyproject.toml."""
    read = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    return {**read["project"]["optional-dependencies"], **read["dependency-groups"]}


def folder(group: str, project: Path = PROJECT) -> Path:
    """Where the environment of a group is, or will be; BuildError for an unknown group."""
    known = groups(project)
    if group not in known:
        raise BuildError(f"no group of packages is called {group!r}", f"choose of {', '.join(sorted(known))}")
    content = "\0".join([f"{sys.version_info.major}.{sys.version_info.minor}", *words_for_pip(group, project)])
    return root() / "venv" / f"{group}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def requirements(group: str, project: Path = PROJECT) -> Path:
    """The file that fixes a group's packages, there or not."""
    return project / "requirements" / f"{group}.txt"


def words_for_pip(group: str, project: Path = PROJECT) -> list[str]:
    """What decides which packages an environment has: the lines of its file, or what the group asks for."""
    path = requirements(group, project)
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else groups(project)[group]


def system_python() -> str:
    """The Python that environments are made over, whichever of them runs this."""
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"))


def is_made(group: str) -> bool:
    """Whether the environment of a group is finished."""
    return (folder(group) / MADE).is_file()


def python(group: str) -> Path:
    """The Python of a group's environment, there or not."""
    return folder(group) / "bin" / "python"


def site_packages(group: str) -> Path:
    """Where a group's environment keeps its packages."""
    return folder(group) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def ensure(group: str, say: Callable[[str], None]) -> Path:
    """The environment of a group, made now when it is not there yet; BuildError when pip cannot.

    say: told what is being done, when there is something to do.
    """
    place = folder(group)
    if is_made(group):
        return place
    bundled.refuse(f"the packages of {group}", f"make one that has them: ./rar-caffe bundle --with {group}")
    with (writable(place.parent) / f".{group}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if is_made(group):
            return place
        wanted = groups()[group]
        say(f"fetching {', '.join(wanted)} from PyPI into {place}")
        shutil.rmtree(place, ignore_errors=True)
        fixed = requirements(group)
        packages = ["--require-hashes", "--requirement", str(fixed)] if fixed.is_file() else wanted
        _run([system_python(), "-m", "venv", "--system-site-packages", str(place)], "sudo apt-get install python3-venv")
        _run([str(python(group)), "-m", "pip", "install", "--quiet", *packages], "see pip's last lines above")
        (place / MADE).touch()
    return place


def _run(command: list[str], remedy: str) -> None:
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command[:4])} ... ended with status {done.returncode}", remedy)
