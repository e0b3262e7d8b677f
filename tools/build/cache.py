"""The per-machine folder that keeps built Caffes: where it is, one build at a time, finished or not there at all."""

import fcntl
import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.build.errors import BuildError

MANIFEST = "manifest.json"
_UNFINISHED = ".building-"


def root() -> Path:
    """`$RAR_CACHE`, or rar-caffe in the user's cache folder; BuildError for a user without a home."""
    if own := os.environ.get("RAR_CACHE"):
        return Path(own).expanduser().absolute()
    if user := os.environ.get("XDG_CACHE_HOME"):
        return Path(user).absolute() / "rar-caffe"
    return _home() / ".cache" / "rar-caffe"


def _home() -> Path:
    """The user's home; an empty HOME is none, and / is nobody's."""
    home = Path(os.environ.get("HOME") or _home_of_record())
    if home in (Path(), Path("/")):
        raise BuildError("this user has no home folder", "set RAR_CACHE to a folder for Caffe and packages")
    return home.absolute()


def _home_of_record() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a container's user of any number
        return ""


def writable(folder: Path) -> Path:
    """The folder, made when it is missing; BuildError when nothing can be written there: a shared cache is so."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror
    else:
        if os.access(folder, os.W_OK):
            return folder
        why = "it is read-only"
    raise BuildError(f"{folder} cannot be written to ({why})", "set RAR_CACHE to a folder that can")


@dataclass(frozen=True)
class Cache:
    """Finished folders under `folder`; each holds a manifest, written last."""

    folder: Path

    def path(self, name: str) -> Path:
        """Where the finished folder `name` is, or will be."""
        return self.folder / name

    def has(self, name: str) -> bool:
        """Whether `name` is finished."""
        return (self.path(name) / MANIFEST).is_file()

    def log(self, name: str) -> Path:
        """The log of the latest attempt at `name`."""
        return self.folder / "logs" / f"{name}.log"

    @contextmanager
    def lock(self, when_waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the cache alone; call `when_waiting` once when another build holds it. A dead holder frees it."""
        with (writable(self.folder) / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                when_waiting()
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        """An empty folder that becomes `name` when the block ends well, and vanishes otherwise. Needs the lock.

        What a killed build left behind is cleared first.
        """
        for leftover in self.folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{_UNFINISHED}{name}-", dir=self.folder))
        try:
            yield folder
            folder.chmod(0o755)
            shutil.rmtree(self.path(name), ignore_errors=True)
            folder.rename(self.path(name))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def select(self, recipe: str, name: str) -> None:
        """Make `name` the build that this recipe's users get from now on."""
        link = self._selection(recipe)
        fresh = link.with_name(f"{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(link)

    def selected(self, recipe: str) -> Path | None:
        """The build chosen last for this recipe; None when there is none that is finished."""
        link = self._selection(recipe)
        return link.resolve() if (link / MANIFEST).is_file() else None

    def _selection(self, recipe: str) -> Path:
        return self.folder / f"selected-{recipe}"
