"""Which picture an annotation means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from data_prep.images import Image, read_upright
from layers.common.errors import RarError

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


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
    """The pictures under a folder. RarError when there is no such folder, or none in it."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise RarError(f"{folder} is no folder: give the folder of the pictures by --images")
        self.folder = folder
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        if not files:
            raise RarError(f"no picture under {folder}: give the folder of the pictures by --images")
        self._by_path = {str(file.relative_to(folder).as_posix()): file for file in files}
        self._by_stem: dict[str, list[Path]] = {}
        self._by_name: dict[str, list[Path]] = {}
        for path, file in self._by_path.items():
            self._by_stem.setdefault(str(PurePosixPath(path).with_suffix("")), []).append(file)
            for word in (file.name, file.stem):
                self._by_name.setdefault(word, []).append(file)

    def find(self, named: str) -> Path:
        """The picture that an annotation names: by its path, else by its name alone, with or without its ending.

        RarError when there is none, or when the name fits several.
        """
        path = PureWindowsPath(named).as_posix() if "\\" in named else named
        path = path.removeprefix("./")
        without = re.sub(r"_\d+$", "", path)  # the second face of a picture: NAME_2
        for name in dict.fromkeys((path, PurePosixPath(path).name, without, PurePosixPath(without).name)):
            if name in self._by_path:
                return self._by_path[name]
            for table in (self._by_stem, self._by_name):
                found = table.get(name, [])
                if len(found) > 1:
                    shown = ", ".join(str(file.relative_to(self.folder)) for file in found[:3])
                    raise RarError(f"{named!r} may be {shown}: name the picture by its path under {self.folder}")
                if found:
                    return found[0]
        raise RarError(f"no picture {named!r} under {self.folder}: restore it, or leave its faces out")

    def name(self, file: Path) -> str:
        """A name of the picture that no other has."""
        path = file.relative_to(self.folder)
        stem = str(path.with_suffix("").as_posix())
        return stem if len(self._by_stem[stem]) == 1 else str(path.as_posix())
