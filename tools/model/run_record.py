"""OUT/run.json: what is trained in a folder, by which code, and every file that the training has finished.

    {"format": "rar-run/1",
     "training": what decides the weights: preset, its settings, data, seed, start, iterations (tools/train/identity.py),
     "code": [{"commit", "version", "python", "numpy", "h5py", "opencv", "lmdb"}], one for each that trained it,
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

FILE = "run.json"
FORMAT = "rar-run/1"

Entry = dict[str, Any]  # of layers.common.files.file_entry


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
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored.pop("format") != FORMAT:
            raise ValueError(f"no {FORMAT}")
        record = RunRecord(folder, **stored)
        _check(record)
        return record
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RarError(
            f"{path} is damaged ({error}): delete it, and the training goes on with the files that are whole"
        ) from None


def _check(record: RunRecord) -> None:
    """TypeError, KeyError or AttributeError for what is not as the first lines of this module say."""
    if not isinstance(record.training, dict) or not all(isinstance(code, dict) for code in record.code):
        raise TypeError("training is no object, or code no list of them")
    entries = list(record.finished.values())
    for snapshots in record.snapshots.values():
        for snapshot in snapshots:
            entries += snapshot["files"].values()
            if type(snapshot["iteration"]) is not int:
                raise TypeError("an iteration is no number")
    if not all(type(entry["bytes"]) is int and type(entry["sha256"]) is str for entry in entries):
        raise TypeError("a file without size and checksum")
