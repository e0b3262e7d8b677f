"""The container recipes against the bundle they carry. `make lint` has hadolint for the Dockerfile."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.tools.bundle.conftest import bare_debian
from tools.build import system_packages
from tools.build.cache import Cache, root
from tools.build.progress import Progress
from tools.bundle import archive
from tools.bundle.launchers import FILES

SECTIONS = {"files", "runscript", "help"}


def apptainer(text: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """A recipe's header and the lines of its sections."""
    header: dict[str, str] = {}
    sections: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("%"):
            name = line[1:].strip()
            assert name not in sections, f"two sections %{name}"
            lines = sections.setdefault(name, [])
        elif lines is not None:
            lines.append(line)
        elif line.strip() and not line.startswith("#"):
            key, colon, value = line.partition(":")
            assert colon, line
            header[key.strip()] = value.strip()
    return header, sections


def test_apptainers_recipe_runs_what_it_carries(tmp_path: Path) -> None:
    header, sections = apptainer((FILES / "rar-caffe.def").read_text())
    assert header == {"Bootstrap": "docker", "From": base()} and set(sections) == SECTIONS
    ((source, target),) = (shlex.split(line) for line in sections["files"] if line.strip())
    assert source == archive.NAME
    script = tmp_path / "run"
    script.write_text("\n".join(["#!/bin/sh", *sections["runscript"], ""]).replace(target, str(tmp_path / source)))
    (tmp_path / source).mkdir()
    (tmp_path / source / "rar-caffe").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    for path in (script, tmp_path / source / "rar-caffe"):
        path.chmod(0o755)
    done = subprocess.run([script, "detect", "my photo.jpg"], capture_output=True, text=True, check=True)
    assert done.stdout == "detect|my photo.jpg|"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, with their arguments."""
    lines = (FILES / "Dockerfile").read_text().splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in lines if line and not line.startswith("#")]


def base() -> str:
    """The image that the Dockerfile starts from."""
    (image,) = (words for name, words in instructions() if name == "FROM")
    return image


def test_the_dockerfile_copies_the_bundle_and_runs_the_launcher() -> None:
    found = dict(instructions())
    assert len(found) == len(instructions())
    assert found["COPY"].split() == [archive.NAME, f"/opt/{archive.NAME}"]
    assert found["ENTRYPOINT"] == f'["/opt/{archive.NAME}/rar-caffe"]'
    assert re.fullmatch(r"debian:[a-z]+-slim", found["FROM"])


@pytest.mark.slow
def test_an_image_detects(bundle: Path, tmp_path: Path) -> None:
    """Built by buildah upon a bare Debian of ours under the name of the one that is not fetched here."""
    system_packages.ensure(Progress(Cache(root()).log("buildah")), ["debootstrap", "buildah"])
    machine = tmp_path / "machine"
    suite = base().removeprefix("debian:").removesuffix("-slim")
    bare_debian(suite, machine)
    stores = ["--root", str(tmp_path / "store"), "--runroot", str(tmp_path / "state"), "--storage-driver", "vfs"]

    def buildah(*words: str | Path) -> str:
        done = subprocess.run(["buildah", *stores, *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    empty = buildah("from", "scratch")
    buildah("add", empty, machine, "/")
    buildah("commit", empty, f"docker.io/library/{base()}")
    shutil.copy(FILES / "Dockerfile", bundle.parent)
    buildah("build", "--pull-never", "--isolation", "chroot", "-t", "rar-caffe", bundle.parent)
    container = buildah("from", "--pull-never", "rar-caffe")
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(PROJECT / "docs/example.jpg", data / "photo.jpg")
    config = json.loads(buildah("inspect", container))["OCIv1"]["config"]
    assert (config["Cmd"], config["WorkingDir"]) == (["--help"], "/data")
    words = [*config["Entrypoint"], "detect", "photo.jpg", "--out", "found"]
    said = buildah("run", "--isolation", "chroot", "-v", f"{data}:/data", container, "--", *words)
    assert "3 faces in 1 of 1 pictures" in said
    assert len(list((data / "found").glob("photo*.pts"))) == 3
