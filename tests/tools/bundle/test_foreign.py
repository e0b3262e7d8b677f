"""A bundle on other Debians, as an ordinary user, in a folder that cannot be written to: numbers as here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import pytest
import skimage.data

from tests.conftest import PROJECT
from tools.build import system_packages
from tools.build.cache import Cache, root
from tools.build.progress import Progress
from tools.build.source import archive_addresses

pytestmark = pytest.mark.slow

NOBODY = "65534:65534"
PLACE = "/opt/a bundle"
WORK = """set -e
cd /tmp/work
"$1" train --preset tiny --data data --out run --warm-up-iterations 20 --iterations 10
"$1" test --preset tiny --data data --run run
"$1" detect --preset compact --out found face.png
export DATA="$PWD/data" TEST_SET=helen
"$1" run caffe test -model "$2/prototxt/tiny/train_val.prototxt" -weights run/rar.caffemodel -iterations 4
cd run && "$1" run caffe train -solver warm_up_solver.prototxt
"""
LAYERS = """"$1" run python3 -m pytest -q -p no:cacheprovider --rootdir="$2" "$2/tests/layers" """


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts of a bundle of this clone."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([PROJECT / "rar-caffe", "bundle", "--out", out], check=True)
    return out


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
    subprocess.run(["sh", "-c", script, "sh", PROJECT / "rar-caffe", PROJECT], check=True)
    return folder


def unpack(parts: Path, target: Path) -> Path:
    """All parts, for nobody to write to."""
    target.mkdir(parents=True)
    for part in sorted(parts.glob("*.tar.xz")):
        subprocess.run(["tar", "-xf", part, "-C", target], check=True)
    return target / "rar-caffe"


@pytest.mark.parametrize("suite", ["trixie", "bullseye"])
def test_same_numbers(suite: str, parts: Path, here: Path, prepared: Path, tmp_path: Path) -> None:
    system_packages.ensure(Progress(Cache(root()).log("debootstrap")), ["debootstrap"])
    machine = tmp_path / suite
    command = ["debootstrap", "--variant=minbase", suite, str(machine), archive_addresses()[0]]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        pytest.skip(f"no Debian archive here has {suite}")
    assert not (machine / "usr/bin/python3").exists()
    unpack(parts, machine / PLACE[1:])
    work = prepare(machine / "tmp" / "work", prepared)
    run_in(machine, WORK)
    assert faces(work) == faces(here)
    assert (work / "found/face.pts").read_text() == (here / "found/face.pts").read_text()
    run_in(machine, LAYERS)


def run_in(machine: Path, script: str) -> None:
    """A script as an ordinary user of another system, whose own programs are all there is."""
    bundle = f"{PLACE}/rar-caffe"
    inner = f"mount --rbind /proc '{machine}/proc'; mount --rbind /dev '{machine}/dev'; exec \"$@\""
    surroundings = ["env", "-i", "HOME=/tmp", "PATH=/usr/bin:/bin", "OMP_NUM_THREADS=1"]
    command = ["chroot", f"--userspec={NOBODY}", str(machine), *surroundings, "sh", "-c", script, "sh"]
    outer = ["unshare", "--mount", "--propagation=slave", "sh", "-c", inner, "sh"]
    done = subprocess.run(
        [*outer, *command, f"{bundle}/rar-caffe", f"{bundle}/project"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def faces(work: Path) -> object:
    """What a results file says of every face."""
    return json.loads((work / "run" / "results.json").read_text())["faces"]


def test_the_same_commit_makes_the_same_bytes(parts: Path, tmp_path: Path) -> None:
    subprocess.run([PROJECT / "rar-caffe", "bundle", "--out", tmp_path], check=True)
    for part in parts.glob("*.tar.xz"):
        assert (tmp_path / part.name).read_bytes() == part.read_bytes()


def test_sizes(parts: Path) -> None:
    assert sum(part.stat().st_size for part in parts.glob("*.tar.xz")) < 85 << 20
