"""Videos: what is found in every frame as lines of JSON, and the video with the shapes on it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from data_prep.images import Image
from layers.common.errors import RarError
from layers.common.files import finished_file
from layers.common.schemes import scheme
from tools.detect.detector import Detector
from tools.detect.overlay import overlay
from tools.detect.tracker import Track, Tracker
from tools.detect.write import as_json

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what matters of it is said here
CODEC = cv2.VideoWriter_fourcc(*"avc1")  # H.264, which browsers play
USUAL_RATE = 25.0  # frames a second, where the file does not tell
BRIEF = ("box", "points", "confidence", "expected_error")


def local(path: Path) -> str:
    """The path as FFmpeg takes for a file whatever is in it: the beginning of 12:30.mp4 would be a protocol."""
    return str(path.absolute())


class Video:
    """Frames of a file, upright. RarError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():  # FFmpeg would wait for what a pipe never says
            raise RarError(f"{path}: no such file: replace it")
        self._capture = cv2.VideoCapture(local(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise RarError(f"{path}: no video can be read from it: replace it")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = float(rate) if np.isfinite(rate) and rate > 0 else USUAL_RATE
        self.stated = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def frames(self) -> Iterator[Image]:
        """One after the other, (H, W, 3) BGR."""
        while (read := self._capture.read())[0]:
            yield np.asarray(read[1], np.uint8)
        self._capture.release()


class VideoWriter:
    """Frames into a file, which is made with the first of them."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate, self._frames = path, rate, 0
        self._writer: Any = None

    def write(self, frame: Image) -> None:
        """Add a frame; RarError when OpenCV cannot write videos here."""
        if self._writer is None:
            size = (frame.shape[1], frame.shape[0])
            self._writer = cv2.VideoWriter(local(self._path), cv2.CAP_FFMPEG, CODEC, self._rate, size)
            if not self._writer.isOpened():
                raise RarError(f"{self._path}: this OpenCV writes no H.264 there: give --no-overlay or another folder")
        self._writer.write(frame)
        self._frames += 1

    def finish(self) -> None:
        """Close the file; RarError when it has not taken every frame, for OpenCV itself does not say so."""
        if self._writer is not None:
            self._writer.release()
        if (
            not self._frames
            or cv2.VideoCapture(local(self._path), cv2.CAP_FFMPEG).get(cv2.CAP_PROP_FRAME_COUNT) < self._frames
        ):
            raise RarError(f"{self._path}: not all of {self._frames} frames could be written: is the disk full?")


@contextmanager
def finished_video(path: Path, rate: float) -> Iterator[VideoWriter]:
    """A writer whose file takes the place of `path` when all went well; OpenCV goes by the ending of its name."""
    with finished_file(path) as part:
        made = part.with_name(f"{part.name}{path.suffix}")
        try:
            writer = VideoWriter(made, rate)
            yield writer
            writer.finish()
            made.replace(part)
        finally:
            made.unlink(missing_ok=True)


def detect_video(
    detector: Detector, path: Path, target: Path, boxes: ArrayLike | None, drawing: str, stop: Sequence[int]
) -> int:
    """Write TARGET.jsonl and, unless `drawing` is "none", TARGET.mp4; the number of tracks.

    A line of the first is a face in a frame: frame (from 0), time (s), track (from 1) and BRIEF, with `drawing` "trace"
    all that faces.json has. boxes: of the first frame, None: found. Ends early, with what is done, once `stop` is not
    empty. RarError for a file that is no video, is cut short or has no face.
    """
    video, tracker, kind = Video(path), Tracker(detector, boxes), scheme(detector.preset.scheme)
    read, numbers = 0, set()
    lines_file, drawn_file = (target.with_name(f"{target.name}.{ending}") for ending in ("jsonl", "mp4"))
    with (
        finished_file(lines_file) as part,
        part.open("w", encoding="utf-8") as lines,
        nullcontext() if drawing == "none" else finished_video(drawn_file, video.rate) as drawn,
    ):
        for frame in tqdm(video.frames(), total=video.stated or None, unit="frame", desc=path.name, leave=False):
            tracks = tracker.next(frame)
            for track in tracks:
                lines.write(json.dumps(as_line(track, read, video.rate, brief=drawing != "trace")) + "\n")
            if drawn:
                drawn.write(overlay(frame, [t.face for t in tracks], kind, trace=drawing == "trace"))
            numbers |= {track.number for track in tracks}
            read += 1
            if stop:
                return len(numbers)
    if read < video.stated - video.rate:
        raise RarError(f"{path}: ends after {read} of {video.stated} frames: replace it; these are written")
    if not numbers:
        raise RarError(f"{path}: no face found")
    return len(numbers)


def as_line(track: Track, frame: int, rate: float, *, brief: bool) -> dict[str, Any]:
    """A face in a frame as JSON."""
    about = as_json("", track.face)
    wanted = BRIEF if brief else [name for name in about if name != "image"]
    place = {"frame": frame, "time": round(frame / rate, 3), "track": track.number}
    return place | {name: about[name] for name in wanted}
