"""Build Caffe into the per-machine cache, or find it there: `/usr/bin/python3 -m tools.build [--cuda]`.

Prints the finished folder on stdout. Without `--cuda`, `--cpu` or `--source` the build chosen last is good enough, so a
call that finds one takes a moment. Environment: RAR_CACHE (cache folder), CAFFE_SRC (as --source), CAFFE_TARBALL,
CAFFE_JOBS, CUDA_HOME and CUDA_ARCH (see tools/build/cuda.py), CUDNN and NCCL (tools/build/gpu_libraries.py).
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.build import bundled, cuda, cupy, patching, recipe, source, system_packages
from tools.build import compile as compiling
from tools.build.cache import MANIFEST, Cache, root
from tools.build.cuda import compiler_release
from tools.build.errors import BuildError
from tools.build.progress import Progress


def build(made: recipe.Recipe, cache: Cache, progress: Progress) -> Path:
    """The folder of this recipe's Caffe, compiled now when the cache has none. Needs the cache's lock."""
    name = made.name()
    if cache.has(name):
        return cache.path(name)
    started = time.time()
    with cache.staging(name) as folder:
        tree, work = folder / "source", folder / "build"
        with progress.phase(f"source: {made.source.name}"):
            made.source.unpack(tree, progress)
            patching.apply_all(tree, progress, made.patches)
        compiling.compile_tree(tree, work, made.flags(), progress)
        compiling.collect(tree, work, folder, progress)
        for intermediate in (tree, work):
            shutil.rmtree(intermediate)
        (folder / MANIFEST).write_text(manifest(made, time.time() - started))
    return cache.path(name)


def manifest(made: recipe.Recipe, seconds: float) -> str:
    """What was built from what, as JSON, for model cards and bug reports."""
    facts = {
        "source": made.source.name,
        "source_sha256": made.source.digest(),
        "patches": [patch.name for patch in patching.series(made.patches)],
        "compiler": recipe.compiler_version(),
        "flags": made.flags(),
        "cuda": compiler_release(made.cuda.nvcc) if made.cuda else "",
        "cuda_architectures": list(made.cuda.architectures) if made.cuda else [],
        "cuda_libraries": {library.kind.name: library.version for library in made.cuda.extras} if made.cuda else {},
        "seconds": round(seconds),
    }
    return json.dumps(facts, indent=2) + "\n"


def make_caffe(variant: str | None, checkout: Path | None, cache: Cache) -> Path:
    """Find or build Caffe and select it for this project.

    `variant` is "cpu", "cuda" or None: whatever was selected last, CPU when nothing was.
    """
    key = recipe.selection_key()
    if bundled.folder() and variant is None and checkout is None and (there := cache.selected(key)):
        return there
    bundled.refuse("what compiles Caffe", "build it on Debian 12, and make a bundle there")
    progress = Progress(cache.log(f"caffe-{variant or 'cpu'}"))
    system_packages.ensure(progress)
    if variant is None and checkout is None and (selected := cache.selected(key)):
        return selected
    with cache.lock(lambda: progress.say("another build is under way: waiting for it")):
        toolkit = cuda.prepare(cache, progress) if variant == "cuda" else None
        made = recipe.Recipe(source.choose(checkout, named_by("CAFFE_TARBALL"), cache.folder / "source"), toolkit)
        folder = build(made, cache, progress)
        cache.select(key, folder.name)
    if toolkit:
        progress.say(f"CUDA for sm_{', sm_'.join(toolkit.architectures)}: {cuda.gpu_report(folder / 'bin/caffe')}")
    return folder


def add_cupy(folder: Path, cache: Cache) -> None:
    """Fetch CuPy for this Caffe when it is not there yet."""
    progress = Progress(cache.log("cupy"))
    with cache.lock(lambda: progress.say("a build is under way: waiting for it")):
        progress.say(f"CuPy is in {cupy.install(folder, cache, progress)}")


def named_by(variable: str) -> Path | None:
    """The path in a variable of the environment, None when it is empty or not set."""
    return Path(value) if (value := os.environ.get(variable)) else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 with the folder on stdout, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(prog="tools.build", description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--cuda", dest="variant", action="store_const", const="cuda", help="compile for GPUs too")
    which.add_argument("--cpu", dest="variant", action="store_const", const="cpu", help="go back to the CPU build")
    parser.add_argument("--cupy", action="store_true", help="fetch CuPy too, for the Python layers on GPUs")
    parser.add_argument("--source", type=Path, help="a BVLC/caffe checkout instead of Debian's package [$CAFFE_SRC]")
    options = parser.parse_args(arguments)
    checkout = options.source or named_by("CAFFE_SRC")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clear up after a polite kill as after Ctrl-C
    try:
        cache = Cache(root())
        folder = make_caffe(options.variant, checkout, cache)
        if options.cupy:
            add_cupy(folder, cache)
        print(folder)
    except BuildError as error:
        print(f"make caffe: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("make caffe: interrupted; nothing half-built is left, start it again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
