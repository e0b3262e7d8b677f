"""The statistics that bring the shape-indexed features to zero mean and unit deviation."""

from __future__ import annotations

from typing import Any

import numpy as np

from layers.common.errors import RarError
from tools.model.caffe_net import forward

FACES = 100  # the statistics need no more, and vgg19 takes a second a face


def standardise_features(net: Any, faces: int = FACES) -> None:
    """Measure mean and variance of every feature of phi_0 over training faces and set them in the BatchNorm blobs.

    net: the end-to-end training net with warmed-up weights. faces: so many at least, in whole mini-batches. The
    statistics are those of the first step and stay as they are: two faces are too few to keep them running. RarError
    when the features are all alike, as in an untrained or dead net.
    """
    first = next(layer for layer, tops in net.top_names.items() if "pooled_0" in tops)
    rows: list[Any] = []
    while sum(map(len, rows)) < faces:
        forward(net, end=first)
        pooled = net.blobs["pooled_0"].data
        rows.append(pooled.reshape(len(pooled), -1).astype(np.float64))
    features = np.concatenate(rows)
    if not features.std(0).any():
        raise RarError("deconv7 gives every face the same features: the warm-up learned nothing, lower its rate")
    mean, variance, count = (blob.data for blob in net.params["phi_0"])
    mean[...], variance[...], count[...] = features.mean(0), features.var(0), 1
