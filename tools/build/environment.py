"""The environment in which `caffe` and `import caffe` work: `eval "$(/usr/bin/python3 -m tools.build.environment)"`.

Standard library only and no other program, so that asking is nearly free.
"""

import os
import shlex
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools import PROJECT
from tools.build import bundled, cupy
from tools.build.cache import Cache, root
from tools.build.recipe import selection_key

PYTHON3 = Path(__file__).with_name("bin")  # a python3 that is the system's
OPENMP_BLAS = Path("/usr/lib", str(sysconfig.get_config_var("MULTIARCH") or ""), "openblas-openmp")
# Rounds of libgomp's waiting loop before a thread that waits for work goes to sleep; 1000 take a hundredth of a ms.
# Left to itself it waits for milliseconds at full speed, in the way of every other program on the machine.
SPINS_ALONE, SPINS_BESIDE = "1000", "300"
_AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"})


class CaffeNotBuilt(RuntimeError):
    """There is no finished Caffe for this version of the project on this machine."""

    def __init__(self) -> None:
        super().__init__("Caffe is not built for this version of the project; run: make caffe")


def caffe_folder() -> Path:
    """The Caffe built and selected last; raises CaffeNotBuilt."""
    folder = Cache(root()).selected(selection_key())
    if folder is None:
        raise CaffeNotBuilt
    return folder


def caffe_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables to set over `base` (default: this process's own) to run Caffe; raises CaffeNotBuilt.

    For a subprocess: `env={**os.environ, **caffe_environment()}`. What is set for BLAS, OpenMP, glibc and glog stays.
    """
    base = os.environ if base is None else base
    folder, cores = caffe_folder(), str(usable_cores())
    with_cupy = cupy.folder_of(folder) / "site"
    packages = [PROJECT, folder / "python", *([with_cupy] if with_cupy.is_dir() else [])]
    # OpenBLAS with threads of its own would leave them waiting, at full speed, in the way of oneDNN's.
    libraries = [*([] if bundled.folder() else [OPENMP_BLAS]), *sorted(with_cupy.glob("nvidia/*/lib"))]
    defaults = {
        "OPENBLAS_CORETYPE": openblas_core(Path("/proc/cpuinfo").read_text()),
        "OPENBLAS_NUM_THREADS": cores,
        "OMP_NUM_THREADS": cores,
        # Whoever sets a number of threads gets that number.
        "CAFFE_SHARE_CORES": None if base.get("OMP_NUM_THREADS") else cores,
        "GOMP_SPINCOUNT": None if base.get("OMP_WAIT_POLICY") or base.get("GOMP_SPINCOUNT") else _spins(),
        # Memory in pages of 2 MB where the system leaves it to programs to ask; a glibc before 2.35 passes over it.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "GLOG_logtostderr": "1",  # else every run leaves log files in the temporary folder
    }
    return {
        "PATH": _prepend([folder / "bin", PYTHON3], base.get("PATH", os.defpath)),
        "PYTHONPATH": _prepend(packages, base.get("PYTHONPATH", "")),
        "LD_LIBRARY_PATH": _prepend(libraries, base.get("LD_LIBRARY_PATH", "")),
        "PYTHONNOUSERSITE": "1",  # a numpy of the user's own would not fit the system's OpenCV and Caffe
        **{name: chosen for name, value in defaults.items() if (chosen := base.get(name) or value)},
    }


def openblas_core(cpuinfo: str) -> str | None:
    """The OpenBLAS kernels for the CPU that `cpuinfo` (Linux's /proc/cpuinfo) describes; None: let OpenBLAS choose.

    OpenBLAS goes by the model's number and takes an AMD core newer than itself for one without AVX-512; the flags
    tell what is really there.
    """
    flags = next((line.partition(":")[2] for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return "SKYLAKEX" if set(flags.split()) >= _AVX512 else None


def usable_cores(cpuinfo: str | None = None, quota: str | None = None) -> int:
    """Physical cores this process may use, a container's CPU quota counted in; at least 1.

    `cpuinfo` and `quota` stand for the texts of /proc/cpuinfo and cgroup's cpu.max. Two threads on one core share its
    arithmetic units, so a second BLAS thread there gains nothing.
    """
    cpuinfo = Path("/proc/cpuinfo").read_text() if cpuinfo is None else cpuinfo
    allowed = os.sched_getaffinity(0)
    cores: set[tuple[str, str]] = set()
    for block in cpuinfo.split("\n\n"):
        rows = (line.partition(":") for line in block.splitlines())
        fields = {key.strip(): value.strip() for key, _, value in rows}
        if fields.get("processor", "").isdecimal() and int(fields["processor"]) in allowed:
            cores.add((fields.get("physical id", "0"), fields.get("core id", fields["processor"])))
    return max(1, min(len(cores) or len(allowed), _quota_cores(quota)))


def _spins() -> str:
    return SPINS_BESIDE if crowded() else SPINS_ALONE


def crowded(loadavg: str | None = None) -> bool:
    """Whether other programs compute on cores that this one would use; `loadavg` stands for /proc/loadavg's text."""
    texts = _looks() if loadavg is None else [loadavg]
    others = min(int(text.split()[3].partition("/")[0]) for text in texts) - 1
    return others + usable_cores() > (os.cpu_count() or 1)


def _looks() -> Iterator[str]:
    """Three looks, a millisecond apart: what runs for a moment only is no program that computes."""
    for _ in range(3):
        yield Path("/proc/loadavg").read_text()
        time.sleep(0.001)


def _quota_cores(quota: str | None) -> int:
    file = Path("/sys/fs/cgroup/cpu.max")
    quota = (file.read_text() if file.is_file() else "max") if quota is None else quota
    share, _, period = quota.strip().partition(" ")
    return max(1, int(share) // int(period)) if share.isdecimal() and period.isdecimal() else sys.maxsize


def _prepend(folders: list[Path], path: str) -> str:
    """Put folders before those of `path`, each once, without the builds of Caffe put there earlier."""
    builds = f"{root()}{os.sep}caffe-"
    old = [part for part in path.split(os.pathsep) if part and not part.startswith(builds)]
    return os.pathsep.join(dict.fromkeys([*map(str, folders), *old]))


def main() -> int:
    """Print one `export NAME=value` a line, or one line on stderr and exit code 1."""
    try:
        settings = caffe_environment()
    except CaffeNotBuilt as error:
        print(error, file=sys.stderr)
        return 1
    for name, value in settings.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
