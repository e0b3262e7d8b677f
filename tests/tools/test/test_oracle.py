"""The oracle: what it chooses is what it says, on every policy, and its command writes all of it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from layers.common.schemes import SCHEME_68
from tests.tools.small import SMALL
from tools.model import crop_detector, presets
from tools.model.crop_detector import CropDetector
from tools.model.guided import GuidedSteps
from tools.test import centre_policies, oracle
from tools.test.centre_policies import (
    BEST_ERROR,
    BEST_REWARD,
    EVEN,
    FIXED,
    LEARNT,
    POLICIES,
    RANDOM,
    WORST,
    Faces,
    Outcome,
    run_all,
)
from tools.test.occlusion import disc

T = SMALL.steps


@pytest.fixture
def detector(trained: Path, small_project: Path, monkeypatch: pytest.MonkeyPatch) -> CropDetector:
    monkeypatch.setattr(crop_detector, "PROTOTXT", small_project / "prototxt")
    monkeypatch.setitem(presets.PRESETS, "tiny", SMALL)
    return CropDetector(SMALL, trained / "rar_iter_12.caffemodel")


@pytest.fixture
def given(prepared: Path) -> Faces:
    """Three faces under a disc."""
    return centre_policies.batch_of(PreparedSet(prepared / "helen"), [0, 1, 2], 0.2)


def test_the_nets_own_choice_is_the_detectors(detector: CropDetector, given: Faces) -> None:
    found = detector.detect(given.crops)
    guided = GuidedSteps(detector.net, SMALL)
    detector.feed(given.crops)
    ((stages, centres, _),) = run_all(guided, given, SCHEME_68, draws=1)[LEARNT]
    np.testing.assert_allclose(stages.swapaxes(0, 1), found.stages, atol=1e-5)
    np.testing.assert_array_equal(centres.T, found.centres)


def test_the_greedy_choice_is_the_best_of_all_68_tried(detector: CropDetector, given: Faces) -> None:
    """Each landmark forced as the first centre of a run of its own: the oracle's first step is the best of them."""
    guided = GuidedSteps(detector.net, SMALL)
    detector.feed(given.crops)
    runs = run_all(guided, given, SCHEME_68, draws=1)
    errors, earned = np.empty((68, 3)), np.empty((68, 3))
    for landmark in range(68):
        stages, _, gamma = guided.run(lambda now, landmark=landmark: np.full(3, landmark))  # type: ignore[misc]
        errors[landmark] = np.linalg.norm(stages[1] - given.truth, axis=-1).mean(-1)
        squared = ((given.truth - stages[:2]) ** 2).sum(-1)
        earned[landmark] = (gamma[0] ** 2 * (squared[0] - squared[1])).sum(-1)
    for name, wanted in ((BEST_ERROR, errors.argmin(0)), (WORST, errors.argmax(0)), (BEST_REWARD, earned.argmax(0))):
        np.testing.assert_array_equal(runs[name][0][1][0], wanted, err_msg=name)


def test_other_policies_by_hand(detector: CropDetector, given: Faces) -> None:
    guided = GuidedSteps(detector.net, SMALL)
    detector.feed(given.crops)
    runs = run_all(guided, given, SCHEME_68, draws=2)
    first, second = (centres for _, centres, _ in runs[RANDOM])
    assert (first != second).any()
    np.testing.assert_array_equal(first.T[1], centre_policies.random_centres(given.names[1:2], 68, T, 0)[0])
    assert (runs[FIXED][0][1] == runs[FIXED][0][1][:, :1]).all()
    np.testing.assert_allclose(runs[EVEN][0][2], 1 / 68)


def test_random_centres_know_nothing_of_the_disc() -> None:
    """The disc lies round a landmark drawn for the face: the first centre is that one no more often than any other."""
    names, shape = [f"face {i}" for i in range(600)], np.random.default_rng(0).uniform(20, 44, (68, 2))
    at = [int(np.linalg.norm(shape - disc(shape, name, 64, 0).centre, axis=-1).argmin()) for name in names]
    assert (centre_policies.random_centres(names, 68, 15, 0)[:, 0] == at).mean() < 0.04


def made(centres: np.ndarray, hidden: np.ndarray, errors: np.ndarray) -> Outcome:
    return Outcome(errors, np.ones((len(errors), 2)), centres, hidden)


def test_what_is_counted() -> None:
    """Three faces of four landmarks; the second has nothing hidden."""
    hidden = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0]], bool)
    one = made(np.array([[[0, 1], [0, 3], [2, 3]]]), hidden, np.zeros((3, 3)))
    np.testing.assert_allclose(one.looked_at_hidden(), [1.0, 0.0])
    assert one.commonest() == pytest.approx(4 / 6)
    assert one.returned(0.5).tolist() == [1.5] * 3
    assert np.isnan(made(one.centres, np.zeros_like(hidden), np.zeros((3, 3))).looked_at_hidden()).all()


def test_shares_of_the_gain() -> None:
    centres, hidden = np.zeros((1, 3, 2), int), np.zeros((3, 4), bool)
    last = {LEARNT: 0.045, RANDOM: 0.050, BEST_ERROR: 0.040, BEST_REWARD: 0.041}
    found = {name: made(centres, hidden, np.full((3, 3), error)) for name, error in last.items()}
    shares = oracle.gains(found, 0.9)
    assert shares["error_gain"] == pytest.approx(1.0)
    assert shares["error_share"] == pytest.approx(0.5)
    assert shares["learnt_less_random"] == pytest.approx([-0.5] * 3)


def test_the_command(
    detector: CropDetector, trained: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = str(trained / "rar_iter_12.caffemodel")
    arguments = ["--preset", "tiny", "--weights", weights, "--data", str(prepared / "helen"), "--out", str(tmp_path)]
    oracle.main([*arguments, "--draws", "2", "--faces", "4", "--steps", "1,3"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    rows = {name: [line for line in lines if line.startswith(f"{name}  ")] for name in POLICIES}
    assert all(len(found) == 2 for found in rows.values()), "a row a policy, plain and occluded"
    record = json.loads((tmp_path / "oracle.json").read_text())
    assert list(record["sizes"]) == ["0", "0.2"] and record["faces"] == 4
    plain, under = (record["sizes"][size]["policies"] for size in record["sizes"])
    least, most = (plain[name]["nme_by_step"][-1] for name in (BEST_ERROR, WORST))
    assert least < plain[RANDOM]["nme_by_step"][-1] < most
    assert np.mean(plain[LEARNT]["nme_by_face"]) == pytest.approx(plain[LEARNT]["nme_by_step"][-1], abs=1e-4)
    assert under[LEARNT]["hidden_by_step"] and 0 < record["sizes"]["0.2"]["hidden_by_chance"] < 1
    assert cv2.imread(str(tmp_path / "oracle.png")).std() > 5
    assert "sha256" in (tmp_path / "oracle.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "tiny+weighting=ones"], "has no attention to choose centres for"),
        (["--preset", "tiny", "--steps", "1,x"], "--steps takes numbers"),
        (["--preset", "tiny", "--steps", "99"], "the model has 3 steps"),
    ],
)
def test_what_it_cannot_do_is_said(
    detector: CropDetector, trained: Path, prepared: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    others = ["--weights", str(trained / "rar_iter_12.caffemodel"), "--data", str(prepared / "helen")]
    with pytest.raises(RarError, match=message):
        oracle.main([*arguments, *others, "--out", str(tmp_path)], standalone_mode=False)
