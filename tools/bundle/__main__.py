"""Make a bundle: one folder and its .tar.xz parts, which unpack and run anywhere on x86-64 Linux, without root."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import click

from layers.common.errors import RarError, run_command
from layers.common.files import alone
from tools.build import bundled, system_packages, venv
from tools.build.cache import Cache, root
from tools.build.progress import Progress
from tools.bundle import archive
from tools.bundle.folder import SITE, Wanted, make
from tools.common.paths import in_project
from tools.common.version import commit_time
from tools.model.places import shipped_models

MIB = 1 << 20
PATH = click.Path(path_type=Path)
GROUPS = ("finder", "many", "onnx")


def part_of(name: str) -> str:
    """The part that a file of a bundle goes into: core, cv2, cupy, or model_NAME."""
    top, *rest = name.split("/")
    if name.startswith((f"{SITE}/cv2/", f"{SITE}/opencv_python_headless")):
        return "cv2"
    if top == "cache" and rest[0].startswith("cupy-"):
        return "cupy"
    if top == "project" and rest[0] == "models" and len(rest) > 2:
        return f"model_{rest[1]}"
    return "core"


@click.command(help=__doc__)
@click.option("--out", type=PATH, default=partial(in_project, "dist"), show_default="dist", help="folder for it")
@click.option("--model", "models", multiple=True, default=["compact"], show_default=True, help="that ships, or none")
@click.option("--with", "groups", multiple=True, type=click.Choice(GROUPS), help="packages for ONNX, for many pictures")
@click.option("--tests/--no-tests", default=True, show_default=True, help="with the tests and pytest")
@click.option("--pack/--no-pack", default=True, show_default=True, help="make the .tar.xz files too")
def main(out: Path, models: tuple[str, ...], groups: tuple[str, ...], tests: bool, pack: bool) -> None:
    if bundled.folder():
        raise RarError("a bundle makes no bundles: use a clone on Debian 12")
    chosen = tuple(name for name in models if name != "none")
    for name in chosen:
        if name not in shipped_models():
            raise RarError(f"no model {name!r} ships: choose of {', '.join(shipped_models())}")
    system_packages.ensure(Progress(Cache(root()).log("bundle")), ["patchelf"])
    wanted = Wanted(chosen, tuple(dict.fromkeys(["finder", *groups])), tests)
    for group in ("bundle", *wanted.groups):
        venv.ensure(group, say)
    with alone(out):
        write(out, wanted, pack)


def write(out: Path, wanted: Wanted, pack: bool) -> None:
    """The folder and, if wanted, its parts."""
    folder = out / archive.NAME
    make(folder.absolute(), wanted, say)
    say(f"{folder}: {sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / MIB:.0f} MiB")
    if pack:
        for part in pack_all(folder, out, int(os.environ.get("SOURCE_DATE_EPOCH") or commit_time())):
            print(f"{part}: {part.stat().st_size / MIB:.1f} MiB")


def pack_all(folder: Path, out: Path, time: int) -> list[Path]:
    """The parts of a bundle's folder as .tar.xz, one process for each: xz takes one core for minutes."""
    divided = sorted(archive.parts(folder, part_of).items())
    with ProcessPoolExecutor() as pool:
        targets = [out / f"rar-caffe-{name}.tar.xz" for name, _ in divided]
        jobs = [pool.submit(archive.pack, folder, paths, target, time)
                for target, (_, paths) in zip(targets, divided, strict=True)]  # fmt: skip
        for job in jobs:
            job.result()
    return targets


def say(text: str) -> None:
    """A line of progress."""
    print(f"bundle: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_command(main)
