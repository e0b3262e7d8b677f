"""Steady landmarks in a video: the One-Euro filter (Casiez, Roussel and Vogel, CHI 2012), landmark by landmark.

    x_k = x_{k-1} + a(f) (p_k - x_{k-1}),    a(f) = 1 / (1 + 1 / (2 pi f dt)),    f = s (f_min + beta |v|)

p is the point as found, dt the time since the frame before, v the point's speed in face sizes a second, itself smoothed
at 1 Hz. A still point is smoothed much, a moving one little, so that it does not lag behind. s is the share of the
landmark's confidence in that of a landmark of this face as it was found, 1 at most: what conv8 is unsure of moves
less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from layers.common.shapes import FloatArray
from tools.detect.calibration import face_size
from tools.detect.detector import Face
from tools.detect.tracker import Track


@dataclass(frozen=True)
class OneEuro:
    """The filter's settings: cutoff of a still point, Hz; its rise with the speed, Hz per face size a second.

    speed_cutoff: Hz, of the speed. least: of s. gap: s without the face after which it begins anew.
    """

    still: float = 1.0
    rise: float = 8.0
    speed_cutoff: float = 1.0
    least: float = 0.3
    gap: float = 0.5


@dataclass(frozen=True)
class _State:
    time: float
    found: FloatArray
    points: FloatArray
    speed: FloatArray  # (L, 2), px a second


def _share(cutoff: FloatArray | float, step: float) -> FloatArray:
    """a(f)."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * np.asarray(cutoff) * step)))


class Smoother:
    """Smooths the tracks of a video, each for itself."""

    def __init__(self, settings: OneEuro | None = None) -> None:
        self._settings = settings or OneEuro()
        self._states: dict[int, _State] = {}

    def next(self, tracks: list[Track], time: float) -> list[Face]:
        """The faces of the tracks in the frame shown at `time`, s, with smoothed points; all else is as found."""
        return [track.face._replace(points=self._points(track, time)) for track in tracks]

    def _points(self, track: Track, time: float) -> FloatArray:
        found, settings = track.face.points, self._settings
        last = self._states.get(track.number)
        if last is None or not 0 < time - last.time <= settings.gap:
            self._states[track.number] = _State(time, found, found, np.zeros_like(found))
            return found
        step = time - last.time
        now = (found - last.found) / step
        speed = last.speed + _share(settings.speed_cutoff, step) * (now - last.speed)
        size = max(float(face_size(found[None])[0]), 1e-6)
        moving = np.linalg.norm(speed, axis=-1, keepdims=True) / size
        sure = track.face.confidence / max(float(track.anchor.confidence.mean()), 1e-6)
        weight = np.clip(sure, settings.least, 1)[:, None]
        cutoff = weight * (settings.still + settings.rise * moving)
        points = last.points + _share(cutoff, step) * (found - last.points)
        self._states[track.number] = replace(last, time=time, found=found, points=points, speed=speed)
        return points
