"""CuPy, with which the Python layers work in a GPU's memory: from PyPI into the cache, beside Caffe.

It must fit the system's numpy, which Caffe fits, so it is no part of any other environment; environment.py puts it on
the path of a Caffe that was built for GPUs.
"""

import json
from pathlib import Path

from tools.build.cache import MANIFEST, Cache
from tools.build.errors import BuildError
from tools.build.nvidia_packages import fetch
from tools.build.progress import Progress

VERSION = "13.6.0"  # the last for numpy before 2.0; for CUDA 11, 12 and 13


def folder_of(built: Path) -> Path:
    """Where CuPy is, or would be, for a finished Caffe; no such folder for one of the CPU alone."""
    return built.parent / f"cupy-{VERSION}-cuda-{cuda_release(built) or 'none'}"


def cuda_release(built: Path) -> str:
    """The CUDA that a finished Caffe was built with, such as "13.0"; empty for the CPU alone."""
    return str(json.loads((built / MANIFEST).read_text()).get("cuda", ""))


def install(built: Path, cache: Cache, progress: Progress) -> Path:
    """CuPy for this Caffe, with the compiler and the headers that it needs at run time. Needs the cache's lock."""
    release = cuda_release(built)
    if not release:
        raise BuildError("this Caffe is for the CPU alone, where CuPy is of no use", "run first: make caffe CUDA=1")
    major = release.partition(".")[0]
    suffix = "" if int(major) >= 13 else f"-cu{major}"
    wanted = [f"cupy-cuda{major}x=={VERSION}", "fastrlock"]
    wanted += [f"nvidia-cuda-{part}{suffix}=={release}.*" for part in ("nvrtc", "runtime")]
    remedy = "check the network, or put CuPy where /usr/bin/python3 finds it"
    return fetch(cache, progress, folder_of(built).name, wanted, remedy, alone=True)
