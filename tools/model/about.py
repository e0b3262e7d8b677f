"""What a weight file is for: the scheme and the crops that it was trained on, from what lies beside it.

Weights that ship have a model card, README.md, that names them in its front matter. Training writes
FILE.about.json beside its result: {"format", "preset", "scheme", "crop_size", "margin", "boxes", "raw"}. The scheme is
its name, or all of it where it is a user's own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_prep.manifest import checked_margin, origin
from layers.common.errors import RarError
from layers.common.files import finished_file
from layers.common.json_types import Maybe, check, parsed
from layers.common.schemes import scheme, stored
from tools.model.card import CARD, front_matter
from tools.model.presets import Preset

FORMAT = "rar-about/1"
KIND = {"preset": str, "scheme": (str, dict), "crop_size": int, "margin": float, "boxes": Maybe(str), "raw": Maybe(str)}
USUAL_MARGIN = 1.4  # of 300-W's and MTFL's crops: for weights beside which nothing is said


@dataclass(frozen=True)
class About:
    """preset: its name. scheme, crop_size (px): of the net. margin: crop side over the longer box side.

    boxes, raw: the source of the boxes, and the data set, that it was trained on; "" where that is not known.
    """

    preset: str
    scheme: str
    crop_size: int
    margin: float
    boxes: str = ""
    raw: str = ""


def about_file(weights: Path) -> Path:
    """Where the note about a weight file lies."""
    return weights.with_suffix(".about.json")


def write_about(weights: Path, preset: Preset, manifest: dict[str, Any]) -> Path:
    """Note beside the weights of `preset` what the data of `manifest`, on which they were trained, are; the path."""
    data = origin(manifest, "train")
    found = About(preset.name, preset.scheme, preset.crop_size, data.margin, data.boxes, data.raw)
    path = about_file(weights)
    with finished_file(path) as part:
        whole = {"format": FORMAT, **asdict(found), "scheme": stored(preset.scheme)}
        part.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return path


def know_scheme(weights: Path) -> None:
    """Make the scheme known that the note beside the weights describes, if there is one. RarError as `about`."""
    _note(weights)


def about(weights: Path, preset: Preset) -> About:
    """What is said beside the weights, of `preset`; what is usual where nothing is said.

    RarError for a damaged note, and for weights of another scheme or another crop size than the preset's.
    """
    found = _note(weights) or _card(weights) or About(preset.name, preset.scheme, preset.crop_size, USUAL_MARGIN)
    if (found.scheme, found.crop_size) != (preset.scheme, preset.crop_size):
        raise RarError(
            f"{weights} is for {found.scheme} points on crops of {found.crop_size} px (preset {found.preset}), and "
            f"preset {preset.name} has {preset.scheme} on {preset.crop_size} px: give the preset it is for"
        )
    return found


def _note(weights: Path) -> About | None:
    path = about_file(weights)
    if not path.is_file():
        return None
    try:
        said = parsed(path.read_text(encoding="utf-8"))
        if said.pop("format") != FORMAT:
            raise ValueError(f"no {FORMAT}")
        check(said, KIND)
        return _checked(said)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise RarError(f"{path} is damaged ({error}): train again, or remove it") from None


def _card(weights: Path) -> About | None:
    """From the front matter of the card in the weights' folder, when it is of this file."""
    path = weights.with_name(CARD)
    front = front_matter(path)
    if front.get("weights") != weights.name:
        return None
    try:
        return _checked({"preset": front["name"], "raw": front.get("raw", ""), **{name: front[name] for name in
                         ("scheme", "crop_size", "margin", "boxes")}})  # fmt: skip
    except (ValueError, KeyError) as error:
        raise RarError(f"the card {path} lacks what it should say of {weights.name} ({error}): copy it again") from None


def _checked(said: dict[str, Any]) -> About:
    margin = checked_margin(float(said["margin"]))
    kind = scheme(said["scheme"]).name
    return About(**{**said, "scheme": kind, "crop_size": int(said["crop_size"]), "margin": margin})
