"""What a result folder is the result of, and which of its parts are there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layers.common.errors import RarError
from layers.common.files import alone, clear_parts, finished_file
from layers.common.json_types import check, parsed
from tools.many.job import Job
from tools.many.listing import Chunk, Picture, chunks, write_listing

LARGEST_CHUNK, CHUNKS_PER_WORKER = 1000, 8
PARQUET_END = b"PAR1"


@dataclass(frozen=True)
class Output:
    """A result folder: manifest.json, pictures.jsonl, faces/ and errors/ with a part for each chunk of pictures."""

    folder: Path
    job: Job
    count: int
    chunk: int

    def part(self, kind: str, number: int) -> Path:
        """The part of "faces" or "errors" of a chunk."""
        return self.folder / kind / f"part-{number:07d}.parquet"

    def done(self) -> set[int]:
        """Numbers of the chunks whose faces are there; one that a power cut has left cut short is not."""
        parts = [path for path in (self.folder / "faces").glob("part-*.parquet") if path.stem[5:].isdecimal()]
        return {int(path.stem[5:]) for path in parts if _is_whole(path)}

    def todo(self, done: set[int]) -> Iterator[Chunk]:
        """The other chunks."""
        return chunks(self.folder / "pictures.jsonl", self.chunk, done)

    def write(self, number: int, faces: bytes, errors: bytes | None) -> None:
        """Write the parts of a chunk; the errors first, since with its faces the chunk is done."""
        if errors is None:
            self.part("errors", number).unlink(missing_ok=True)  # of an earlier try
        else:
            _write(self.part("errors", number), errors)
        _write(self.part("faces", number), faces)


@contextmanager
def opened(folder: Path, job: Job, pictures: Iterable[Picture], chunk: int | None, workers: int) -> Iterator[Output]:
    """The result folder of a job, begun or gone on with, for this process alone.

    chunk: pictures a part; None: as begun, or else by the number of workers. RarError when there are no pictures, when
    the folder has parts of another list, preset, weights or chunk, and when another run is writing to it.
    """
    with alone(folder):
        for place in (folder, folder / "faces", folder / "errors"):
            clear_parts(place)
        with finished_file(folder / "pictures.jsonl") as listing:
            count, checksum = write_listing(listing, pictures)
            if count == 0:
                raise RarError("no pictures: give images, folders, globs or --list FILE")
            size = chunk or _begun(folder).get("chunk") or fitting_chunk(count, workers)
            output = Output(folder, job, count, size)
            described = describe(output, checksum)
            if output.done():
                _check(folder, described)
        with finished_file(folder / "manifest.json") as part:
            part.write_text(json.dumps(described, indent=1) + "\n")
        yield output


def fitting_chunk(count: int, workers: int) -> int:
    """Pictures a part: a thousand, or fewer so that every worker has several parts to do."""
    return max(1, min(LARGEST_CHUNK, -(-count // (CHUNKS_PER_WORKER * workers))))


def describe(output: Output, checksum: str) -> dict[str, Any]:
    """The manifest."""
    job = output.job
    return {
        "pictures": output.count,
        "pictures_sha256": checksum,
        "chunk": output.chunk,
        "preset": job.preset,
        "weights": job.weights,
        "weights_sha256": job.sha256,
        "stages": job.stages,
        "versions": dict(job.versions),
    }


def _begun(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        begun = parsed(path.read_text())
        check(begun, {"chunk": int})
        if begun["chunk"] < 1:
            raise ValueError("a chunk of no pictures")
        return dict(begun)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise RarError(f"{path} is damaged ({error}): give another --out") from None


def _check(folder: Path, now: dict[str, Any]) -> None:
    then = _begun(folder)
    words = {
        "pictures_sha256": "another list of pictures or boxes",
        "preset": "another preset",
        "weights_sha256": "other weights",
        "chunk": "another --chunk",
        "stages": "another choice of --stages",
    }
    for field, other in words.items():
        if then.get(field) != now[field]:
            raise RarError(f"{folder} holds parts made with {other}: give another --out, or what it was begun with")


def _write(path: Path, stored: bytes) -> None:
    with finished_file(path) as part:
        part.write_bytes(stored)


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(PARQUET_END)))
        return file.read() == PARQUET_END
