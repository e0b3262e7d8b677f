"""What a weight file is for, as its card or the note beside it says; and that nothing else is done with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from layers.common.errors import RarError
from tools.model.about import About, about, about_file, write_about
from tools.model.places import MODELS
from tools.model.presets import COMPACT, TINY, VGG19, preset

MANIFEST: dict[str, Any] = {
    "parameters": {"boxes": "gt", "margin": 2.0},  # of another set, prepared later
    "sets": {"train": {"raw": "cofw", "settings": {"margin": 1.45, "boxes": "cofw", "size": 64}}},
}
CARD = """---
name: mine
weights: mine.h5
scheme: "68"
crop_size: 64
boxes: gt
margin: 1.25
---

# mine
"""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tmp_path / "mine.h5"


def test_nothing_said(weights: Path) -> None:
    assert about(weights, TINY) == About("tiny", "68", 64, 1.4)


def test_what_training_noted(weights: Path) -> None:
    assert write_about(weights, TINY, MANIFEST) == about_file(weights)
    assert about(weights, TINY) == About("tiny", "68", 64, 1.45, "cofw", "cofw")


def test_a_card_of_this_file(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD)
    assert about(weights, TINY).margin == 1.25
    assert about(tmp_path / "other.h5", TINY).margin == 1.4, "the card is of another file"
    (tmp_path / "README.md").write_text(CARD.replace("margin: 1.25\n", ""))
    with pytest.raises(RarError, match="README.md lacks what it should say of mine.h5"):
        about(weights, TINY)


@pytest.mark.parametrize("name", [path.parent.name for path in MODELS.glob("*/README.md")])
def test_the_cards_that_ship(name: str) -> None:
    found = about(MODELS / name / f"{name}.caffemodel.h5", preset(name))
    assert (found.preset, found.margin) == (name, 1.4)


def test_weights_for_another_preset_whose_layers_are_alike() -> None:
    """vgg19 and vgg19_128 have the same weights in number and shape, and other crops."""
    with pytest.raises(
        RarError, match=r"is for 68 points on crops of 128 px \(preset vgg19_128\), and "
    ):
        about(MODELS / "vgg19_128" / "vgg19_128.caffemodel.h5", VGG19)
    with pytest.raises(RarError, match="is for 5 points on crops of 96 px"):
        about(MODELS / "aflw_compact" / "aflw_compact.caffemodel.h5", COMPACT)


@pytest.mark.parametrize(
    "change",
    [{"margin": "wide"}, {"margin": -1}, {"format": "other"}, {"colour": "red"}, {"margin": True}, {"crop_size": 64.5}],
)
def test_a_damaged_note(weights: Path, change: dict[str, object]) -> None:
    write_about(weights, TINY, MANIFEST)
    stored = json.loads(about_file(weights).read_text())
    about_file(weights).write_text(json.dumps(stored | change))
    with pytest.raises(RarError, match="mine.about.json is damaged"):
        about(weights, TINY)
