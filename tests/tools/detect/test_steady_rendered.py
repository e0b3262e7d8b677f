"""Jitter and lag on clips of drawn faces, still and moving, by the shipped `compact`: as found and with `--smooth`."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from data_prep.synthetic_faces.faces import draw_face
from tools.detect import Detector
from tools.detect.smoothing import Smoother
from tools.detect.tracker import Tracker

Array = np.ndarray
FACES, FRAMES, RATE = 4, 75, 25.0
NOISE = 5.0  # of 255, the camera's
SWING, PERIOD = 12.5, 2.0  # px to either side, s


def clip(number: int, size: float, moving: bool) -> tuple[list[Array], Array]:
    """Noisy frames of one drawn face, `size` px large, and its place in them, (FRAMES, 2) px."""
    drawn, rng = draw_face(11, "steady", number), np.random.default_rng(number)
    scale = size / np.sqrt(np.ptp(drawn.points, axis=0).prod())
    way = np.zeros((FRAMES, 2))
    way[:, 0] = SWING * np.sin(2 * np.pi * np.arange(FRAMES) / (RATE * PERIOD)) * moving
    height, width = (round(scale * side) for side in drawn.image.shape[:2])
    frames = []
    for x, y in way:
        place = np.array([[scale, 0, x], [0, scale, y]])
        frame = cv2.warpAffine(drawn.image, place, (width, height), borderMode=cv2.BORDER_REFLECT)
        frames.append(np.clip(frame + rng.normal(scale=NOISE, size=frame.shape), 0, 255).astype(np.uint8))
    return frames, way


def jitter(points: Array, way: Array) -> float:
    """Mean way of a landmark from frame to frame beside its own, px, once the filter has begun."""
    own = points - way[:, None]
    return float(np.linalg.norm(np.diff(own[25:], axis=0), axis=-1).mean())


@pytest.mark.slow
@pytest.mark.parametrize("moving", [False, True], ids=["still", "moving"])
@pytest.mark.parametrize("size", [130, 180])
def test_steady_points(size: float, moving: bool) -> None:
    """Prints what docs/video.md says."""
    detector, before, after, lags = Detector("compact"), [], [], []
    for number in range(FACES):
        frames, way = clip(number, size, moving)
        tracker, smoother, found, smooth = Tracker(detector), Smoother(), [], []
        for index, frame in enumerate(frames):
            tracks = [track for track in tracker.next(frame) if track.number == 1]
            assert len(tracks) == 1, f"face {number} is lost in frame {index}"
            found.append(tracks[0].face.points)
            smooth.append(smoother.next(tracks, index / RATE)[0].points)
        every_found, every_smooth = np.array(found), np.array(smooth)
        before.append(jitter(every_found, way))
        after.append(jitter(every_smooth, way))
        speed = np.gradient(way[:, 0], 1 / RATE)[25:]
        behind = (every_found - every_smooth)[25:, :, 0].mean(1)
        lags.append(float(behind @ speed / (speed @ speed)) if moving else 0.0)
    print(f"{size} px, {'moving' if moving else 'still'}: {np.mean(before):.2f} px a frame, "
          f"with --smooth {np.mean(after):.2f}, {1000 * np.mean(lags):.0f} ms late")  # fmt: skip
    assert np.mean(after) < (0.75 if moving else 0.3) * np.mean(before)
    assert np.mean(lags) < 0.08
