"""Configure and compile a source tree, and collect what is worth keeping."""

import os
import shutil
from pathlib import Path

from tools.build.errors import BuildError
from tools.build.progress import Progress
from tools.build.recipe import TARGETS

_JOB_BYTES = 1 << 30  # what one compiler process may need
_SELF_TEST = "import caffe; assert {'Python', 'LSTMUnit'} <= set(caffe.layer_type_list())"


def jobs() -> int:
    """Compilers to run at once: `$CAFFE_JOBS`, else one a core as far as memory allows."""
    if wanted := os.environ.get("CAFFE_JOBS"):
        if not wanted.isdecimal() or int(wanted) < 1:
            raise BuildError(f"CAFFE_JOBS={wanted} is no number of jobs", "give a number such as CAFFE_JOBS=2")
        return int(wanted)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), memory // _JOB_BYTES))


def clean_environment() -> dict[str, str]:
    """The caller's environment without other toolchains: cmake looks for libraries beside every folder on the PATH."""
    kept = ("HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE")
    inherited = {name: value for name, value in os.environ.items() if name in kept}
    return {**inherited, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def compile_tree(tree: Path, build: Path, flags: list[str], progress: Progress) -> None:
    """Build the targets of `tree` in `build`."""
    env = clean_environment()
    configure = ["cmake", "-G", "Unix Makefiles", "-S", str(tree), "-B", str(build), "-Wno-dev", *flags]
    with progress.phase("configuring"):
        progress.run(configure, "configuring Caffe", env=env)
    with progress.phase(f"compiling, {jobs()} at a time"):
        make = ["make", "-C", str(build), f"-j{jobs()}", *TARGETS]
        progress.run(make, "compiling Caffe", env=env)


def collect(tree: Path, build: Path, target: Path, progress: Progress) -> None:
    """Copy programs, library and Python package from a finished build into `target`, without symbols, and try them."""
    for folder in ("bin", "lib", "python"):
        (target / folder).mkdir()
    for program in sorted((build / "tools").iterdir()):
        if program.is_file() and os.access(program, os.X_OK):
            shutil.copy2(program, target / "bin")
    for library in sorted((build / "lib").glob("libcaffe.so*")):
        shutil.copy2(library, target / "lib", follow_symlinks=False)
    package = target / "python/caffe"
    unneeded = shutil.ignore_patterns("test", "imagenet", "*.cpp", "_caffe.so", "__pycache__")
    shutil.copytree(tree / "python/caffe", package, ignore=unneeded)
    shutil.copy2(build / "lib/_caffe.so", package)
    shutil.copy2(tree / "LICENSE", target)
    made = [*(target / "bin").iterdir(), *(target / "lib").glob("*.so.*"), package / "_caffe.so"]
    progress.run(["strip", "--strip-unneeded", *made], "stripping symbols")
    try_out(target, progress)


def try_out(target: Path, progress: Progress) -> None:
    """Run the program and import the package once, so that a folder called finished works."""
    env = {**clean_environment(), "PYTHONPATH": str(target / "python"), "PYTHONNOUSERSITE": "1"}
    progress.run([target / "bin/caffe", "--version"], "trying the caffe program", env=env)
    progress.run(["/usr/bin/python3", "-c", _SELF_TEST], "trying the caffe Python package", env=env)
