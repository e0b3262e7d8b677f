"""The training logs that lie beside a card."""

from __future__ import annotations

import gzip
from pathlib import Path

from layers.common.errors import RarError
from layers.common.files import finished_file


def keep_logs(log: Path, earlier: tuple[Path, ...], out: Path) -> None:
    """OUT/log.csv.gz, and OUT/log_FOLDER.csv.gz of each earlier one, after its folder.

    The same rows always make the same bytes. RarError when two would have one name.
    """
    names = ["log.csv.gz", *(f"log_{path.resolve().parent.name}.csv.gz" for path in earlier)]
    if len({*names}) < len(names):
        raise RarError(f"two logs would be {max(names, key=names.count)}: their folders need names of their own")
    for name, path in zip(names, (log, *earlier), strict=True):
        with finished_file(out / name) as part:
            part.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
