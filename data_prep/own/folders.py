"""What lies under a folder that a user gives."""

from __future__ import annotations

import os
from pathlib import Path

from layers.common.errors import RarError, reason


def all_files(folder: Path) -> tuple[list[Path], list[str]]:
    """All that lies under it and is no folder, in order, and a line for each folder that cannot be read.

    Links are followed; a folder is entered once, so that links in a ring end.
    """
    files, problems = [], []
    entered = {os.path.realpath(folder)}
    walk = os.walk(folder, followlinks=True, onerror=lambda error: problems.append(_unreadable(error)))
    for place, folders, names in walk:
        real = {name: os.path.realpath(Path(place, name)) for name in sorted(folders)}
        folders[:] = [name for name in real if real[name] not in entered]
        entered |= {real[name] for name in folders}
        files += [Path(place, name) for name in names]
    return sorted(files), problems


def _unreadable(error: OSError) -> str:
    return str(RarError(f"{error.filename}: a folder that cannot be read ({reason(error)}): give it read permission"))
