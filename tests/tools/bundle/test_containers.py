"""The container recipes against the bundle they carry. `make lint` has hadolint for the Dockerfile."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from tools.bundle import archive
from tools.bundle.__main__ import part_of
from tools.bundle.launchers import FILES

SAMPLES = (
    "rar-caffe",
    "python/lib/python3/dist-packages/cv2/cv2.abi3.so",
    "project/models/compact/compact.caffemodel.h5",
)
PARTS = {f"rar-caffe-{part_of(name)}.tar.xz" for name in SAMPLES}
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


def test_the_dockerfile_adds_the_parts_and_runs_the_launcher() -> None:
    found = dict(instructions())
    assert len(found) == len(instructions())
    *parts, target = found["ADD"].split()  # ADD unpacks an archive, as COPY does not
    assert (set(parts), target) == (PARTS, "/opt/")
    assert found["ENTRYPOINT"] == f'["/opt/{archive.NAME}/rar-caffe"]'
    assert re.fullmatch(r"debian:[a-z]+-slim", found["FROM"])
