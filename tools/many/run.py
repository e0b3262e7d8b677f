"""The whole of a job: chunks to the workers, their parts to the result folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import astuple, dataclass
from itertools import islice
from uuid import uuid4

from distributed import Client, Future, KilledWorker, as_completed
from distributed.scheduler import NoWorkerError
from tqdm import tqdm

from layers.common.errors import RarError
from tools.many.job import Job
from tools.many.listing import Chunk
from tools.many.output import Output
from tools.many.table import Part
from tools.many.task import task

AHEAD = 2  # chunks a worker has, so that it never waits for the next
WORKERS = "start the workers in this version of the project, with make many-worker"


@dataclass
class Totals:
    """What a run has done; lost: pictures of chunks that killed every worker that tried."""

    faces: int = 0
    pictures: int = 0
    errors: int = 0
    lost: int = 0

    def __str__(self) -> str:
        done = f"{self.faces} faces in {self.pictures - self.errors} of {self.pictures} pictures"
        return f"{done}, {self.lost} pictures left out" if self.lost else done


def detect_all(client: Client, output: Output) -> Totals:
    """Write the parts that are missing. RarError when a worker is not of the job's kind."""
    done, totals = output.done(), Totals()
    before = sum(min(output.chunk, output.count - number * output.chunk) for number in done)
    with tqdm(total=output.count, initial=before, unit="picture", smoothing=0.1) as progress:
        for chunk, part in parts(client, output.job, output.todo(done)):
            progress.update(len(chunk.pictures))
            if part is None:
                progress.write(f"left out: part {chunk.number}: every worker that tried died", file=sys.stderr)
                totals.lost += len(chunk.pictures)
                continue
            output.write(chunk.number, part.faces, part.errors)
            totals.pictures += len(chunk.pictures)
            totals.faces += part.face_count
            totals.errors += part.error_count
    return totals


def parts(client: Client, job: Job, chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, Part | None]]:
    """The parts of chunks as they are finished, a few chunks under way at a time; None for one that kills workers."""
    run, under_way, ended = uuid4().hex, {}, as_completed()

    def submit(chunk: Chunk, careful: bool) -> None:
        key = f"{'careful' if careful else 'chunk'}-{run}-{chunk.number}"
        pictures = [tuple(picture) for picture in chunk.pictures]
        future = client.submit(task(), astuple(job), pictures, careful, key=key, pure=False)
        under_way[future] = chunk, careful
        ended.add(future)

    while True:
        for chunk in islice(chunks, max(0, AHEAD * len(client.nthreads()) - len(under_way))):
            submit(chunk, careful=False)
        if not under_way:
            return
        future = next(ended)
        chunk, careful = under_way.pop(future)
        try:
            yield chunk, result(future)
        except KilledWorker:
            if careful:
                yield chunk, None
            else:
                submit(chunk, careful=True)


def result(future: Future) -> Part:
    """What a task returns; RarError when it cannot be had, KilledWorker when it has killed its workers."""
    try:
        return future.result()
    except ModuleNotFoundError as error:
        raise RarError(f"a worker has no module {error.name}: {WORKERS}") from None
    except NoWorkerError:
        raise RarError("there are no workers any more: run again, what is written stays") from None
    except CancelledError:
        raise RarError("the scheduler is gone: run again when there is one, what is written stays") from None
