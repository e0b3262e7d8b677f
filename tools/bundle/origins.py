"""Where every file of a bundle comes from and under which licence: MANIFEST.json, and the texts in licences/."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from layers.common.errors import RarError

MANIFEST = "MANIFEST.json"
LICENCES = "licences"


@dataclass(frozen=True)
class Origin:
    """A Debian package, a wheel or this project. licence: a file with its text, or its name."""

    name: str
    version: str
    licence: Path | str


@dataclass
class Origins:
    """The origins of the files below `root`, by their paths there."""

    root: Path
    of: dict[str, Origin] = field(default_factory=dict)

    def copy(self, source: Path, target: str, origin: Origin) -> None:
        """Copy a file, following links, and remember where it is from."""
        path = self.root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, path)
        path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        self.of[target] = origin

    def write(self, target: str, text: str, origin: Origin, mode: int = 0o644) -> None:
        """Write a file of our own making."""
        path = self.root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        self.of[target] = origin

    def finish(self) -> None:
        """Write the licences and MANIFEST.json; RarError for a file whose origin is not known."""
        used = {origin.name: origin for origin in self.of.values()}
        licences = {name: self._licence(origin) for name, origin in used.items()}
        files = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if path.is_symlink() or path.is_dir() or name.startswith(f"{LICENCES}/") or name == MANIFEST:
                continue
            if name not in self.of:
                raise RarError(f"{path}: nobody says where this file is from")
            files[name] = {"from": self.of[name].name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        table = {name: {"version": origin.version, "licence": licences[name]} for name, origin in sorted(used.items())}
        text = json.dumps({"origins": table, "files": files}, indent=1, sort_keys=True) + "\n"
        (self.root / MANIFEST).write_text(text, encoding="utf-8")

    def _licence(self, origin: Origin) -> str:
        if isinstance(origin.licence, str):
            return origin.licence
        target = Path(LICENCES, origin.name)
        (self.root / target).parent.mkdir(exist_ok=True)
        shutil.copyfile(origin.licence, self.root / target)
        return str(target)
