"""DATA/manifest.json: what was prepared from what, how, and the checksum of every file."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import cv2
import h5py
import lmdb
import numpy as np

from layers.common.errors import RarError
from layers.common.schemes import Scheme, scheme

FILE = "manifest.json"
FORMAT = "rar-data/1"
_BLOCK = 1 << 20


def read_manifest(data: Path) -> dict[str, Any]:
    """The manifest of prepared data, whose scheme is known from now on. RarError when it is missing or none."""
    path = data / FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RarError(f"no {path}: prepare the data (make data-300w)") from None
    except (OSError, ValueError) as error:
        raise RarError(f"{path} is unreadable ({error}): prepare the data again (make data-300w)") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise RarError(f"{path} is no manifest of format {FORMAT}: prepare the data again (make data-300w)")
    try:
        scheme_of(manifest)
    except RarError as error:
        raise RarError(f"{path}: {error}") from None
    return manifest


def scheme_of(manifest: dict[str, Any]) -> Scheme:
    """The landmark scheme of prepared data, known by its name from now on."""
    return scheme(manifest["scheme"])


def write_manifest(data: Path, manifest: dict[str, Any]) -> None:
    """Replace the manifest in one step."""
    partial = data / f"{FILE}.partial"
    partial.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(data / FILE)


def file_entry(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of one file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def versions() -> dict[str, str]:
    """Of everything that has a say in the pixels."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "h5py": h5py.__version__,
        "lmdb": ".".join(map(str, lmdb.version())),
    }
