"""Synthetic occlusion by natural objects: drawn or photographed cut-outs, placed as such things sit on faces."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.crops import Matrix, reduce_image, shrinkage, warp
from data_prep.images import Image
from data_prep.occlusion.cutouts import Cutout
from data_prep.occlusion.face_frame import face_frame
from data_prep.occlusion.library import Library
from data_prep.occlusion.pasting import Layer, paste
from data_prep.occlusion.placement import place
from data_prep.occlusion.wrapping import wrap_mask
from layers.common.schemes import Scheme
from layers.common.shapes import affine_compose

OPAQUE = 0.5  # alpha over which a landmark counts as occluded


def occlude(
    crop: Image,
    shape: NDArray[np.floating],
    scheme: Scheme,
    library: Library,
    enlargement: float,
    rng: np.random.Generator,
) -> tuple[Image, NDArray[np.uint8]]:
    """Put one thing before the face.

    crop: (S, S, 3) u1, shape: (L, 2) crop px, enlargement: crop px per px of the photograph, for the sharpness.
    Returns the new crop and the flags (L,) u1, 1 where the thing's alpha exceeds OPAQUE at the landmark.
    """
    size = len(crop)
    cutout = library.pick(rng)
    frame = face_frame(shape, scheme)
    if cutout.kind == "mask":
        layer = Layer(wrap_mask(cutout, frame, shape, scheme, size, rng))
    else:
        layer = _flat_layer(cutout, place(cutout, frame, rng), size)
    blur = 0.45 * max(enlargement, 0.8) * rng.uniform(0.7, 1.4)
    return paste(crop, layer, shape, blur, rng), occluded_landmarks(layer.bgra[..., 3], shape)


def occluded_landmarks(alpha: NDArray[np.uint8], shape: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Flags (L,) of the landmarks under an opaque part of the layer; those outside the crop are not."""
    places = np.asarray(shape, np.float32).reshape(-1, 1, 2)
    at = cv2.remap(alpha, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return (at.reshape(-1) > 255 * OPAQUE).astype(np.uint8)


def _flat_layer(cutout: Cutout, to_crop: Matrix, size: int) -> Layer:
    def warped(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        small, small_to_canvas = reduce_image(picture, int(shrinkage(to_crop)), cv2.BORDER_CONSTANT)
        return warp(small, affine_compose(to_crop, small_to_canvas), size, cv2.BORDER_CONSTANT)

    return Layer(warped(cutout.bgra), None if cutout.skin is None else warped(cutout.skin))
