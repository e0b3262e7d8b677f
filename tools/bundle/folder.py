"""Puts a bundle's folder together: this project, its Caffe, Python with packages, and the libraries of all of them.

rar-caffe          the launcher          python/    Debian's Python and its packages
project/           this project          lib/       shared libraries
cache/             Caffe, CuPy, groups   glibc/     Debian's C library, for machines with an older one
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from layers.common.errors import RarError
from tools import PROJECT
from tools.build import cupy, venv
from tools.build.environment import caffe_folder
from tools.build.recipe import selection_key
from tools.bundle import contents, debian, launchers, libraries
from tools.bundle.contents import PYTHON
from tools.bundle.origins import Origin, Origins
from tools.common.version import commit, version

SITE = "python/lib/python3/dist-packages"
REAL = f"python/bin/python{PYTHON}.bin"
NOT_CARRIED = re.compile(
    r"^(pip|setuptools|_distutils_hack|pkg_resources|distutils-precedence)|\.pyc$|__pycache__|/thrust[^/]*\.so"
    r"|/lib(gfortran|quadmath)-"  # of OpenCV's own OpenBLAS
)
# Debian's own program has all of libpython a second time, and Caffe needs the library.
MAIN = "int Py_BytesMain(int, char **); int main(int n, char **v) { return Py_BytesMain(n, v); }"


@dataclass(frozen=True)
class Wanted:
    """What a bundle is to have.

    models: names of shipped models. groups: of packages (pyproject.toml). tests: the tests and pytest.
    """

    models: tuple[str, ...] = ("compact",)
    groups: tuple[str, ...] = ("finder",)
    tests: bool = True


def make(root: Path, wanted: Wanted, say: Callable[[str], None]) -> None:
    """Make the folder; what was there is removed. RarError when something is missing on this machine."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    origins = Origins(root)
    built = caffe_folder()
    say("the project and its Caffe")
    ours = add_project(origins, wanted)
    add_caffe(origins, built, ours)
    say("Python and its packages")
    add_python(origins, wanted, ours)
    for group in wanted.groups:
        add_group(origins, group, ours)
    say("shared libraries")
    libraries.collect(origins)
    set_run_paths(root, root / "cache" / built.name)
    for name in contents.GLIBC:
        library = Path("/lib64" if name.startswith("ld-") else libraries.SYSTEM, name)
        origins.copy(library, f"glibc/{name}", debian.owner(library))
    launchers.launcher(origins, ours)
    origins.finish()


def add_project(origins: Origins, wanted: Wanted) -> Origin:
    """The files that git tracks, as they are here, and COMMIT, as there is no git where they go."""
    listed = subprocess.run(["git", "-C", str(PROJECT), "ls-files", "-z"], capture_output=True, text=True, check=False)
    if listed.returncode:
        raise RarError(f"{PROJECT} is no clone: make a bundle from one, which knows its own files")
    ours = Origin("rar-caffe", f"{version()}, commit {commit()}", PROJECT / "LICENSE")
    for name in listed.stdout.split("\0"):
        top, *rest = Path(name).parts or ("",)
        other = top == "models" and len(rest) > 1 and rest[0] not in wanted.models
        if name and not other and (wanted.tests or top != "tests") and (PROJECT / name).is_file():
            origins.copy(PROJECT / name, f"project/{name}", ours)
    origins.write("project/COMMIT", commit() + "\n", ours)
    return ours


def add_caffe(origins: Origins, built: Path, ours: Origin) -> None:
    """The Caffe selected here; with CuPy where it is there. A key in the cache names no path, so it is found again."""
    caffe = Origin("caffe", "1.0.0, patched", built / "LICENSE")
    for path in sorted(built.rglob("*")):
        name = path.relative_to(built.parent)
        if "__pycache__" in name.parts:
            continue
        if path.is_symlink():
            link(origins.root / "cache" / name, str(path.readlink()))
        elif path.is_file():
            programs = name.parts[1] == "bin"
            target = f"cache/{name.parent}/real/{name.name}" if programs else f"cache/{name}"
            origins.copy(path, target, caffe)
            if programs:  # each embeds Python, which else looks for its library beside the first python3 on the path
                launchers.program(origins, f"cache/{name}", target, ours, 'export PYTHONHOME="$root/python"')
    link(origins.root / f"cache/selected-{selection_key()}", built.name)
    site = cupy.folder_of(built) / "site"
    if site.is_dir():
        add_site(origins, site, f"cache/{site.parent.name}/site", skip="nvidia/")


def add_python(origins: Origins, wanted: Wanted, ours: Origin) -> None:
    """Debian's Python, whose library lies beside it, its packages, and OpenCV from PyPI, with 100 libraries less."""
    python = debian.origin(contents.STDLIB[0])
    (origins.root / REAL).parent.mkdir(parents=True)
    command = ["gcc", "-O2", "-Wl,--build-id=none", "-x", "c", "-", "-o", str(origins.root / REAL), f"-lpython{PYTHON}"]
    if subprocess.run(command, input=MAIN, text=True, check=False).returncode:
        raise RarError("gcc cannot link a program with Python's library: run ./rar-caffe build, which installs it")
    origins.of[REAL] = python
    for package in (*contents.STDLIB, *contents.PACKAGES, *(contents.TESTS if wanted.tests else ())):
        for path in debian.files(package):
            if target := contents.place(path):
                origins.copy(Path(path), target, debian.origin(package))
    matplotlib = debian.origin("python3-matplotlib")
    for path in debian.files("python-matplotlib-data"):
        if target := contents.place(path):
            origins.copy(Path(path), target, matplotlib)
    origins.copy(Path("/etc/matplotlibrc"), f"{SITE}/matplotlib/mpl-data/matplotlibrc", matplotlib)
    add_site(origins, venv.site_packages("bundle"), SITE, skip="cv2/data/")
    for blas in (origins.root / SITE).glob("opencv_python_headless.libs/libopenblas*"):  # Caffe's will do
        blas.unlink()
        link(blas, f"../../../../../{libraries.FOLDER}/{libraries.BLAS}")
    launchers.program(origins, f"python/bin/python{PYTHON}", REAL, ours)
    link(origins.root / "python/bin/python3", f"python{PYTHON}")


def add_group(origins: Origins, group: str, ours: Origin) -> None:
    """A group's packages, and a python that has them, where venv.py looks for both."""
    place = f"cache/venv/{venv.folder(group).name}"
    add_site(origins, venv.site_packages(group), f"{place}/lib/python{PYTHON}/site-packages")
    origins.write(f"{place}/{venv.MADE}", "", ours)
    up = "/".join([".."] * 4)
    script = f"""#!/bin/sh
here=$(readlink -f "$0"); here=${{here%/*}}
export PYTHONPATH="$here/../lib/python{PYTHON}/site-packages${{PYTHONPATH:+:$PYTHONPATH}}"
exec "$here/{up}/python/bin/python3" "$@"
"""
    origins.write(f"{place}/bin/python", script, ours, 0o755)


def add_site(origins: Origins, site: Path, target: str, skip: str = "//") -> None:
    """All packages of a site-packages folder but pip's own, each from its wheel."""
    wheels: dict[str, Origin] = {}
    for wheel in distributions(path=[str(site)]):
        name, files = wheel.metadata["Name"], wheel.files or []
        licence = next(
            (site / str(file) for file in files if re.match("LICEN[CS]E", file.name)), "as its METADATA says"
        )
        wheels |= {str(file): Origin(name, wheel.version, licence) for file in files}
    for path in sorted(site.rglob("*")):
        name = str(path.relative_to(site))
        if path.is_file() and name in wheels and not NOT_CARRIED.search(name) and not name.startswith(skip):
            origins.copy(path, f"{target}/{name}", wheels[name])


def set_run_paths(root: Path, caffe: Path) -> None:
    """Let every program find its libraries; nothing may strip them afterwards."""
    lib = libraries.FOLDER
    own = str((caffe / "lib").relative_to(root))
    libraries.set_run_path(root / REAL, root, lib)
    for path in (caffe / "bin/real").iterdir():
        libraries.set_run_path(path, root, own, lib)
    for path in (*(caffe / "lib").glob("libcaffe.so.*"), caffe / "python/caffe/_caffe.so"):
        if not path.is_symlink():
            libraries.set_run_path(path, root, own, lib)
    for path in (root / lib).iterdir():
        if libraries.has_run_path(path):  # it inherits none from the program
            libraries.set_run_path(path, root, lib)


def link(path: Path, target: str) -> None:
    """A relative link, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
