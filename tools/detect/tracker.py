"""Faces from one frame of a video to the next: the last shape says where to look, the finder only now and then."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from data_prep.images import Image
from layers.common.shapes import FloatArray, affine_apply, similarity_fit
from tools.detect.detector import Detector, Face

LOOK_EVERY = 15  # frames: how often the finder looks for new faces, and measures the boxes of the known ones anew
# A face is lost when its landmarks' mean confidence falls under this share of what it was when the face was found. With
# vgg19_128 it is 0.55 to 0.72 on 90 % of the training faces, 0.01 to 0.16 where there is no face.
LOST = 0.5
SAME = 0.3  # intersection over union: boxes that overlap more are of one face
# A face that is lost, as behind a hand, keeps its number for so many frames, in which the finder looks often; it is
# known again by a box near its last one, in sides of it, and of about its size.
PATIENCE = 45
LOOK_FOR_LOST = 3  # frames
NEAR, ALIKE = 0.75, 1.6


class Track(NamedTuple):
    """A face on its way: its number, from 1, the face of the newest frame, and the face as it was last found."""

    number: int
    face: Face
    anchor: Face

    def next_box(self) -> FloatArray:
        """The anchor's box, moved, turned and scaled as its shape has been since: no error adds up over the frames."""
        motion = similarity_fit(self.anchor.points, self.face.points)
        corners = self.anchor.box.reshape(2, 2)
        centre = affine_apply(motion, corners.mean(axis=0, keepdims=True))[0]
        half = np.sqrt(abs(np.linalg.det(motion[:, :2]))) * (corners[1] - corners[0]) / 2
        return np.concatenate([centre - half, centre + half])

    def is_lost(self) -> bool:
        """Whether conv8 no longer sees a face there."""
        return bool(self.face.confidence.mean() < LOST * self.anchor.confidence.mean())


class Tracker:
    """Follows all faces of a video. boxes: of the first frame, None: found."""

    def __init__(self, detector: Detector, boxes: ArrayLike | None = None) -> None:
        self._detector, self._start = detector, boxes
        self._tracks: list[Track] = []
        self._lost: dict[int, _Lost] = {}
        self._looked, self._count, self._frame = LOOK_EVERY, 0, 0

    def next(self, image: Image) -> list[Track]:
        """The faces of the next frame (H, W, 3) BGR."""
        followed = self._follow(image)
        alive = _distinct([track for track in followed if not track.is_lost()])
        self._frame += 1
        self._looked += 1
        self._lost = {number: one for number, one in self._lost.items() if self._frame - one.since <= PATIENCE}
        every = LOOK_FOR_LOST if self._lost else LOOK_EVERY
        if self._looked >= every or len(alive) < len(self._tracks) or not alive:
            self._looked = 0
            alive = self._look(image, alive)
        seen = {track.number for track in alive} | {track.number for track in followed if not track.is_lost()}
        self._lost |= {t.number: _Lost(self._frame, t.next_box()) for t in self._tracks if t.number not in seen}
        self._lost = {number: one for number, one in self._lost.items() if number not in seen}
        self._tracks = alive
        return alive

    def _follow(self, image: Image) -> list[Track]:
        """Every known face that is still on the picture, at its new place."""
        boxes = [(track, track.next_box()) for track in self._tracks]
        height, width = image.shape[:2]
        there = [(track, box) for track, box in boxes if (box[:2] < (width, height)).all() and (box[2:] > 0).all()]
        faces = self._detector.detect(image, [box for _, box in there])
        return [track._replace(face=face) for (track, _), face in zip(there, faces, strict=True)]

    def _look(self, image: Image, alive: list[Track]) -> list[Track]:
        """The tracks with what the finder sees: known faces get its box as their new anchor, others a track."""
        start, self._start = self._start, None
        boxes = self._detector.find(image) if start is None else start
        tracks = {track.number: track for track in alive}
        for face in self._detector.detect(image, boxes):
            known = [track for track in self._tracks if overlap(track.next_box(), face.box) > SAME]
            number = known[0].number if known else self._found_again(face.box, tracks) or self._count + 1
            self._count = max(self._count, number)
            tracks[number] = Track(number, face, face)
        return _distinct(list(tracks.values()))


    def _found_again(self, box: FloatArray, taken: Collection[int]) -> int | None:
        """The number of the lost face that a box is likely to be of: the nearest one."""
        near = {
            number: apart
            for number, one in self._lost.items()
            if number not in taken and (apart := _apart(one.box, box)) is not None
        }
        return min(near, key=near.__getitem__) if near else None


class _Lost(NamedTuple):
    """A face that was lost in frame `since`, with its box then."""

    since: int
    box: FloatArray


def _apart(lost: FloatArray, box: FloatArray) -> float | None:
    """Distance of a box from that of a lost face, in sides of it; None when it is too far, or of another size."""
    sides = [max(float(np.prod(one[2:] - one[:2])), 1e-9) ** 0.5 for one in (lost, box)]
    distance = float(np.linalg.norm((lost[:2] + lost[2:] - box[:2] - box[2:]) / 2)) / sides[0]
    return distance if distance < NEAR and max(sides) < ALIKE * min(sides) else None


def overlap(a: FloatArray, b: FloatArray) -> float:
    """Intersection over union of two boxes x0 y0 x1 y1."""
    common = np.prod(np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])))
    return float(common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common))


def _distinct(tracks: list[Track]) -> list[Track]:
    """Without the younger of two that have come upon one face."""
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda track: track.number):
        if all(overlap(track.next_box(), other.next_box()) <= SAME for other in kept):
            kept.append(track)
    return kept
