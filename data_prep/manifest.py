"""DATA/manifest.json: what was prepared from what, how, and the checksum of every file."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import h5py
import lmdb
import numpy as np

from layers.common.errors import RarError
from layers.common.files import finished_file, mismatch
from layers.common.json_types import Each, Maybe, check, parsed
from layers.common.schemes import Scheme, scheme
from layers.common.shape_pool import FILE as POOL

FILE = "manifest.json"
FORMAT = "rar-data/1"
REMEDY = "prepare the data again (make data-300w)"
WIDEST = 10  # the crop's side over the longer side of the box
_TRAINED_ON = ("train/", "val/", POOL)
_SET = {"rows": int, "faces": int, "settings": {"augmentation": {"copies": int}}}
KIND = {
    "raw": Maybe(str), "scheme": (str, dict), "parameters": {"boxes": str, "margin": float},
    "counts": Maybe(Each(dict, dict)), "sets": Each(dict, _SET), "files": Each(dict, {"bytes": int, "sha256": str}),
}  # fmt: skip


class Origin(NamedTuple):
    """Where the faces of a prepared set come from: the raw data set, the source of their boxes, the crops' margin."""

    raw: str
    boxes: str
    margin: float


def read_manifest(data: Path) -> dict[str, Any]:
    """The manifest of prepared data, whose scheme is known from now on. RarError when it is missing or none."""
    path = data / FILE
    try:
        manifest = parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RarError(f"no {path}: prepare the data (make data-300w)") from None
    except (OSError, ValueError) as error:
        raise RarError(f"{path} is unreadable ({error}): {REMEDY}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise RarError(f"{path} is no manifest of format {FORMAT}: {REMEDY}")
    try:
        check(manifest, KIND)
    except ValueError as error:
        raise RarError(f"{path} is damaged ({error}): {REMEDY}") from None
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
    with finished_file(data / FILE, durable=True) as part:
        part.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def origin(manifest: dict[str, Any], name: str) -> Origin:
    """The origin of the set `name`. A set prepared before sets knew theirs has that of the manifest's last run.

    RarError for a set that the manifest does not know.
    """
    try:
        entry, last = manifest["sets"][name], manifest["parameters"]
        settings = entry["settings"]
        found = {
            "raw": entry.get("raw", manifest.get("raw", "300w")),
            "boxes": settings.get("boxes", last["boxes"]),
            "margin": settings["margin"],
        }
        check(found, {"raw": str, "boxes": str, "margin": float})
        return Origin(found["raw"], found["boxes"], checked_margin(found["margin"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RarError(f"the {FILE} of the data does not say how the set {name} was made ({error}): {REMEDY}") from None


def checked_margin(margin: float) -> float:
    """The margin of crops, as it is stored; ValueError for one that none can have."""
    if not 0 < margin < WIDEST:  # NaN is not
        raise ValueError(f"a margin that is not between 0 and {WIDEST}")
    return float(margin)


def faults(data: Path, manifest: dict[str, Any], name: str = "") -> list[str]:
    """A line for every file that is not as the manifest says, by size and checksum; of one set or file, or of all."""
    entries = {
        path: entry for path, entry in manifest["files"].items() if name in ("", path) or path.startswith(f"{name}/")
    }
    found = ((data / path, mismatch(data / path, entry)) for path, entry in entries.items())
    return [f"{path}: {words}" for path, words in found if words]


def verify(data: Path, manifest: dict[str, Any], names: Iterable[str]) -> None:
    """RarError unless these sets and files, where they are there, are the ones that were prepared."""
    for name in names:
        if (data / name).exists() and (found := faults(data, manifest, name)):
            raise RarError(f"{found[0]}: {REMEDY}")


def training_digest(manifest: dict[str, Any]) -> str:
    """A checksum of all that a training reads: the checksums of train/, val/ and the shape pool."""
    files = {name: entry["sha256"] for name, entry in manifest["files"].items() if name.startswith(_TRAINED_ON)}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Of everything that has a say in the pixels."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "h5py": h5py.__version__,
        "lmdb": ".".join(map(str, lmdb.version())),
    }
