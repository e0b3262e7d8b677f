"""Summaries of errors against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from layers.common import metrics
from layers.common.errors import RarError
from layers.common.schemes import SCHEME_29, SCHEME_68

PUPIL, CORNER = 30.0, 40.0  # px, distances of the faces below


@pytest.fixture
def truth() -> np.ndarray:
    """Two 29-point faces with eye centres 30 px and outer corners 40 px apart."""
    shape = np.zeros((2, 29, 2))
    shape[:, 17, 0] = PUPIL
    shape[:, 9, 1] = CORNER
    return shape


def test_face_errors_by_both_normalisers(truth: np.ndarray) -> None:
    predicted = truth + np.array([(3.0, 4.0), (0.0, 0.0)])[:, None]
    np.testing.assert_allclose(metrics.face_errors(predicted, truth, SCHEME_29, "pupil"), (5 / PUPIL, 0))
    np.testing.assert_allclose(metrics.face_errors(predicted, truth, SCHEME_29, "corner"), (5 / CORNER, 0))


def test_the_truth_alone_normalises(truth: np.ndarray) -> None:
    """A prediction twice the size must not divide by its own, larger distance."""
    error = metrics.face_errors(2.0 * truth, truth, SCHEME_29, "pupil")
    np.testing.assert_allclose(error, (PUPIL + CORNER) / 29 / PUPIL)


def test_visible_errors_average_what_is_visible(truth: np.ndarray) -> None:
    predicted = truth.copy()
    predicted[0, 2] += (0, 6)
    predicted[0, 3] += (0, 900)
    visible = np.zeros((2, 29), dtype=bool)
    visible[0, [1, 2]] = True
    errors = metrics.visible_errors(predicted, truth, visible, SCHEME_29, "pupil")
    assert errors[0] == pytest.approx(3 / PUPIL)
    assert np.isnan(errors[1])


def test_stage_errors_stage_by_stage(truth: np.ndarray) -> None:
    stages = truth[:, None] + np.array([8.0, 4.0, 2.0])[:, None, None] * np.array([1.0, 0.0])
    expected = np.array([[8, 4, 2], [8, 4, 2]]) / PUPIL
    np.testing.assert_allclose(metrics.stage_errors(stages, truth, SCHEME_29, "pupil"), expected)


def test_a_failure_exceeds_ten_per_cent() -> None:
    errors = np.array([0.02, 0.10, 0.1001, 0.5])
    assert metrics.failure_rate(errors) == 0.5
    assert metrics.failure_rate(errors, 0.5) == 0.0


def test_cumulative_distribution_by_hand() -> None:
    errors = np.array([0.03, 0.01, 0.02, 0.02])
    np.testing.assert_allclose(
        metrics.cumulative_distribution(errors, np.array([0.0, 0.01, 0.02, 0.025, 0.03, 1.0])),
        (0, 0.25, 0.75, 0.75, 1, 1),
    )


def test_area_is_the_integral_of_the_curve() -> None:
    errors = np.random.default_rng(5).gamma(4, 0.015, size=200)
    limits = np.linspace(0, 0.1, 20001)
    curve = metrics.cumulative_distribution(errors, limits)
    by_midpoints = (curve[1:] + curve[:-1]).mean() / 2
    assert metrics.area_under_curve(errors) == pytest.approx(by_midpoints, abs=1e-4)
    assert metrics.area_under_curve(np.array([0.0, 0.05, 0.2])) == pytest.approx(0.5)


def test_what_cannot_be_normalised_is_refused() -> None:
    shapes = np.zeros((1, 68, 2))
    with pytest.raises(RarError, match="mend its annotation"):
        metrics.face_errors(shapes, shapes, SCHEME_68, "pupil")
    with pytest.raises(RarError, match="pupil, corner"):
        metrics.face_errors(shapes, shapes, SCHEME_68, "box")
