"""Results on the disk as they come: one line per picture, so that nothing done is lost and a second run goes on.

A picture is known by its path, its size and time on the disk, and the name of its results: changed since, it is another
one, and is done again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from layers.common.json_types import Each, check, parsed

Record = dict[str, Any]
KIND = {"source": list, "files": Each(list, str), "faces": Each(list, dict)}


def fingerprint(path: Path, name: str) -> list[Any]:
    """A file as it is now, whose results are called `name`; OSError when it is not there."""
    about = path.stat()
    return [os.path.realpath(path), about.st_size, about.st_mtime_ns, name]


class Journal:
    """The records of the pictures done, in a file of lines that is read again when the settings are the same.

    A line that a power cut or a full disk has cut short is dropped. OSError, with the name, when it cannot be written.
    """

    def __init__(self, path: Path, settings: Record) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.done: set[str] = set()
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._end = self._read(settings)
        self._file.truncate(self._end)
        if not self._end:
            self._append({"settings": settings})

    def _read(self, settings: Record) -> int:
        """Where the last whole line ends; 0 when there is nothing to go on with."""
        end = 0
        try:
            for number, line in enumerate(self._lines()):
                record = parsed(line)
                if number == 0 and record != {"settings": settings}:
                    return 0
                if number:
                    check(record, KIND)
                    self.done.add(json.dumps(record["source"]))
                end += len(line)
        except ValueError:  # from here on it is not ours
            pass
        return end

    def _lines(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))

    def add(self, source: list[Any], record: Record) -> None:
        """Write one picture's record; `source` is its fingerprint."""
        self._append({"source": source, **record})
        self.done.add(json.dumps(source))

    def has(self, source: list[Any]) -> bool:
        """Whether the picture is done."""
        return json.dumps(source) in self.done

    def records(self, wanted: Iterable[list[Any]]) -> Iterator[Record]:
        """Those of these fingerprints, in the order in which they were done, read from the disk one by one."""
        keys = set(map(json.dumps, wanted))
        for number, line in enumerate(self._lines()):
            if number and json.dumps((record := parsed(line))["source"]) in keys:
                yield record

    def remove(self) -> None:
        """Delete the file: its records are written elsewhere."""
        self.path.unlink()

    def _append(self, record: Record) -> None:
        line = memoryview(json.dumps(record).encode() + b"\n")
        try:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            while line:  # a disk that fills up takes a part first, and refuses the next
                written = self._file.write(line)
                line = line[written:]
                self._end += written
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or 0), str(self.path)) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
