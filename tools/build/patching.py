"""Our changes to Caffe's source: a few documented patches, in the order of their numbers, and files in added/."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tools.build.errors import BuildError
from tools.build.progress import Progress

PATCHES = Path(__file__).with_name("patches")
APPLIED = Path("src/caffe/rar_patches.txt")  # in a tree that has them all: their digest


def series(folder: Path = PATCHES) -> list[Path]:
    """The patches of a folder in the order in which they apply."""
    return sorted(folder.glob("[0-9][0-9][0-9][0-9]-*.patch"))


def added(folder: Path = PATCHES) -> list[Path]:
    """The files that the source tree gets as they are, at their paths under added/."""
    return sorted(path for path in (folder / "added").rglob("*") if path.is_file())


def digest(folder: Path = PATCHES) -> str:
    """SHA-256 over the names and texts of patches and added files."""
    total = hashlib.sha256()
    for path in [*series(folder), *added(folder)]:
        total.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def apply_all(tree: Path, progress: Progress, folder: Path = PATCHES) -> None:
    """Change a source tree, passing over patches that it has already; BuildError when one does not fit."""
    done = tree / APPLIED
    if done.is_file() and done.read_text() == digest(folder):
        return
    for patch in series(folder):
        if _fits(tree, patch, "--forward"):
            progress.run(_command(tree, patch, "--forward"), f"patch {patch.name}")
        elif not _fits(tree, patch, "--reverse"):
            raise BuildError(f"patch {patch.name} does not fit this source", "use BVLC/caffe master (9b89154)")
    for path in added(folder):
        target = tree / path.relative_to(folder / "added")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    done.parent.mkdir(parents=True, exist_ok=True)
    done.write_text(digest(folder))


def _fits(tree: Path, patch: Path, direction: str) -> bool:
    command = _command(tree, patch, direction, "--dry-run")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _command(tree: Path, patch: Path, *options: str) -> list[str]:
    # --force asks nothing and guesses nothing: --batch would pass over a file that has its part already.
    return ["patch", f"--directory={tree}", "--strip=1", "--force", f"--input={patch}", *options]
