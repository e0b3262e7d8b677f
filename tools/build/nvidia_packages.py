"""NVIDIA's libraries as packages from PyPI, each kept in the cache once fetched, and files in folders like theirs."""

import shutil
import sys
import sysconfig
from pathlib import Path

from tools.build.cache import MANIFEST, Cache
from tools.build.progress import Progress

MULTIARCH = str(sysconfig.get_config_var("MULTIARCH") or "")  # Debian's folder for libraries of this machine's kind


def fetch(
    cache: Cache, progress: Progress, name: str, requirements: list[str], remedy: str, *, alone: bool = False
) -> Path:
    """The cached folder `name` with packages from PyPI, installed when it is not there. Needs the cache's lock.

    alone: without the packages that they depend on.
    """
    if not cache.has(name):
        what = " ".join(requirements)
        with progress.phase(f"fetching {what} from PyPI"), cache.staging(name) as folder:
            progress.run([sys.executable, "-m", "venv", folder / "venv"], "making a virtual environment", remedy)
            pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--no-cache-dir"]
            options = ["--only-binary=:all:", f"--target={folder / 'site'}", *(["--no-deps"] if alone else [])]
            progress.run([*pip, *options, *requirements], f"fetching {what} from PyPI", remedy)
            shutil.rmtree(folder / "venv")
            (folder / MANIFEST).write_text("{}\n")
    return cache.path(name)


def package_folders(fetched: Path) -> tuple[Path, ...]:
    """The folders inside NVIDIA's packages that have include/ or lib/: one for all since CUDA 13, one a part before."""
    inside = sorted((fetched / "site/nvidia").glob("*"))
    return tuple(path for path in inside if (path / "include").is_dir() or (path / "lib").is_dir())


def find_library(folders: tuple[Path, ...], name: str) -> Path | None:
    """The first lib<name>.so, or its newest numbered sibling, in the folders."""
    for folder in folders:
        places = (folder / "lib64", folder / "lib", *sorted(folder.glob("targets/*/lib")), folder / "lib" / MULTIARCH)
        for place in places:
            found = sorted(place.glob(f"lib{name}.so*"), key=lambda path: (len(path.name), path.name))
            if found:
                return found[0]
    return None


def find_header(folders: tuple[Path, ...], name: str) -> Path | None:
    """The first header called `name` in the folders."""
    places = (place for folder in folders for place in (folder / "include", folder / "include" / MULTIARCH))
    return next((place / name for place in places if (place / name).is_file()), None)
