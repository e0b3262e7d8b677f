"""From one face record to its crops, with everything a row of a prepared set holds."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.augmentation import Augmentation, Pose, draw_pose
from data_prep.crops import Matrix, crop_transform, mirror_transform, reduce_image, shrinkage, warp
from data_prep.images import Image, read_image
from data_prep.occlusion import occlude
from data_prep.occlusion.library import Library
from data_prep.records import FaceRecord
from layers.common.datum import Datum, encode
from layers.common.errors import RarError
from layers.common.schemes import Scheme
from layers.common.shapes import (
    affine_apply,
    affine_compose,
    affine_invert,
    corner_distance,
    mirror_shape,
    pupil_distance,
)

JPEG_QUALITY = 95


@dataclass(frozen=True)
class CropSettings:
    """How the faces of one set are cut; margin and size as in `crops.crop_transform`, occluders a user's folder.

    quality: of the JPEG files, 1 to 100.
    """

    size: int
    margin: float
    augmentation: Augmentation
    seed: int
    occluders: Path | None = None
    quality: int = JPEG_QUALITY


@dataclass(frozen=True)
class Row:
    """One row of a prepared set; fields as in `layers.common.prepared.PreparedSet`."""

    row: int
    datum: bytes
    shape: NDArray[np.float32]
    occluded: NDArray[np.uint8]
    crop_to_image: NDArray[np.float64]
    image_shape: NDArray[np.float64]
    normaliser: NDArray[np.float64]
    box: NDArray[np.float64]
    name: str
    mirrored: int
    copy: int


def render_face(record: FaceRecord, rows: NDArray[np.int64], settings: CropSettings, scheme: Scheme) -> list[Row]:
    """All copies of a face, copy i for row rows[i]; the photograph is decoded once.

    What is drawn by chance depends on the seed, the face's name and the copy's number, on nothing else.
    """
    image = read_image(record.image)
    rngs = [copy_rng(settings.seed, record.name, i) for i in range(len(rows))]
    poses = [draw_pose(settings.augmentation, i, rng) for i, rng in enumerate(rngs)]
    views = [View(record, image.shape[1], pose, settings, scheme) for pose in poses]
    small, small_to_image = reduce_image(image, int(min(shrinkage(view.pixels_to_crop) for view in views)))
    out = []
    for copy, (row, view, rng) in enumerate(zip(rows, views, rngs, strict=True)):
        crop, occluded = view.draw(small, small_to_image, rng)
        out.append(view.row(int(row), copy, jpeg_datum(crop, settings.quality, int(row)), occluded))
    return out


def copy_rng(seed: int, name: str, copy: int) -> np.random.Generator:
    """All the chance there is in one copy of a face: it depends on the seed, the face's name and the copy's number."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), copy])


class View:
    """One copy of a face: its transforms and shapes, and how it is drawn.

    width: px of the photograph, about whose middle a copy is mirrored. The crop is the same whatever it is; so is its
    `shape` (L, 2), crop px.
    """

    def __init__(self, record: FaceRecord, width: int, pose: Pose, settings: CropSettings, scheme: Scheme) -> None:
        self.record, self.pose, self.settings, self.scheme = record, pose, settings, scheme
        self.image_shape, self.box = record.shape, record.box
        self.occluded = np.zeros(scheme.landmarks, np.uint8) if record.occluded is None else record.occluded
        if pose.mirrored:
            self.image_shape = np.asarray(mirror_shape(record.shape, scheme, width))
            self.occluded = self.occluded[list(scheme.mirror)]
            self.box = np.array([width - 1 - record.box[2], record.box[1], width - 1 - record.box[0], record.box[3]])
        image_to_crop = crop_transform(self.box, settings.margin, settings.size, pose.angle, pose.scale, pose.shift)
        self.shape = affine_apply(image_to_crop, self.image_shape).astype(np.float32)
        self.crop_to_image = affine_invert(image_to_crop)
        stored = affine_compose(image_to_crop, mirror_transform(width)) if pose.mirrored else image_to_crop
        self.pixels_to_crop = np.asarray(stored)  # from the photograph as stored, unmirrored

    def draw(self, pixels: Image, pixels_to_image: Matrix, rng: np.random.Generator) -> tuple[Image, NDArray[np.uint8]]:
        """The crop (S, S, 3) and the flags (L,) of its hidden landmarks.

        pixels: the photograph or what of it the crop needs, at most about twice too fine; pixels_to_image (2, 3).
        rng: that of the pose.
        """
        crop = warp(pixels, affine_compose(self.pixels_to_crop, pixels_to_image), self.settings.size)
        if not self.pose.occluded:
            return crop, self.occluded
        library = _library(self.settings.seed, self.settings.occluders)
        enlargement = 1 / shrinkage(self.pixels_to_crop)
        crop, hidden = occlude(crop, self.shape, self.scheme, library, enlargement, rng)
        return crop, self.occluded | hidden

    def row(self, row: int, copy: int, datum: bytes, occluded: NDArray[np.uint8]) -> Row:
        """What a set holds of this copy."""
        return Row(
            row=row,
            datum=datum,
            shape=self.shape,
            occluded=occluded,
            crop_to_image=np.asarray(self.crop_to_image),
            image_shape=self.image_shape,
            normaliser=normaliser(self.image_shape, self.scheme),
            box=self.box,
            name=self.record.name,
            mirrored=int(self.pose.mirrored),
            copy=copy,
        )


def jpeg_datum(picture: Image, quality: int, row: int, *more: int) -> bytes:
    """The picture, as a JPEG file, in the Datum of a row; more: flags and values for OpenCV's encoder."""
    done, stored = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, *more])
    if not done:
        raise RarError("OpenCV cannot write JPEG: install python3-opencv")
    return encode(Datum(3, picture.shape[0], picture.shape[1], bytes(stored), row))


def normaliser(image_shape: NDArray[np.float64], scheme: Scheme) -> NDArray[np.float64]:
    """Pupil and outer-corner distance (2,), NaN where the scheme has no corners."""
    corners = corner_distance(image_shape, scheme) if scheme.corners else np.nan
    return np.array([pupil_distance(image_shape, scheme), corners], np.float64)


@lru_cache(maxsize=2)
def _library(seed: int, folder: Path | None) -> Library:
    return Library(seed, folder)
