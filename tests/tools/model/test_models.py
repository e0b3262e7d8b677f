"""The weights under models/: where commands find them, that they load, and that each card is of its file."""

from __future__ import annotations

import pytest
import skimage.data

from layers.common.files import sha256
from layers.common.schemes import scheme
from layers.common.shapes import pupil_distance
from tools.detect import Detector
from tools.model.crop_detector import CropDetector
from tools.model.places import DEFAULT, MODELS, shipped_weights
from tools.model.presets import preset

SHIPPED = sorted(path.parent.name for path in MODELS.glob("*/README.md"))


def test_the_default_is_shipped() -> None:
    assert DEFAULT in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_is_of_its_weights(name: str) -> None:
    card = (MODELS / name / "README.md").read_text()
    front = dict(line.split(": ", 1) for line in card.split("---")[1].strip().splitlines())
    weights = MODELS / name / front["weights"]
    assert weights == shipped_weights(name)
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
