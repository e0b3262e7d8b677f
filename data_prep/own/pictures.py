"""Which picture an annotation means."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath, PureWindowsPath

from data_prep.images import Image, read_upright
from data_prep.own.folders import all_files
from layers.common.errors import RarError, readable

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".pbm", ".pgm", ".ppm",
            ".pnm")  # fmt: skip


@dataclass(frozen=True)
class Upright:
    """A picture turned as its orientation tag says, which is how most programs show it to those who annotate."""

    file: Path

    def __str__(self) -> str:
        return str(self.file)

    def read(self) -> Image:
        """The photograph (H, W, 3) BGR; RarError when it cannot be had."""
        return read_upright(self.file)


class Pictures:
    """The pictures under a folder. problems: a line for each folder in it that cannot be read.

    names: all those that will be asked for. The folders that they all begin with say where the pictures lay when they
    were annotated, and need not be there. RarError when there is no such folder, or no picture in it.
    """

    def __init__(self, folder: Path, names: Iterable[str] = ()) -> None:
        if not folder.is_dir():
            raise RarError(f"{folder} is no folder: give the folder of the pictures by --images")
        self.folder = folder
        files, self.problems = all_files(folder)
        self._pictures = [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file()]
        if not self._pictures:
            raise RarError(f"no picture under {folder}: give the folder of the pictures by --images")
        self._common = _common([_parts(name)[:-1] for name in names])
        self._stems = Counter(file.with_suffix("") for file in self._pictures)
        self._by_name = _by(self._pictures, lambda file: file.name)
        self._by_stem = _by(self._pictures, lambda file: file.stem)
        self._unread = _by(set(files) - set(self._pictures), lambda file: file.name)

    def find(self, named: str, several: str = "") -> Path:
        """The picture that an annotation names, with or without its ending: by its path, or the end of its path.

        several: the picture meant where there is none called `named`, nor any other with a number like it: NAME of
        NAME_2. RarError when there is none, or when the name fits several.
        """
        found = self._ending_in(_parts(named))
        if several and not found and not self._numbered(several):
            found = self._ending_in(_parts(several))
        if len(found) > 1:
            shown = ", ".join(str(file.relative_to(self.folder)) for file in found[:3])
            raise RarError(f"{named!r} may be {shown}: name the picture by its path under {self.folder}")
        if found:
            return found[0]
        if other := self._unread.get(_parts(named)[-1]):
            raise RarError(f"{other[0]}: no picture that can be read here: save it as JPEG or PNG")
        raise RarError(f"no picture {named!r} under {self.folder}: restore it, or leave its faces out")

    def name(self, file: Path) -> str:
        """A name of the picture that no other has."""
        path = file.relative_to(self.folder)
        return readable((path.with_suffix("") if self._stems[file.with_suffix("")] == 1 else path).as_posix())

    def _ending_in(self, parts: list[str]) -> list[Path]:
        """The files that share the longest end with a path, in no folder but one that it says."""
        *folders, name = parts
        due = max(0, len(folders) - self._common)
        for table in (self._by_name, self._by_stem):
            shared = {}
            for file in table.get(name, ()):
                own = _parts(str(file.relative_to(self.folder)))[:-1]
                alike = _shared(own, folders)
                if alike >= min(due, len(own)):
                    shared[file] = (alike, own == folders)
            if shared:
                return [file for file, far in shared.items() if far == max(shared.values())]
        return []

    def _numbered(self, whole: str) -> bool:
        name = re.compile(re.escape(_parts(whole)[-1]) + r"_\d+")
        return any(name.fullmatch(stem) for stem in self._by_stem)


def _by(files: Iterable[Path], word: Callable[[Path], str]) -> dict[str, list[Path]]:
    table: dict[str, list[Path]] = {}
    for file in files:
        table.setdefault(_parts(word(file))[-1], []).append(file)
    return table


def _parts(path: str) -> list[str]:
    """Folders and name, without what only says where the path begins. An accent is a letter's, however it is stored."""
    posix = PureWindowsPath(path).as_posix() if "\\" in path else path
    parts = PurePosixPath(unicodedata.normalize("NFC", posix)).parts
    return [part for part in parts if part not in ("/", "..")] or [""]


def _shared(own: list[str], folders: list[str]) -> int:
    """How many folders two paths have in common at their ends."""
    pairs = zip(reversed(own), reversed(folders), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _common(paths: list[list[str]]) -> int:
    """How many folders all paths begin with; more than any has, without paths."""
    if not paths:
        return sys.maxsize
    return sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False)))
