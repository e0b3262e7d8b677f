"""What this machine has and lacks for this project. Standard library only, and nothing is changed by asking."""

from __future__ import annotations

import ctypes.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools import PROJECT
from tools.build import cupy, system_packages, venv
from tools.build.cache import MANIFEST, root
from tools.build.environment import OPENMP_BLAS, CaffeNotBuilt, caffe_folder, openblas_core, usable_cores
from tools.build.errors import BuildError
from tools.common.version import commit, version

FEATURES = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "avx512_bf16",
            "amx_bf16")  # fmt: skip
GIB = 1 << 30
SHADOWING = ("caffe", "numpy", "cv2", "h5py", "google", "sklearn", "skimage", "lmdb", "click", "tools", "layers")
Row = tuple[str, str]


def main(words: Sequence[str] = ()) -> int:
    """Print a line for each thing; status 1 when something that every command needs is absent."""
    if words:
        print("Usage: rar-caffe doctor\n\nPrints what this machine has and lacks. Put it into a bug report.")
        return 0 if words[0] in ("-h", "--help") else 2
    bad = False
    for title, rows in SECTIONS:
        print(title)
        for name, value in rows():
            bad |= value.startswith("MISSING")
            print(f"  {name:<14} {value}")
    return int(bad)


def project() -> Iterator[Row]:
    """Which version this is, and by which Python it runs."""
    yield "version", f"{version()}, commit {commit()}"
    yield "folder", str(PROJECT)
    yield "Python", f"{sys.executable} {platform.python_version()}"
    first = shutil.which("python3") or "none"
    yield "python3 on PATH", first if Path(first).resolve() == Path(sys.executable).resolve() else f"{first} (not used)"
    if found := shadowing(os.environ.get("PYTHONPATH", "")):
        yield "PYTHONPATH", f"has its own {', '.join(found)}: unset it if a command fails"


def shadowing(paths: str) -> list[str]:
    """Packages in the folders of PYTHONPATH that would be taken for the system's or for ours."""
    folders = [Path(part) for part in paths.split(os.pathsep) if part and Path(part).resolve() != PROJECT]
    return [name for name in SHADOWING if any((folder / name / "__init__.py").is_file() for folder in folders)]


def machine() -> Iterator[Row]:
    """System, processor and memory."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").is_file() else {}
    yield "system", f"{release.get('PRETTY_NAME', platform.system())}, {platform.machine()}"
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    fields = dict(line.split(":", 1) for line in text.partition("\n\n")[0].splitlines() if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    flags = set(named.get("flags", "").split())
    yield "CPU", f"{named.get('model name', 'unknown')}; {usable_cores()} cores to use"
    yield "CPU features", " ".join(feature for feature in FEATURES if feature in flags) or "none of those looked for"
    lacking = [feature for feature in ("avx512f", "amx_bf16") if feature not in flags]
    yield "lacks", ", ".join(lacking) or "nothing that the kernels here can use"
    memory = {line.split(":")[0]: line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines()}
    total, free = (int(memory.get(key, 0)) * 1024 / GIB for key in ("MemTotal", "MemAvailable"))
    yield "memory", f"{total:.1f} GiB, {free:.1f} free"


def software() -> Iterator[Row]:
    """Debian's packages, BLAS, Caffe."""
    try:
        absent = system_packages.missing(system_packages.wanted())
        yield "Debian packages", f"MISSING: {system_packages.install_command(absent)}" if absent else "all there"
    except BuildError as error:
        yield "Debian packages", f"MISSING: {error}"
    blas = sorted(OPENMP_BLAS.glob("libopenblas*.so.0"))
    cores = openblas_core(Path("/proc/cpuinfo").read_text()) or "chosen by OpenBLAS"
    yield "BLAS", f"{blas[0]} (kernels: {cores})" if blas else "MISSING: sudo apt-get install libopenblas0-openmp"
    try:
        folder = caffe_folder()
    except CaffeNotBuilt as error:
        yield "Caffe", f"not built yet ({error})"
        return
    facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    yield "Caffe", f"{folder}"
    yield "built from", f"{facts['source']}, {len(facts['patches'])} patches, {facts['compiler']}"
    found = ", ".join(f"{name} {value}" for name, value in facts.get("cuda_libraries", {}).items())
    yield "built for", f"CUDA {facts['cuda']}, {found or 'no cuDNN, no NCCL'}" if facts.get("cuda") else "the CPU alone"
    if facts.get("cuda"):
        yield "CuPy", "there" if (cupy.folder_of(folder) / "site").is_dir() else "absent: rar-caffe build --cupy"


def gpus() -> Iterator[Row]:
    """GPUs, their driver, and the libraries of CUDA that the system knows."""
    if program := shutil.which("nvidia-smi"):
        query = [program, "--query-gpu=index,name,memory.total,driver_version", "--format=csv,noheader"]
        shown = subprocess.run(query, capture_output=True, text=True, check=False)
        for line in shown.stdout.splitlines() if not shown.returncode else ["nvidia-smi fails: no driver?"]:
            yield "GPU", line
    else:
        yield "GPU", "none seen (no nvidia-smi): everything runs on the CPU"
    nvcc = shutil.which("nvcc") or (str(path) if (path := Path("/usr/local/cuda/bin/nvcc")).is_file() else None)
    yield "nvcc", nvcc or "none: build --cuda needs it"
    for name, library in (("cuDNN", "cudnn"), ("NCCL", "nccl")):
        found = ctypes.util.find_library(library)
        yield name, found or f"none that the system knows: {name.upper()}=1 rar-caffe build --cuda fetches it"


def environments() -> Iterator[Row]:
    """Groups of packages from PyPI, a browser, the disk."""
    for group, wanted in venv.groups().items():
        yield group, f"there: {' '.join(wanted)}" if venv.is_made(group) else f"absent: rar-caffe packages {group}"
    browser = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
    yield "chromium", browser or "none: tests of the page skip; sudo apt-get install chromium"
    for name, folder in (("cache", root()), ("project", PROJECT)):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        writable = "" if os.access(there, os.W_OK) else ", not writable for you"
        yield name, f"{folder}: {shutil.disk_usage(there).free / GIB:.1f} GiB free{writable}"


SECTIONS = (
    ("RAR-Caffe", project),
    ("Machine", machine),
    ("Caffe and what it needs", software),
    ("GPU", gpus),
    ("Packages and disk", environments),
)
