"""Weights at half the size and less, in Caffe's own HDF5 format: `caffe test -weights FILE.caffemodel.h5` reads them.

HDF5 turns half precision into Caffe's single precision on reading, so no loader is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from layers.common.files import finished_file
from tools.model.weight_file import CONTENT, Blobs, content_sha256
from tools.model.weights import SAMPLES, owners

MANTISSA_BITS = 9  # of half precision's ten: the rest of a trained weight is noise, and noise does not compress
SMALLEST = 4096  # elements; biases, statistics and basis shapes are few and keep single precision


def rounded(values: NDArray[np.float32], bits: int = MANTISSA_BITS) -> NDArray[np.float16]:
    """Half precision with `bits` of its ten mantissa bits, rounded to the nearest, ties to even."""
    drop = 23 - bits  # in single precision, so that it is rounded once
    whole = values.view(np.uint32).astype(np.int64)
    whole = (whole + (1 << (drop - 1)) - 1 + ((whole >> drop) & 1)) >> drop << drop
    return whole.astype(np.uint32).view(np.float32).astype(np.float16)


def write_half(net: Any, path: Path) -> None:
    """Write what a net has learned, each shared weight once: matrices and filters at half precision, compressed.

    A checksum of all of it is an attribute of the file.
    """
    halve({name: [np.asarray(blob.data) for blob in blobs] for name, blobs in owners(net)}, path)


def halve(layers: Blobs, path: Path) -> None:
    """The same of the blobs of layers, by name, as `read_weights` has them of a snapshot of a training."""
    written: Blobs = {}
    with finished_file(path) as part, h5py.File(part, "w") as file:
        for name, blobs in layers.items():
            if name.endswith(SAMPLES):
                continue
            for i, values in enumerate(blobs):
                small = values.size < SMALLEST
                stored = values.copy() if small else rounded(values)
                packing: dict[str, Any] = (
                    {} if small else {"compression": "gzip", "compression_opts": 9, "shuffle": True}
                )
                file.create_dataset(f"data/{name}/{i}", data=stored, **packing)
                written.setdefault(name, []).append(stored.astype(np.float32))
        file.attrs[CONTENT] = content_sha256(written)
