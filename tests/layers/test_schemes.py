"""Landmark tables: mirrors, parts and eyes, against tables typed here a second time."""

from __future__ import annotations

import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.schemes import SCHEME_5, SCHEME_29, SCHEME_68, SCHEMES, Scheme, scheme
from layers.common.shapes import affine_apply, mirror_shape, pupil_distance, similarity_fit

# Mirror image of each landmark in order, counted from 1 as the annotation guides print them.
MIRROR_FROM_1 = {
    "68": [*range(17, 0, -1), *range(27, 17, -1), 28, 29, 30, 31, 36, 35, 34, 33, 32, 46, 45, 44, 43, 48, 47, 40, 39,
           38, 37, 42, 41, 55, 54, 53, 52, 51, 50, 49, 60, 59, 58, 57, 56, 65, 64, 63, 62, 61, 68, 67, 66],
    "29": [2, 1, 4, 3, 7, 8, 5, 6, 10, 9, 12, 11, 15, 16, 13, 14, 18, 17, 20, 19, 21, 22, 24, 23, 25, 26, 27, 28, 29],
    "5": [2, 1, 3, 5, 4],
}  # fmt: skip


@pytest.fixture(params=list(SCHEMES.values()), ids=list(SCHEMES))
def each(request: pytest.FixtureRequest) -> Scheme:
    return request.param


def test_mirror_is_an_involution_of_all_landmarks(each: Scheme) -> None:
    table = np.array(each.mirror)
    assert sorted(table) == list(range(each.landmarks))
    np.testing.assert_array_equal(table[table], np.arange(each.landmarks))


@pytest.mark.parametrize("each", [SCHEMES[name] for name in MIRROR_FROM_1], ids=list(MIRROR_FROM_1))
def test_mirror_equals_the_table_typed_here(each: Scheme) -> None:
    np.testing.assert_array_equal(np.array(each.mirror) + 1, MIRROR_FROM_1[each.name])


def test_mirror_swaps_the_eyes_and_keeps_every_part(each: Scheme) -> None:
    left, right = each.pupils
    assert {each.mirror[i] for i in left} == set(right)
    if each.corners:
        assert each.mirror[each.corners[0]] == each.corners[1]
    for part in each.groups.values():
        assert {each.mirror[i] for i in part} == set(part)


def test_parts_divide_the_landmarks(each: Scheme) -> None:
    members = sorted(i for part in each.groups.values() for i in part)
    assert members == list(range(each.landmarks))


def test_curves_run_through_landmarks(each: Scheme) -> None:
    drawn = {i for indices, _ in each.curves for i in indices}
    assert drawn <= set(range(each.landmarks))


def test_the_normalisers_landmarks() -> None:
    assert SCHEME_68.pupils == ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47))
    assert SCHEME_68.corners == (36, 45)
    assert SCHEME_29.pupils == ((16,), (17,))  # points 17 and 18 counted from 1
    assert SCHEME_5.pupils == ((0,), (1,))
    assert SCHEME_5.corners is None


def test_the_mirror_of_a_real_mean_face_is_that_face(real_shapes: np.ndarray) -> None:
    """A wrong pair in the table would put two landmarks of the mean face in each other's place."""
    reference = real_shapes[0]
    mean = affine_apply(similarity_fit(real_shapes, reference), real_shapes).mean(axis=0)
    mirrored = mirror_shape(mean, SCHEME_68, 448)
    mirrored = affine_apply(similarity_fit(mirrored, mean), mirrored)
    distance = np.linalg.norm(mirrored - mean, axis=-1) / pupil_distance(mean, SCHEME_68)
    assert distance.max() < 0.05


def test_schemes_by_name() -> None:
    assert scheme(68) is scheme("68") is SCHEME_68
    with pytest.raises(RarError, match="68, 29, 5"):
        scheme("194")
