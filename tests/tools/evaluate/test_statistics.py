"""Intervals that cover what they should, and McNemar's exact test by hand."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from tools.evaluate.statistics import mcnemar, mean_interval


def test_an_interval_of_faces_is_the_usual_one() -> None:
    """Of many normal values: the mean plus and minus 1.96 standard errors."""
    values = np.random.default_rng(0).normal(0.3, 2, size=(1, 400))
    mean, low, high = mean_interval(values)
    half = 1.96 * values.std() / 20
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.03)
    assert mean_interval(values) == (mean, low, high), "the same resamples every time"
    assert mean_interval(values, seed=1) != (mean, low, high)


def test_seeds_that_differ_widen_the_interval() -> None:
    """The same values by face, each training shifted: the shifts count as they would were there other trainings."""
    rng = np.random.default_rng(1)
    faces = rng.normal(size=(1, 300))
    alike, apart = (faces + spread * np.array([[-1.0], [0], [1]]) for spread in (0, 1))
    narrow, wide = mean_interval(alike), mean_interval(apart)
    assert narrow.high - narrow.low == pytest.approx(2 * 1.96 / 300**0.5, rel=0.1)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)
    assert wide.low < -0.5 and wide.high > 0.5


def test_values_that_are_all_one_have_no_width() -> None:
    assert mean_interval(np.full((2, 7), 1.5)) == (1.5, 1.5, 1.5)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """100 experiments of 60 faces: 95 of the intervals hold the true mean, give or take five."""
    rng = np.random.default_rng(2)
    held = [low < 0 < high for _, low, high in (mean_interval(rng.normal(size=(1, 60))) for _ in range(100))]
    assert 88 <= sum(held) <= 100


@pytest.mark.parametrize(("first", "second"), [(0, 6), (2, 7), (3, 3), (0, 0)])
def test_mcnemar_by_hand(first: int, second: int) -> None:
    """Both fail on two more faces, neither on ten: these do not count."""
    fails = np.array([(1, 0)] * first + [(0, 1)] * second + [(1, 1)] * 2 + [(0, 0)] * 10, bool)
    found = mcnemar(fails[:, 0], fails[:, 1])
    n, few = first + second, min(first, second)
    by_hand = min(1.0, 2 * sum(comb(n, k) for k in range(few + 1)) / 2**n)
    assert (found.first, found.second) == (first, second)
    assert found.p == pytest.approx(by_hand)
