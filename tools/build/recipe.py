"""How Caffe is compiled here, and the key that tells one build from another."""

import hashlib
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tools.build import patching
from tools.build.cuda import Cuda
from tools.build.errors import BuildError
from tools.build.source import DebianSource, Source

COMPILER = "/usr/bin/g++"
LAYOUT = "1"  # raised when a finished folder is to hold something else than before
TARGETS = ("caffe.bin", "pycaffe", "upgrade_net_proto_binary", "upgrade_net_proto_text", "upgrade_solver_proto_text")
BASE_FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",  # -O3; no -march: BLAS picks its kernels at run time, and the cache may be shared
    f"-DCMAKE_CXX_COMPILER={COMPILER}",
    "-DCMAKE_CXX_STANDARD=17",
    "-DBLAS=Open",
    "-DUSE_LMDB=ON",
    "-DUSE_LEVELDB=OFF",
    "-DUSE_OPENCV=OFF",
    "-DUSE_DNNL=ON",
    "-DUSE_OPENMP=ON",
    "-DBUILD_python=ON",
    "-DBUILD_python_layer=ON",
    "-DBUILD_docs=OFF",
    "-DBUILD_matlab=OFF",
    "-Dpython_version=3",
    # The result is copied by hand, so `install` never runs. Under this prefix Caffe leaves the run path to us;
    # relative to itself it survives the renaming of the folder and needs no LD_LIBRARY_PATH.
    "-DCMAKE_INSTALL_PREFIX=/usr",
    "-DCMAKE_INSTALL_LIBDIR=lib",
    "-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON",
    "-DCMAKE_INSTALL_RPATH_USE_LINK_PATH=OFF",
)
# Several source files to one compiler run: half the time. Only for the tree it was tried on; a checkout may have layers
# of its own that do not bear it.
TOGETHER = ("-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_UNITY_BUILD_BATCH_SIZE=8")
RUN_PATH = ("$ORIGIN/../lib", "$ORIGIN/../../lib")  # from bin/ and from python/caffe/


@dataclass(frozen=True)
class Recipe:
    """One way to build Caffe: from what source, for CPU alone or with CUDA."""

    source: Source
    cuda: Cuda | None = None
    patches: Path = patching.PATCHES

    def flags(self) -> list[str]:
        """Options for cmake."""
        run_path = ";".join((*RUN_PATH, *(self.cuda.run_path() if self.cuda else ())))
        variant = self.cuda.flags() if self.cuda else ["-DCPU_ONLY=ON", "-DUSE_CUDNN=OFF", "-DUSE_NCCL=OFF"]
        together = TOGETHER if isinstance(self.source, DebianSource) else ()
        run_path_flag = f"-DCMAKE_INSTALL_RPATH={run_path}"
        return [*BASE_FLAGS, *together, *python_flags(), run_path_flag, *variant]

    def name(self) -> str:
        """The folder's name in the cache: `caffe-<cpu|cuda>-<key>`."""
        parts = [self.source.digest(), patching.digest(self.patches), LAYOUT, *self.flags(), *TARGETS]
        parts += [compiler_version(), soabi(), *(self.cuda.details() if self.cuda else ())]
        return f"caffe-{'cuda' if self.cuda else 'cpu'}-{_hash(parts)}"


def selection_key(patches: Path = patching.PATCHES) -> str:
    """What a finished build must agree on with this project and this machine to be used without asking further.

    Names no compiler and no source, so that it needs no other program and takes milliseconds.
    """
    return _hash([LAYOUT, patching.digest(patches), *BASE_FLAGS, *TOGETHER, *TARGETS, soabi()])


def python_flags() -> list[str]:
    """Point cmake to the Python that runs this, which must be the system's: Caffe embeds it."""
    if sys.base_prefix != "/usr":
        raise BuildError(f"{sys.executable} is not the system Python", "run this with /usr/bin/python3")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path("/usr/lib", str(sysconfig.get_config_var("MULTIARCH") or ""), f"lib{version}.so")
    return [
        f"-DPYTHON_EXECUTABLE=/usr/bin/{version}",
        f"-DPYTHON_INCLUDE_DIR=/usr/include/{version}",
        f"-DPYTHON_LIBRARY={library}",
    ]


def soabi() -> str:
    """The system Python's binary interface, such as cpython-311-x86_64-linux-gnu: what compiled modules must match."""
    return str(sysconfig.get_config_var("SOABI"))


def compiler_version() -> str:
    """The compiler's first line about itself; BuildError when there is no compiler."""
    try:
        shown = subprocess.run([COMPILER, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise BuildError(f"no C++ compiler at {COMPILER}", "run: sudo apt-get install build-essential") from None
    return shown.splitlines()[0]


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
