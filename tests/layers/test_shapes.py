"""Geometry against hand-computed shapes, plain loops and real faces."""

from __future__ import annotations

import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.schemes import SCHEME_5, SCHEME_29, SCHEME_68
from layers.common.shapes import (
    affine_apply,
    affine_compose,
    affine_invert,
    corner_distance,
    eye_centres,
    mirror_shape,
    normalised_mean_error,
    point_errors,
    pupil_distance,
    similarity_fit,
)


@pytest.fixture
def face() -> np.ndarray:
    """68 points at the origin but for eyes that are easy to compute: corners 0 and 100 apart, centres 20 and 80."""
    shape = np.zeros((68, 2))
    shape[36:42] = [(0, 50), (16, 47), (24, 47), (40, 50), (24, 53), (16, 53)]
    shape[42:48] = [(60, 50), (76, 47), (84, 47), (100, 50), (84, 53), (76, 53)]
    return shape


def test_eye_centres_are_means_of_six_points(face: np.ndarray) -> None:
    left, right = eye_centres(face, SCHEME_68)
    np.testing.assert_allclose(left, (20, 50))
    np.testing.assert_allclose(right, (80, 50))


def test_normalisers_by_hand(face: np.ndarray) -> None:
    assert pupil_distance(face, SCHEME_68) == pytest.approx(60)
    assert corner_distance(face, SCHEME_68) == pytest.approx(100)


def test_normalisers_of_the_other_schemes() -> None:
    cofw = np.zeros((29, 2))
    cofw[[16, 17]] = (10, 10), (40, 50)
    cofw[[8, 9]] = (0, 0), (60, 80)
    assert pupil_distance(cofw, SCHEME_29) == pytest.approx(50)
    assert corner_distance(cofw, SCHEME_29) == pytest.approx(100)
    five = np.array([(0, 0), (3, 4), (9, 9), (9, 9), (9, 9)], dtype=float)
    assert pupil_distance(five, SCHEME_5) == pytest.approx(5)
    with pytest.raises(RarError, match="no outer eye corners"):
        corner_distance(five, SCHEME_5)


def test_the_mean_error_by_hand(face: np.ndarray) -> None:
    moved = face.copy()
    moved[0] += (3, 4)
    moved[1] += (0, -12)
    np.testing.assert_allclose(point_errors(moved, face)[:3], (5, 12, 0))
    by_pupil = normalised_mean_error(moved, face, pupil_distance(face, SCHEME_68))
    assert by_pupil == pytest.approx(17 / 68 / 60)
    stack = normalised_mean_error(np.stack([moved, face]), np.stack([face, face]), np.array([100.0, 60.0]))
    np.testing.assert_allclose(stack, (17 / 68 / 100, 0))


def test_pupils_to_outer_corners_on_real_faces(real_shapes: np.ndarray) -> None:
    """The ratio by which inter-pupil errors of 300-W become outer-corner errors."""
    ratio = pupil_distance(real_shapes, SCHEME_68) / corner_distance(real_shapes, SCHEME_68)
    assert ratio.mean() == pytest.approx(0.716, abs=0.008)
    assert ratio.min() > 0.6
    assert ratio.max() < 0.85


def _random_affine(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(2, 3)) * 10


def test_affine_against_loops() -> None:
    rng = np.random.default_rng(1)
    matrices, shapes = rng.normal(size=(3, 2, 3)), rng.normal(size=(3, 7, 2))
    expected = [
        [[m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]] for x, y in shape]
        for m, shape in zip(matrices, shapes, strict=True)
    ]
    np.testing.assert_allclose(affine_apply(matrices, shapes), expected)
    np.testing.assert_allclose(affine_apply(matrices[0], shapes)[1], affine_apply(matrices[0], shapes[1]))


def test_affine_inverse_and_order_of_composition() -> None:
    rng = np.random.default_rng(2)
    first, second, shape = _random_affine(rng), _random_affine(rng), rng.normal(size=(7, 2))
    np.testing.assert_allclose(affine_apply(affine_invert(first), affine_apply(first, shape)), shape, atol=1e-9)
    one_by_one = affine_apply(second, affine_apply(first, shape))
    np.testing.assert_allclose(affine_apply(affine_compose(second, first), shape), one_by_one)
    stack = affine_compose(np.stack([second, first]), np.stack([first, second]))
    np.testing.assert_allclose(stack[1], affine_compose(first, second))


def test_similarity_fit_equals_linear_least_squares() -> None:
    """x' = a x - b y + c, y' = b x + a y + d, solved for a, b, c, d by brute force."""
    rng = np.random.default_rng(3)
    sources, targets = rng.normal(size=(4, 9, 2)) * 50, rng.normal(size=(4, 9, 2)) * 50
    fitted = similarity_fit(sources, targets)
    for source, target, matrix in zip(sources, targets, fitted, strict=True):
        rows, values = [], []
        for (x, y), (u, v) in zip(source, target, strict=True):
            rows += [[x, -y, 1, 0], [y, x, 0, 1]]
            values += [u, v]
        a, b, c, d = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
        np.testing.assert_allclose(matrix, [[a, -b, c], [b, a, d]], atol=1e-9)


def test_similarity_fit_finds_a_known_similarity_but_no_reflection() -> None:
    angle, scale = 0.7, 2.5
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cos, -sin, 11], [sin, cos, -4]])
    source = np.random.default_rng(4).normal(size=(9, 2))
    np.testing.assert_allclose(similarity_fit(source, affine_apply(matrix, source)), matrix)
    reflected = similarity_fit(source, source * (-1, 1))
    assert np.linalg.det(reflected[:, :2]) >= 0


def test_mirror_shape_by_hand() -> None:
    shape = np.array([(10, 20), (30, 21), (19, 40), (12, 60), (28, 61)], dtype=float)
    expected = [(69, 21), (89, 20), (80, 40), (71, 61), (87, 60)]  # x' = 99 - x, left and right change names
    np.testing.assert_allclose(mirror_shape(shape, SCHEME_5, 100), expected)
    np.testing.assert_allclose(mirror_shape(mirror_shape(shape, SCHEME_5, 100), SCHEME_5, 100), shape)
