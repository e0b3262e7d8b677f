"""The page that says how each stage ended."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools.common.version import commit, version
from tools.gpu_check.stages import Check


def keep(file: Path, target: Path) -> None:
    """Copy a result, when there is one."""
    if file.is_file():
        shutil.copyfile(file, target)


def write(check: Check, name: str) -> Path:
    """summary.md: a table of the stages, then the last lines of each."""
    minutes = (check.seconds - check.left()) / 60
    rows = [f"| {one.name} | {one.verdict} | {one.seconds:.0f} |" for one in check.outcomes]
    text = "\n".join(
        [
            f"# GPU check of RAR-Caffe {version()}, commit {commit()}, preset {name}",
            "",
            f"{minutes:.1f} minutes; training with TF32 {'on' if os.environ.get('CAFFE_TF32') == '1' else 'off'}.",
            "",
            "| stage | how it ended | s |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
    for one in check.outcomes:
        text += "\n".join([f"## {one.name}", "", "```text", *one.output, "```", "", ""])
    path = check.out / "summary.md"
    path.write_text(text, encoding="utf-8")
    return path
