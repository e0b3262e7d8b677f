"""Videos: what is found in every frame as lines of JSON, and the video with the shapes on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from layers.common.errors import RarError, readable
from layers.common.files import finished_file
from layers.common.schemes import scheme
from tools.detect.detector import Detector, Face
from tools.detect.overlay import overlay
from tools.detect.smoothing import Smoother
from tools.detect.tracker import Tracker
from tools.detect.video_files import Frame, Video, finished_video
from tools.detect.write import as_json

BRIEF = ("box", "points", "confidence", "expected_error", "pose")


def detect_video(
    detector: Detector,
    path: Path,
    target: Path,
    boxes: ArrayLike | None,
    drawing: str,
    stop: Sequence[int],
    *,
    smooth: bool = False,
) -> int:
    """Write TARGET.jsonl and, unless `drawing` is "none", TARGET.mp4; the number of tracks.

    A line of the first is a face in a frame: frame (from 0), time (s, of the container), track (from 1) and BRIEF, with
    `drawing` "trace" all that faces.json has. boxes: of the first frame, None: found. smooth: the points are smoothed
    (tools/detect/smoothing.py). Ends early, with what is done, once `stop` is not empty. RarError for a file that is no
    video or has no frame or no face; for one that is cut short or damaged, after all that it holds is written.
    """
    video, tracker, kind = Video(path), Tracker(detector, boxes), scheme(detector.preset.scheme)
    smoother = Smoother() if smooth else None
    numbers, time = set(), 0.0
    lines_file, drawn_file = (target.with_name(f"{target.name}.{ending}") for ending in ("jsonl", "mp4"))
    with (
        finished_file(lines_file) as part,
        part.open("w", encoding="utf-8") as lines,
        nullcontext() if drawing == "none" else finished_video(drawn_file, video) as drawn,
    ):
        frames = video.frames(drawn.sound if drawn else None)
        for number, (image, time) in enumerate(
            tqdm(frames, total=video.stated, unit="frame", desc=readable(path.name), leave=False)
        ):
            tracks = tracker.next(image)
            faces = smoother.next(tracks, time) if smoother else [track.face for track in tracks]
            for track, face in zip(tracks, faces, strict=True):
                line = {"frame": number, "time": round(time, 3), "track": track.number}
                lines.write(json.dumps(line | as_line(face, brief=drawing != "trace")) + "\n")
            if drawn:
                drawn.write(Frame(np.asarray(overlay(image, faces, kind, trace=drawing == "trace")), time))
            numbers |= {track.number for track in tracks}
            if stop:
                return len(numbers)
        if not video.read:
            raise RarError(f"{readable(path)}: a video without frames{' (it is cut short)' * video.cut}: replace it")
    if video.cut:
        end = f"cut short after {video.read} frames ({time:.2f} s)"
        raise RarError(f"{readable(path)}: {end}: these are written; replace it for the rest")
    if video.damaged:
        lost = f"{video.damaged} of its parts are damaged and passed over"
        raise RarError(f"{readable(path)}: {lost}: the other {video.read} frames are written; replace it for the rest")
    if not numbers:
        raise RarError(f"{readable(path)}: no face found")
    return len(numbers)


def as_line(face: Face, *, brief: bool) -> dict[str, Any]:
    """A face in a frame as JSON."""
    about = as_json("", face)
    wanted = BRIEF if brief else [name for name in about if name != "image"]
    return {name: about[name] for name in wanted}
