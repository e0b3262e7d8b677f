"""Our changes to Caffe's source: a few documented patches, applied in the order of their numbers."""

import hashlib
import subprocess
from pathlib import Path

from tools.caffe_build.errors import BuildError
from tools.caffe_build.progress import Progress

PATCHES = Path(__file__).with_name("patches")


def series(folder: Path = PATCHES) -> list[Path]:
    """The patches of a folder in the order in which they apply."""
    return sorted(folder.glob("[0-9][0-9][0-9][0-9]-*.patch"))


def digest(folder: Path = PATCHES) -> str:
    """SHA-256 over the names and texts of the patches."""
    total = hashlib.sha256()
    for patch in series(folder):
        total.update(patch.name.encode() + b"\0" + patch.read_bytes() + b"\0")
    return total.hexdigest()


def apply_all(tree: Path, progress: Progress, folder: Path = PATCHES) -> None:
    """Apply the series to a source tree, passing over what the tree has already; BuildError when one does not fit."""
    for patch in series(folder):
        if _fits(tree, patch, "--forward"):
            progress.run(_command(tree, patch, "--forward"), f"patch {patch.name}")
        elif not _fits(tree, patch, "--reverse"):
            raise BuildError(f"patch {patch.name} does not fit this source", "use BVLC/caffe master (9b89154)")


def _fits(tree: Path, patch: Path, direction: str) -> bool:
    command = _command(tree, patch, direction, "--dry-run")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _command(tree: Path, patch: Path, *options: str) -> list[str]:
    return ["patch", f"--directory={tree}", "--strip=1", "--batch", f"--input={patch}", *options]
