"""Cut-outs: pictures of things with alpha, of known size in centimetres, waiting to be put before a face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KINDS = ("sunglasses", "mask", "phone", "hand", "cup")


@dataclass(frozen=True)
class Cutout:
    """A thing to put before a face.

    bgra: (H, W, 4) u1, colours premultiplied by alpha.
    axis: (2, 2) f8 canvas px, the line the thing is placed by: sunglasses centre of left lens -> of right lens;
        mask left edge -> right edge; phone, cup top -> bottom; hand wrist -> finger tips.
    pixels_per_cm: of the canvas.
    skin: (H, W) u1, 255 where the thing is somebody's skin, so that it can take the colour of the face; None: nowhere.
    """

    kind: str
    bgra: NDArray[np.uint8]
    axis: NDArray[np.float64]
    pixels_per_cm: float
    skin: NDArray[np.uint8] | None = None


def premultiply(bgra: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours times alpha, so that warping and blurring do not bleed what lies beyond the outline."""
    out = bgra.copy()
    out[..., :3] = (bgra[..., :3].astype(np.uint16) * bgra[..., 3:] + 127) // 255
    return out
