"""A bundle of this clone, and bare Debians to try it on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tools.build import system_packages
from tools.build.cache import Cache, root
from tools.build.progress import Progress
from tools.build.source import archive_addresses
from tools.bundle import archive


@pytest.fixture(scope="package")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle of this clone."""
    return made(tmp_path_factory.mktemp("dist"))


def made(out: Path) -> Path:
    """A bundle's folder below `out`, not packed, which takes most of the time."""
    subprocess.run([PROJECT / "rar-caffe", "bundle", "--no-pack", "--out", out], check=True)
    return out / archive.NAME


def bare_debian(suite: str, machine: Path) -> None:
    """Unpack a minimal Debian into a folder; skips where no archive has it."""
    system_packages.ensure(Progress(Cache(root()).log("debootstrap")), ["debootstrap"])
    command = ["debootstrap", "--variant=minbase", suite, str(machine), archive_addresses()[0]]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        pytest.skip(f"no Debian archive here has {suite}")
