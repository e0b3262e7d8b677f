"""cuDNN and NCCL: used where the machine has them, fetched from PyPI only when asked for, left out when told to.

For each of the two, in the environment: CUDNN=1 wants it and fetches it when it is not there, CUDNN=0 leaves it out,
CUDNN_HOME=DIR says where it is; NCCL=1, NCCL=0, NCCL_HOME=DIR likewise.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tools.build.cache import Cache
from tools.build.errors import BuildError
from tools.build.nvidia_packages import fetch, find_header, find_library, package_folders
from tools.build.progress import Progress

USUAL = (Path("/usr/local"), Path("/usr"))  # after the toolkit's own folders


@dataclass(frozen=True)
class Kind:
    """A library of NVIDIA's that Caffe can do without."""

    name: str  # also of the variable in the environment, and before the macros of its version
    file: str  # of lib<file>.so and <file>.h
    version_header: str  # where there is one; else <file>.h has the version
    cmake_variables: tuple[str, str]  # by which Caffe's cmake files find header and library
    package: str  # on PyPI, before the major release of CUDA
    release: str  # major release of the package
    without: str  # what is so without it


CUDNN = Kind(
    "CUDNN", "cudnn", "cudnn_version.h", ("CUDNN_INCLUDE", "CUDNN_LIBRARY"), "nvidia-cudnn-cu", "9",
    "a GPU convolves with Caffe's own kernels",
)  # fmt: skip
NCCL = Kind(
    "NCCL", "nccl", "nccl.h", ("NCCL_INCLUDE_DIR", "NCCL_LIBRARIES"), "nvidia-nccl-cu", "2",
    "training takes one GPU at a time",
)  # fmt: skip


@dataclass(frozen=True)
class Library:
    """One that was found."""

    kind: Kind
    include: Path  # folder of its header
    shared: Path
    version: str

    def flags(self) -> list[str]:
        """Options for Caffe's cmake files, which look in fewer places than we do."""
        include, library = self.kind.cmake_variables
        return [f"-DUSE_{self.kind.name}=ON", f"-D{include}={self.include}", f"-D{library}={self.shared}"]


def choose(kind: Kind, toolkit: tuple[Path, ...], cuda_major: str, cache: Cache, progress: Progress) -> Library | None:
    """The library to build with, or None; says which in one line. Needs the cache's lock.

    toolkit: its folders, where it may lie too. BuildError when it is wanted and cannot be had.
    """
    wanted, home = os.environ.get(kind.name, ""), os.environ.get(f"{kind.name}_HOME", "")
    if wanted not in ("", "0", "1"):
        raise BuildError(f"{kind.name}={wanted} is neither 1 nor 0", "or leave it out to use what is there")
    if wanted == "0":
        progress.say(f"without {kind.name}, as {kind.name}=0 says: {kind.without}")
        return None
    folders = (Path(home).expanduser().resolve(),) if home else (*toolkit, *USUAL)
    found = find(kind, folders)
    if home and not found:
        raise BuildError(f"no {kind.file}.h with its library in {kind.name}_HOME={home}", "correct it, or unset it")
    if wanted == "1" and not found:
        name = f"{kind.file}-cu{cuda_major}-{kind.release}"
        requirement = f"{kind.package}{cuda_major}=={kind.release}.*"
        remedy = f"check the network, or set {kind.name}_HOME"
        found = find(kind, package_folders(fetch(cache, progress, name, [requirement], remedy, alone=True)))
        if not found:
            raise BuildError(f"{requirement} brought no {kind.file}.h with its library", f"set {kind.name}_HOME")
    if found:
        progress.say(f"with {kind.name} {found.version}: {found.shared}")
    else:
        ways = f"{kind.name}=1 fetches it, {kind.name}_HOME names it"
        progress.say(f"without {kind.name}, none found: {kind.without}; {ways}")
    return found


def find(kind: Kind, folders: tuple[Path, ...]) -> Library | None:
    """The library in the first of the folders that has both its header and its shared object."""
    for folder in folders:
        header, shared = find_header((folder,), f"{kind.file}.h"), find_library((folder,), kind.file)
        if header and shared:
            return Library(kind, header.parent, shared, version(kind, header))
    return None


def version(kind: Kind, header: Path) -> str:
    """As the header tells it, such as 9.28.1."""
    own = header.with_name(kind.version_header)
    text = (own if own.is_file() else header).read_text(errors="replace")
    parts = (re.search(rf"#define {kind.name}_{part}\w*\s+(\d+)", text) for part in ("MAJOR", "MINOR", "PATCH"))
    return ".".join(part[1] if part else "?" for part in parts)
