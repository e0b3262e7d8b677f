"""What a worker process does: pictures of a chunk in, Parquet out. It keeps its detector from chunk to chunk."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import cv2
from distributed import get_worker

from data_prep.images import Image, read_upright
from layers.common.errors import RarError, named
from layers.common.files import sha256
from tools.detect import Detector
from tools.detect.arguments import usable_boxes
from tools.many.child import in_child
from tools.many.job import Job
from tools.many.listing import Picture
from tools.many.table import Found, Part, part
from tools.many.versions import difference, versions

AHEAD = 2  # pictures read while one is worked on


def detect_chunk(job: Job, pictures: list[Picture], *, careful: bool = False) -> Part:
    """The part of these pictures; careful: each in a process of its own, when one of them has killed a worker.

    RarError, with this worker's address, when it has other weights, versions or threads than the job wants.
    """
    try:
        detector = _detector(job)
    except RarError as error:
        raise RarError(f"the worker {get_worker().address} does not fit: {error}") from None
    if careful:
        return part(job, [in_child(_alone, job, picture) or _killer(picture) for picture in pictures])
    return part(job, [_found(detector, picture, image) for picture, image in _images(pictures)])


@lru_cache(maxsize=1)
def _detector(job: Job) -> Detector:
    if other := difference(job.versions, versions()):
        raise RarError(f"{other}; start it from the same checkout with make many-worker")
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise RarError("its processes have several threads each; start it with make many-worker")
    path = Path(job.weights)
    if not path.is_file() or sha256(path) != job.sha256:
        raise RarError(f"{path} is missing there or has other weights; put the same file there")
    cv2.setNumThreads(1)
    return Detector(job.preset, path)


def _images(pictures: list[Picture]) -> Iterator[tuple[Picture, Future[Image]]]:
    """Every picture and its image, the next ones being read meanwhile."""
    waiting: deque[tuple[Picture, Future[Image]]] = deque()
    with ThreadPoolExecutor(1) as reader:
        for picture in pictures:
            waiting.append((picture, reader.submit(read_upright, Path(picture.path))))
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        yield from waiting


def _found(detector: Detector, picture: Picture, image: Future[Image] | None = None) -> Found:
    boxes, problems = None, list[str]()
    try:
        with named(picture.path):
            pixels = image.result() if image else read_upright(Path(picture.path))
            if picture.boxes is not None:
                boxes, problems = usable_boxes(picture.boxes, pixels)
            faces = detector.detect(pixels, boxes)
    except RarError as error:
        return Found(picture.path, (), str(error))
    none = "no face found" if boxes is None else picture.problem
    return Found(picture.path, faces, problems[0] if problems else "" if faces else none)


def _alone(job: Job, picture: Picture) -> Found:
    """With a detector of its own: that of the parent is served by a thread, which a fork leaves behind."""
    return _found(Detector(job.preset, job.weights), picture)


def _killer(picture: Picture) -> Found:
    return Found(picture.path, (), "the process that worked on it died or hung")
