"""The weights that the page shows are those that the preset moves its landmarks with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from layers.common.gamma import GammaReading, gamma_for_centre
from layers.common.schemes import SCHEME_68
from tools.model.presets import preset
from tools.web.answer import step_weights


@pytest.mark.parametrize(
    ("name", "reading"),
    [("tiny", GammaReading()), ("tiny+gamma=peak+gamma_width=0.5", GammaReading("peak", 0.5))],
)
def test_the_weights_of_every_step(name: str, reading: GammaReading) -> None:
    rng = np.random.default_rng(2)
    face: Any = SimpleNamespace(stages=rng.uniform(0, 60, (4, 68, 2)), centres=rng.integers(68, size=3))
    found = step_weights(face, preset(name))
    np.testing.assert_allclose(found, gamma_for_centre(face.stages[:-1], face.centres, SCHEME_68, reading))


@pytest.mark.parametrize(("name", "weight"), [("tiny+weighting=uniform", 1 / 68), ("tiny+weighting=ones", 1)])
def test_the_weights_without_attention(name: str, weight: float) -> None:
    face: Any = SimpleNamespace(stages=np.zeros((4, 68, 2)), centres=np.zeros(3, int))
    np.testing.assert_allclose(step_weights(face, preset(name)), np.full((3, 68), weight))
