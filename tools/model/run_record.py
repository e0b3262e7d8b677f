"""OUT/run.json: what is trained in a folder, by which code, and every file that the training has finished.

{"format": "rar-run/1",
"training": what decides the weights: preset, settings, data, seed, start, iterations (tools/train/identity.py),
"code": [{"commit", "version", "caffe", "python", "numpy", ...}], of each version that trained it,
"snapshots": {"rar": [{"iteration", "files": {NAME: {"bytes", "sha256"}}}]}, the newest last,
"finished": {NAME: {"bytes", "sha256"}}}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from layers.common.errors import RarError
from layers.common.files import finished_file
from layers.common.json_types import Each, check, parsed

FILE = "run.json"
FORMAT = "rar-run/1"

Entry = dict[str, Any]  # of layers.common.files.file_entry
FILES = Each(dict, {"bytes": int, "sha256": str})
KIND = {
    "format": str,
    "training": dict,
    "code": Each(list, dict),
    "snapshots": Each(dict, Each(list, {"iteration": int, "files": FILES})),
    "finished": FILES,
}


@dataclass
class RunRecord:
    """The record of the run in `folder`; `save` replaces the file in one step."""

    folder: Path
    training: dict[str, Any]
    code: list[dict[str, str]]
    snapshots: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    finished: dict[str, Entry] = field(default_factory=dict)

    def save(self) -> None:
        """Write the file, so that not even a power cut undoes it."""
        stored = {name: value for name, value in asdict(self).items() if name != "folder"}
        with finished_file(self.folder / FILE, durable=True) as part:
            part.write_text(json.dumps({"format": FORMAT, **stored}, indent=1) + "\n", encoding="utf-8")

    @property
    def empty(self) -> bool:
        """Whether the training has finished no file yet, so that nothing is lost when another one begins."""
        return not self.finished and not any(self.snapshots.values())

    def entry(self, name: str) -> Entry | None:
        """Size and checksum of a file of the run, by its name; None for one that is not listed."""
        listed = {**self.finished}
        for snapshots in self.snapshots.values():
            for snapshot in snapshots:
                listed |= snapshot["files"]
        return listed.get(name)


def read_record(folder: Path) -> RunRecord | None:
    """The record in a folder, None where there is none; RarError when it is damaged."""
    path = folder / FILE
    try:
        stored = parsed(path.read_bytes())
        check(stored, KIND)
        if stored.pop("format") != FORMAT:
            raise ValueError(f"no {FORMAT}")
        return RunRecord(folder, **stored)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise RarError(
            f"{path} is damaged ({error}): delete it, and the training goes on with the files that are whole"
        ) from None
