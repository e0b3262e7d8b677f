"""The CUDA toolkit, the libraries beside it and the GPU architectures to compile for."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.build import gpu_libraries
from tools.build.cache import Cache
from tools.build.errors import BuildError
from tools.build.gpu_libraries import CUDNN, NCCL, Library
from tools.build.nvidia_packages import fetch, find_library, package_folders
from tools.build.progress import Progress

DEFAULT_ARCHITECTURE = "90"
DEFAULT_VERSION = "13.0"  # fetched when the machine has no nvcc
LIBRARIES = ("cudart", "cublas", "curand")
HEADERS = ("cuda_runtime.h", "cublas_v2.h", "curand.h")
_COMPILER_PARTS = "nvcc,cudart,cccl,cublas,curand"
_LIBRARY_PARTS = "cublas,curand"


@dataclass(frozen=True)
class Cuda:
    """A toolkit, possibly in several folders, and what to compile for."""

    nvcc: Path
    folders: tuple[Path, ...]  # each with include/ and lib64/ or lib/, in order of preference
    architectures: tuple[str, ...]  # compute capabilities without the dot, such as "90"
    extras: tuple[Library, ...] = ()  # cuDNN and NCCL, those that are used

    def flags(self) -> list[str]:
        """Options for cmake's FindCUDA and Caffe's Cuda.cmake."""
        includes = [folder / "include" for folder in self.folders if (folder / "include").is_dir()]
        used = {library.kind.name for library in self.extras}
        return [
            "-DCPU_ONLY=OFF",
            "-DCUDA_HOST_COMPILER=/usr/bin/g++",
            f"-DCUDA_TOOLKIT_ROOT_DIR={self.nvcc.parent.parent}",
            # else FindCUDA thinks that the toolkit has changed and forgets the compiler and libraries named here
            f"-DCUDA_TOOLKIT_ROOT_DIR_INTERNAL={self.nvcc.parent.parent}",
            f"-DCUDA_NVCC_EXECUTABLE={self.nvcc}",
            f"-DCUDA_TOOLKIT_INCLUDE={includes[0]}",
            f"-DCMAKE_CXX_FLAGS={' '.join(f'-isystem {path}' for path in includes)}",
            f"-DCUDA_NVCC_FLAGS=-std=c++17;{';'.join(f'-I{path}' for path in includes)}",
            f"-DCUDA_CUDART_LIBRARY={self.library('cudart')}",
            f"-DCUDA_cublas_LIBRARY={self.library('cublas')}",
            f"-DCUDA_curand_LIBRARY={self.library('curand')}",
            "-DCUDA_ARCH_NAME=Manual",
            f"-DCUDA_ARCH_BIN={' '.join(self.architectures)}",
            f"-DCUDA_ARCH_PTX={self.architectures[-1]}",  # newer GPUs compile this on first use
            *(f"-DUSE_{kind.name}=OFF" for kind in (CUDNN, NCCL) if kind.name not in used),
            *(flag for library in self.extras for flag in library.flags()),
        ]

    def library(self, name: str) -> Path:
        """The shared library `name`; BuildError when no folder has it."""
        found = find_library(self.folders, name)
        if found is None:
            raise BuildError(f"lib{name}.so is missing in {self.nvcc.parent.parent}", "set CUDA_HOME to a full toolkit")
        return found

    def run_path(self) -> list[str]:
        """Folders in which the built Caffe looks for CUDA's libraries."""
        libraries = [*map(self.library, LIBRARIES), *(library.shared for library in self.extras)]
        return list(dict.fromkeys(str(library.parent) for library in libraries))

    def details(self) -> list[str]:
        """What distinguishes this toolkit in the cache key."""
        extras = (f"{library.kind.name} {library.version} {library.shared.resolve()}" for library in self.extras)
        return [compiler_release(self.nvcc), *(str(self.library(name).resolve()) for name in LIBRARIES), *extras]


def prepare(cache: Cache, progress: Progress) -> Cuda:
    """Find the toolkit, fetch from PyPI what it lacks, choose libraries and architectures. Needs the cache's lock."""
    home = toolkit_home()
    if home is None:
        fetched = fetch_toolkit(cache, progress, _COMPILER_PARTS, DEFAULT_VERSION)
        folders = package_folders(fetched)
        nvcc = next((folder / "bin/nvcc" for folder in folders if (folder / "bin/nvcc").is_file()), None)
        if nvcc is None:
            raise BuildError("the CUDA packages brought no nvcc", "install the CUDA toolkit and set CUDA_HOME")
    else:
        nvcc, folders = home / "bin/nvcc", (home,)
        if not is_complete(folders):
            folders += package_folders(fetch_toolkit(cache, progress, _LIBRARY_PARTS, compiler_release(nvcc)))
    architectures = choose_architectures(os.environ.get("CUDA_ARCH", ""))
    check_support(nvcc, architectures)
    major = compiler_release(nvcc).partition(".")[0]
    extras = (gpu_libraries.choose(kind, folders, major, cache, progress) for kind in (CUDNN, NCCL))
    return Cuda(nvcc, folders, architectures, tuple(library for library in extras if library))


def toolkit_home() -> Path | None:
    """`$CUDA_HOME` (BuildError when it has no nvcc), else the usual place, else where nvcc on the PATH belongs."""
    if named := os.environ.get("CUDA_HOME"):
        if not Path(named, "bin/nvcc").is_file():
            raise BuildError(f"no bin/nvcc in CUDA_HOME={named}", "correct it, or unset it to fetch CUDA from PyPI")
        return Path(named).resolve()
    on_path = shutil.which("nvcc")
    candidates = [Path("/usr/local/cuda"), *([Path(on_path).resolve().parent.parent] if on_path else [])]
    return next((path.resolve() for path in candidates if (path / "bin/nvcc").is_file()), None)


def compiler_release(nvcc: Path) -> str:
    """The release of nvcc, such as "13.0"."""
    try:
        shown = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(f"{nvcc} does not run ({error})", "reinstall the CUDA toolkit, or set CUDA_HOME") from None
    found = re.search(r"release (\d+\.\d+)", shown)
    if found is None:
        raise BuildError(f"{nvcc} does not tell its release", "set CUDA_HOME to a CUDA toolkit")
    return found[1]


def is_complete(folders: tuple[Path, ...]) -> bool:
    """Whether all libraries and headers that Caffe needs are there."""
    headers = all(any((folder / "include" / name).is_file() for folder in folders) for name in HEADERS)
    return headers and all(find_library(folders, name) for name in LIBRARIES)


def fetch_toolkit(cache: Cache, progress: Progress, parts: str, release: str) -> Path:
    """The cached folder with NVIDIA's PyPI packages for `parts` of CUDA `release`."""
    remedy = "check the network, or set CUDA_HOME to a toolkit with cuBLAS and cuRAND"
    name, requirement = f"cuda-{release}-{parts.replace(',', '-')}", f"cuda-toolkit[{parts}]=={release}.*"
    return fetch(cache, progress, name, [requirement], remedy)


def choose_architectures(wanted: str) -> tuple[str, ...]:
    """What to compile for: the architectures wanted ("9.0", "86 90", "86;90"), else the GPUs present, else 90."""
    if not wanted.strip():
        wanted = installed_gpus() or DEFAULT_ARCHITECTURE
    names = {name.replace(".", "").removeprefix("sm_") for name in re.split(r"[\s,;]+", wanted.strip())}
    if strange := sorted(name for name in names if not re.fullmatch(r"\d{2,3}", name)):
        raise BuildError(f"no CUDA architecture: {' '.join(strange)}", 'give numbers such as CUDA_ARCH="86 90"')
    return tuple(sorted(names, key=int))


def installed_gpus() -> str:
    """Compute capabilities of the GPUs present, as nvidia-smi tells them; empty when there is none."""
    query = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        shown = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return " ".join(re.findall(r"^\d+\.\d+$", shown.stdout, re.MULTILINE)) if shown.returncode == 0 else ""


def check_support(nvcc: Path, architectures: tuple[str, ...]) -> None:
    """BuildError when this nvcc compiles for none such (new releases drop old GPUs)."""
    shown = subprocess.run([nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=False).stdout
    known = re.findall(r"compute_(\d+)", shown)
    if unknown := [name for name in architectures if known and name not in known]:
        raise BuildError(
            f"CUDA {compiler_release(nvcc)} cannot compile for sm_{', sm_'.join(unknown)}",
            f"choose CUDA_ARCH from {' '.join(known)}, or another toolkit by CUDA_HOME",
        )


def gpu_report(caffe: Path) -> str:
    """One line on whether the built `caffe` can use a GPU on this machine."""
    shown = subprocess.run([caffe, "device_query", "-gpu", "0"], capture_output=True, text=True, check=False)
    name = re.search(r"Name:\s+(.+)", shown.stderr)
    if shown.returncode == 0 and name:
        return f"GPU 0 works: {name[1].strip()}"
    found = re.search(r"cudaSuccess \(.*?\)\s*(.+)", shown.stderr)
    reason = found[1].strip() if found and driver_present() else "the NVIDIA driver is missing"
    return f"no usable GPU here ({reason}); without -gpu it runs on the CPU"


def driver_present() -> bool:
    """Whether an NVIDIA driver is loaded; /dev/dxg is its form under WSL."""
    return any(Path(sign).exists() for sign in ("/proc/driver/nvidia/version", "/dev/dxg"))
