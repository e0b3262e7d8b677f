"""The page that says how each stage ended, and the archive of all that was logged."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

from tools.common.version import commit, version
from tools.gpu_check.stages import Check

RESULTS = "results.tar.gz"
KEPT = ("log.txt", "bench/results.json", "*/*/log.csv", "*/*.txt")


def write(check: Check) -> Path:
    """summary.md, which is returned, and results.tar.gz: log, bench, each training's log and output."""
    with check.writing:
        part = check.work / RESULTS
        with tarfile.open(part, "w:gz") as tar:
            for path in sorted(path for pattern in KEPT for path in check.work.glob(pattern)):
                tar.add(path, path.relative_to(check.work))
        shutil.copyfile(part, check.out / RESULTS)
        return page(check)


def page(check: Check) -> Path:
    """A table of the stages, then the last lines of each."""
    minutes = (check.seconds - check.left()) / 60
    rows = [f"| {one.name} | {one.verdict} | {one.seconds:.0f} |" for one in check.outcomes]
    text = "\n".join(
        [
            f"# GPU check of RAR-Caffe {version()}, commit {commit()}, {check.what}",
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
