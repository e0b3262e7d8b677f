"""Patches: what any augmentation can reach of a photograph, stored once a face, so that crops can be drawn in training.

A set of patches has one row per face. Its numbers are those of the plain crop; its pictures are the patches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from data_prep.augmentation import Augmentation, Pose
from data_prep.containers import fault
from data_prep.crops import Matrix, crop_side, crop_transform, shrinkage
from data_prep.images import Image, read_image
from data_prep.records import FaceRecord
from data_prep.rendering import CropSettings, Row, View, jpeg_datum
from layers.common.errors import RarError
from layers.common.prepared import IMAGES, PATCHES, REMEDY, PreparedSet, kind_of
from layers.common.schemes import Scheme

# Px of the patch per px of the plain crop, where the photograph has as many. With 1.5 crops are as sharp as those cut
# from the photograph (energy of their Laplacian 0.98 of it at 256 px, 0.99 at 128); with 1.16, 0.80 and 0.77.
DETAIL = 1.5
OCCLUDERS = "occluders"  # folder of the user's cut-outs in the set
_BORDER = 2  # px of the patch beyond what is reached, for interpolation
_AMOUNTS = ("rotation", "scale", "shift", "occluded")


@dataclass(frozen=True)
class PatchRow(Row):
    """A row of a set of patches: the plain crop's numbers, the patch as its picture.

    patch_to_image: (2, 3) f8, px of the patch to px of the original image.
    """

    patch_to_image: NDArray[np.float64]


def reach(settings: CropSettings) -> float:
    """Half the side of the upright square round the box's centre that holds every crop, in longer sides of the box."""
    turn = math.radians(min(settings.augmentation.rotation, 45))
    half = settings.margin / 2 * math.exp(settings.augmentation.scale)
    return half * (math.cos(turn) + math.sin(turn)) + settings.augmentation.shift


def largest_side(settings: CropSettings) -> int:
    """The longest that a side of a patch can be, px."""
    return math.ceil(2 * reach(settings) / settings.margin * DETAIL * settings.size) + 2 * (_BORDER + 2)


def cut_patch(image: Image, box: NDArray[np.float64], settings: CropSettings) -> tuple[Image, Matrix]:
    """What crops of the box can reach of an image, no finer than they need it; and its px -> image px (2, 3)."""
    reduction = max(shrinkage(crop_transform(box, settings.margin, settings.size)) / DETAIL, 1.0)
    centre = (box[:2] + box[2:]) / 2
    half = reach(settings) * crop_side(box, 1) + _BORDER * reduction
    size = np.array(image.shape[1::-1])
    first = np.clip(np.floor(centre - half), 0, size - 1).astype(int)
    end = np.clip(np.ceil(centre + half) + 1, first + 1, size).astype(int)
    part = image[first[1] : end[1], first[0] : end[0]]
    columns, rows = np.maximum(np.round((end - first) / reduction), 1).astype(int)
    if reduction > 1:
        part = np.asarray(cv2.resize(part, (int(columns), int(rows)), interpolation=cv2.INTER_AREA), np.uint8)
    zoom = (end - first) / (columns, rows)
    offset = first + (zoom - 1) / 2
    return part, np.array([[zoom[0], 0, offset[0]], [0, zoom[1], offset[1]]])


def render_patch(record: FaceRecord, row: int, settings: CropSettings, scheme: Scheme) -> PatchRow:
    """The patch of a face, for a row."""
    image = read_image(record.image)
    patch, patch_to_image = cut_patch(image, record.box, settings)
    view = View(record, image.shape[1], Pose(), settings, scheme)
    datum = jpeg_datum(patch, settings.quality, row, cv2.IMWRITE_JPEG_OPTIMIZE, 1)
    return PatchRow(**vars(view.row(row, 0, datum, view.occluded)), patch_to_image=patch_to_image)


def attributes(settings: CropSettings) -> dict[str, float | str]:
    """What a set of patches says about itself: its kind, the margin of the crops and the amounts of augmentation."""
    amounts = {name: float(getattr(settings.augmentation, name)) for name in _AMOUNTS}
    return {"kind": PATCHES, "margin": float(settings.margin), **amounts}


class PatchSet(PreparedSet):
    """A set of patches. As a PreparedSet it holds the plain crop of every face, drawn when it is read.

    patch_to_image (n,2,3) f8; settings: how crops are drawn, with the seed of the data.
    """

    kind = PATCHES
    patch_to_image: NDArray[np.float64]

    def read_more(self, file: h5py.File) -> None:
        """The patches' place in the photographs, and the settings."""
        self.patch_to_image = file["patch_to_image"][:]
        if self.patch_to_image.shape != (len(self), 2, 3):
            raise KeyError(f"patch_to_image has shape {self.patch_to_image.shape}")
        amounts = Augmentation(1, *(float(file.attrs[name]) for name in _AMOUNTS))
        own = self.folder / OCCLUDERS
        occluders = own if own.is_dir() else None
        self.settings = CropSettings(self.crop_size, float(file.attrs["margin"]), amounts, self.seed, occluders)

    def picture(self, row: int, size: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
        """The patch (H, W, 3), BGR. RarError when it is damaged, or not of that size."""
        if wrong := fault(self.datum(row).data):
            raise RarError(f"{self.folder / IMAGES}, row {row}: the JPEG is {wrong}: {REMEDY}")
        return super().picture(row, size)

    def record(self, row: int) -> FaceRecord:
        """The face of a row, in px of the original image, which its image is not."""
        name, folder = str(self.name[row]), self.folder
        return FaceRecord(name, folder, "", self.image_shape[row], self.box[row], self.occluded[row])

    def draw(
        self, row: int, pose: Pose, rng: np.random.Generator
    ) -> tuple[Image, NDArray[np.float32], NDArray[np.uint8]]:
        """A crop (S, S, 3) of a face, its shape (L, 2), px of the crop, and the flags (L,) of hidden landmarks.

        rng: that of the pose.
        """
        view = View(self.record(row), 0, pose, self.settings, self.scheme)
        crop, occluded = view.draw(self.picture(row), self.patch_to_image[row], rng)
        return crop, view.shape, occluded

    def image(self, row: int) -> NDArray[np.uint8]:
        """The plain crop (crop_size, crop_size, 3), BGR."""
        return self.draw(row, Pose(), np.random.default_rng(0))[0]


def open_set(folder: Path) -> PreparedSet:
    """The prepared set in `folder`, of whichever kind. RarError as PreparedSet."""
    return PatchSet(folder) if kind_of(folder) == PATCHES else PreparedSet(folder)
