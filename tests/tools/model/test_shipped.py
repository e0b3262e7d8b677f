"""The weights under models/: where commands find them, that they load, and that each card is of its file."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
import skimage.data
from click.testing import CliRunner

from layers.common.errors import RarError
from layers.common.files import sha256
from layers.common.schemes import scheme
from layers.common.shapes import pupil_distance
from tools.detect import Detector
from tools.model.crop_detector import CropDetector
from tools.model.presets import preset
from tools.model.shipped import DEFAULT, MODELS, model_options, weights_of

SHIPPED = sorted(path.parent.name for path in MODELS.glob("*/README.md"))


def test_the_default_is_shipped() -> None:
    assert DEFAULT in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_is_of_its_weights(name: str) -> None:
    card = (MODELS / name / "README.md").read_text()
    front = dict(line.split(": ", 1) for line in card.split("---")[1].strip().splitlines())
    weights = MODELS / name / front["weights"]
    assert weights == weights_of(name)
    assert front["sha256"] == sha256(weights)
    assert not front["commit"].endswith("+"), "measured with code that is in no commit"
    assert CropDetector(preset(name), weights).preset.scheme == front["scheme"].strip('"')


def test_a_face_with_the_shipped_weights() -> None:
    """Scikit-image's astronaut: eyes and mouth corners are where one sees them."""
    [face] = Detector().detect(skimage.data.astronaut()[..., ::-1].copy(), [[179, 90, 266, 177]])
    seen = {"left eye": (203, 102), "right eye": (246, 104), "left mouth corner": (202, 139), "right one": (245, 141)}
    kind = scheme("68")
    eyes = [face.points[list(group)].mean(0) for group in kind.pupils]
    found = dict(zip(seen, [*eyes, face.points[48], face.points[54]], strict=True))
    distance = pupil_distance(face.points[None], kind)[0]
    for name, place in seen.items():
        assert abs(found[name] - place).max() < 0.15 * distance, f"{name}: {found[name]}"


def test_given_weights_come_first_and_missing_ones_are_named(tmp_path: Path) -> None:
    assert weights_of("vgg19", tmp_path / "mine.caffemodel") == tmp_path / "mine.caffemodel"
    assert weights_of(f"{DEFAULT}+steps=3") == weights_of(DEFAULT)
    with pytest.raises(RarError, match="no weights of tiny come with the project: train them, or give --weights FILE"):
        weights_of("tiny")


def test_options_of_a_command() -> None:
    @click.command()
    @model_options
    def show(name: str, weights: Path) -> None:
        print(name, weights)

    assert CliRunner().invoke(show, []).output == f"{DEFAULT} {weights_of(DEFAULT)}\n"
    assert CliRunner().invoke(show, ["--weights", "w.h5", "--preset", "tiny"]).output == "tiny w.h5\n"
