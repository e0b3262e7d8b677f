"""Prepared data, looked at before a training begins and not hours later."""

from __future__ import annotations

from pathlib import Path

from data_prep.manifest import read_manifest, scheme_of, verify
from layers.common.errors import RarError
from layers.common.shape_pool import FILE as POOL
from layers.common.shape_pool import check_pool, read_shape_pool
from tools.model.presets import Preset

SETS = ("train", "val")


def check_data(data: Path, chosen: Preset) -> None:
    """RarError unless the data are whole, and of the preset's crop size, landmarks and number of basis shapes."""
    manifest = read_manifest(data)
    if "train" not in manifest["sets"]:
        raise RarError(f"no prepared set at {data / 'train'}: prepare the data again (make data-300w)")
    for name in (known for known in SETS if known in manifest["sets"]):
        size = int(manifest["sets"][name]["settings"]["size"])
        if size != chosen.crop_size:
            raise RarError(
                f"{data / name} holds crops of {size} px, and preset {chosen.name} takes {chosen.crop_size}: prepare "
                "the data for that preset, in another folder (DATA=)"
            )
    if (held := scheme_of(manifest).name) != chosen.scheme:
        raise RarError(
            f"{data} has {held} landmarks, and preset {chosen.name} has {chosen.scheme}: give data or a "
            "preset of the same"
        )
    verify(data, manifest, (*SETS, POOL))
    pool = data / POOL
    check_pool(str(pool), read_shape_pool(pool), chosen.basis_size, chosen.landmarks)
