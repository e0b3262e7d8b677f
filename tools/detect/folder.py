"""The folder that a run writes to: for one run at a time, and without results of an earlier one among the new."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from layers.common.files import alone, clear_parts, finished_file
from layers.common.json_types import parsed

LIST = ".results.jsonl"


class ResultFolder:
    """A folder, held by this process alone in a `with` block.

    Its file LIST names the results in it, a JSON text a line, each before it is written: so the next run, whatever
    ended this one, knows what to remove, and touches nothing else that lies there. RarError when another run holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._list = path / LIST
        self._held = ExitStack()

    def __enter__(self) -> ResultFolder:
        self._held.enter_context(alone(self.path))
        clear_parts(self.path)
        self._known = self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def keep_only(self, names: Iterable[str]) -> int:
        """Remove the results of earlier runs, but for files of these names; how many there were."""
        kept = set(names)
        old = [self.path / name for name in self._known if name not in kept]
        there = [file for file in old if file.is_file()]
        for file in there:
            file.unlink()
        self._known = {name: None for name in self._known if name in kept}
        with finished_file(self._list) as part:
            part.write_text("".join(_line(name) for name in self._known))
        return len(there)

    def claim(self, *names: str) -> None:
        """Enter the names of results that are about to be written."""
        new = [name for name in names if name not in self._known]
        self._known |= dict.fromkeys(new)
        with self._list.open("a") as file:
            file.write("".join(map(_line, new)))

    def _read(self) -> dict[str, None]:
        """The names in the list, as far as it is ours: names of files in this folder, no paths."""
        known: dict[str, None] = {}
        for line in self._list.read_text().splitlines() if self._list.is_file() else []:
            try:
                name = parsed(line)
            except ValueError:  # cut short by a power cut
                continue
            if isinstance(name, str) and Path(name).name == name and "\0" not in name:
                known[name] = None
        return known


def _line(name: str) -> str:
    return json.dumps(name) + "\n"
