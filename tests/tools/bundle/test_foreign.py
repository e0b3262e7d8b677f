"""A bundle on other Debians, as an ordinary user, in a folder that cannot be written to: numbers as here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import pytest
import skimage.data

from tests.conftest import PROJECT
from tests.tools.bundle.conftest import bare_debian, made
from tools.bundle import archive
from tools.bundle.__main__ import pack_all

pytestmark = pytest.mark.slow

NOBODY = "65534:65534"
PLACE = "/opt/a bundle"
# Another number of threads, or another kernel of OpenBLAS, adds in another order.
SUMS = {"OMP_NUM_THREADS": "1", **{name: os.environ[name] for name in ("OPENBLAS_CORETYPE",) if name in os.environ}}
WORK = """set -e
cd /tmp/work
"$1" train --preset tiny --data data --out run --warm-up-iterations 20 --iterations 10
"$1" test --preset tiny --data data --run run
"$1" detect --preset compact --out found face.png
export DATA="$PWD/data" TEST_SET=helen
"$1" run caffe test -model "$2/prototxt/tiny/train_val.prototxt" -weights run/rar.caffemodel -iterations 4
"$1" run caffe train -solver run/warm_up_solver.prototxt
"""
LAYERS = """"$1" run python3 -m pytest -q -p no:cacheprovider --rootdir="$2" "$2/tests/layers" """


def prepare(folder: Path, prepared: Path) -> Path:
    """A folder to work in, with data and a picture."""
    folder.mkdir(parents=True)
    shutil.copytree(prepared, folder / "data")
    cv2.imwrite(str(folder / "face.png"), cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    return folder


@pytest.fixture(scope="module")
def here(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What this clone makes of the same work."""
    folder = prepare(tmp_path_factory.mktemp("here") / "work", prepared)
    script = WORK.replace("cd /tmp/work", f"cd '{folder}'")
    env = {**os.environ, **SUMS}
    subprocess.run(["sh", "-c", script, "sh", PROJECT / "rar-caffe", PROJECT], check=True, env=env)
    return folder


@pytest.mark.parametrize("suite", ["trixie", "bullseye"])
def test_same_numbers(suite: str, bundle: Path, here: Path, prepared: Path, tmp_path: Path) -> None:
    machine = tmp_path / suite
    bare_debian(suite, machine)
    assert not (machine / "usr/bin/python3").exists()
    shutil.copytree(bundle, machine / PLACE[1:] / archive.NAME, symlinks=True)
    work = prepare(machine / "tmp" / "work", prepared)
    run_in(machine, WORK)
    assert faces(work) == faces(here)
    assert (work / "found/face.pts").read_text() == (here / "found/face.pts").read_text()
    run_in(machine, LAYERS)


def run_in(machine: Path, script: str) -> None:
    """A script as an ordinary user of another system, whose own programs are all there is."""
    bundle = f"{PLACE}/rar-caffe"
    inner = f"mount --rbind /proc '{machine}/proc'; mount --rbind /dev '{machine}/dev'; exec \"$@\""
    sums = [f"{name}={value}" for name, value in SUMS.items()]
    surroundings = ["env", "-i", "HOME=/tmp", "PATH=/usr/bin:/bin", *sums]
    command = ["chroot", f"--userspec={NOBODY}", str(machine), *surroundings, "sh", "-c", script, "sh"]
    outer = ["unshare", "--mount", "--propagation=slave", "sh", "-c", inner, "sh"]
    done = subprocess.run(
        [*outer, *command, f"{bundle}/rar-caffe", f"{bundle}/project"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def faces(work: Path) -> object:
    """What a results file says of every face."""
    return json.loads((work / "run" / "results.json").read_text())["faces"]


def contents(folder: Path) -> dict[str, tuple[str, bool]]:
    """The checksum of each file, or where a link goes, and whether it is a program."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink()), False
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest(), bool(path.stat().st_mode & 0o100)
    return found


def test_the_same_commit_makes_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    again = contents(made(tmp_path / "another place"))
    assert again == contents(bundle)
    assert len(again) > 3000


def test_parts_are_small_and_have_all_of_it(bundle: Path, tmp_path: Path) -> None:
    parts = pack_all(bundle, tmp_path, 1_700_000_000)
    assert sum(part.stat().st_size for part in parts) < 85 << 20
    for part in parts:
        subprocess.run(["tar", "-xf", part, "-C", tmp_path], check=True)
    assert contents(tmp_path / archive.NAME) == contents(bundle)
