"""COFW's Table 2 both ways: 29 points directly, and 68 points mapped part by part."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from layers.common.errors import RarError
from layers.common.schemes import SCHEME_29, SCHEME_68
from tests.data_prep.cofw_files import NEAR, cofw_shape
from tests.data_prep.conftest import face_shape
from tools.evaluate import cofw68
from tools.evaluate.__main__ import main
from tools.evaluate.part_map import PartMap
from tools.evaluate.results import Data, FaceResult, Model, Results, read_results, write_results

STEPS = 2
Shapes = NDArray[np.float64]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["cofw", *map(str, arguments)])


def face(name: str, subset: str, truth: Shapes, stages: Shapes) -> FaceResult:
    """stages (STEPS + 1, L, 2); S_d is the first of them."""
    points = stages.shape[1]
    confidence, centres = np.zeros((STEPS, points)), np.zeros(STEPS, np.int64)
    box = np.concatenate([truth.min(axis=0), truth.max(axis=0)])
    return FaceResult(name, subset, truth, stages[0], stages, centres, confidence, np.zeros(points), box)


def results(scheme: str, faces: list[FaceResult], raw: str = "cofw", sha: str = "0123456789abcdef") -> Results:
    model = Model("vgg19_29", "rar.caffemodel", sha * 4, "c0ffee" * 6 + "0123")
    return Results(scheme, model, Data("cofw", 1.45, raw, ""), STEPS, tuple(faces), "29")


def faces_29(count: int, subset: str = "cofw", error: float = 1.0) -> list[FaceResult]:
    """Eye centres 50 px apart; stage t is `error` * (STEPS + 1 - t) px off."""
    truth = cofw_shape(size=50.0)
    offsets = error * np.arange(STEPS + 1, 0, -1)[:, None, None] * np.array([0.6, 0.8])
    return [face(f"cofw/{subset}/{number + 1:04d}", subset, truth, truth + offsets) for number in range(count)]


def mixing() -> Shapes:
    """Each of 29 points as a weighted mean (29, 68) of points of the same part: linear in any frame."""
    weights = np.zeros((29, 68))
    for part, indices in SCHEME_29.groups.items():
        among = list(SCHEME_68.groups[part])
        shares = np.random.default_rng(5).random((len(indices), len(among)))
        weights[np.ix_(indices, among)] = 0.4 * shares / shares.sum(axis=1, keepdims=True)
        weights[list(indices), [NEAR[i] for i in indices]] += 0.6
    return weights


def faces_68(count: int, subset: str, seed: int, noise: float = 0.0) -> list[FaceResult]:
    """Faces of all sizes, places and turns; noise, in distances of the eye centres, is on the 68 points alone."""
    rng = np.random.default_rng(seed)
    faces = []
    for number in range(count):
        shape = face_shape((0, 0), 1.0) + rng.normal(0, 0.05, (68, 2))
        size, turn = rng.uniform(30, 90), rng.uniform(-0.6, 0.6)
        turned = size * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        place = rng.uniform(50, 300, 2)
        truth = mixing() @ shape @ turned + place
        seen = (shape + rng.normal(0, noise, shape.shape)) @ turned + place
        faces.append(face(f"cofw/{subset}/{number + 1:04d}", subset, truth, np.stack([seen] * 3)))
    return faces


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """write("file name", scheme, faces, ...) -> path of a results file."""

    def write(name: str, *arguments: object, **keywords: object) -> Path:
        write_results(tmp_path / name, results(*arguments, **keywords))  # type: ignore[arg-type]
        return tmp_path / name

    return write


# Typed from the paper, Table 2: mean error, failure rate.
PRINTED = {
    "RCPR": "8.50 - 20.00",
    "HPM": "7.46 - 13.24",
    "RPP": "7.52 - 16.20",
    "TCDCN": "8.05 - -",
    "RAR": "6.03 - 4.14",
}


def test_29_points_directly(write: Callable[..., Path]) -> None:
    """1 px of 50 is 2 %; 21 of 507 faces are 6 px, 12 %, off: 4.14 % failures, as the paper's RAR."""
    faces = [*faces_29(486), *(dataclasses.replace(f, name=f"{f.name}b") for f in faces_29(21, error=6.0))]
    result = run("--results", write("r.json", "29", faces))
    assert result.exit_code == 0
    nme = (486 * 2 + 21 * 12) / 507
    assert result.output.splitlines()[-1] == f"cofw 507 faces NME_pupil {nme:.2f} FR10 4.14"
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    for method, numbers in PRINTED.items():
        assert f"{method} (paper) {numbers}" in lines
    corner = nme * 50 / np.linalg.norm(faces[0].ground_truth[9] - faces[0].ground_truth[8])
    assert f"vgg19_29 (ours) {nme:.2f} {corner:.2f} 4.14" in lines
    assert f"S_hat_0 {3 * nme:.2f}" in lines
    assert f"S_hat_2 {nme:.2f}" in lines
    assert "*" not in result.output
    assert "29-point model, no map" in result.output


def test_the_normaliser_is_points_17_and_18(write: Callable[..., Path]) -> None:
    (only,) = faces_29(1)
    truth = np.array(only.ground_truth)
    truth[17] = truth[16] + (0, 25)  # the eye centres are half as far apart
    offset = np.array([0.6, 0.8])
    moved = face("cofw/test/0001", "cofw", truth, np.stack([truth + offset] * 3))
    assert "1 faces NME_pupil 4.00" in run("--results", write("r.json", "29", [moved])).output.splitlines()[-1]


def test_a_partial_set_is_flagged(write: Callable[..., Path]) -> None:
    output = run("--results", write("r.json", "29", faces_29(506))).output
    assert "2.00*" in output
    assert output.splitlines()[-2].startswith("* not comparable with the paper: vgg19_29 has 506 faces of cofw")
    assert output.splitlines()[-1] == "cofw 506 faces NME_pupil 2.00 FR10 0.00"


def test_training_faces_in_the_file_are_not_scored(write: Callable[..., Path]) -> None:
    path = write("r.json", "29", [*faces_29(3, "train", error=20.0), *faces_29(507)])
    assert run("--results", path).output.splitlines()[-1] == "cofw 507 faces NME_pupil 2.00 FR10 0.00"


def test_68_points_are_mapped(write: Callable[..., Path]) -> None:
    """An exact linear relation is found again, on faces of other sizes and turns, from one file or from two."""
    train, test = faces_68(300, "train", 1), faces_68(40, "cofw", 2)
    apart = run("--results", write("test.json", "68", test), "--train-results", write("train.json", "68", train))
    assert apart.exception is None
    last = apart.output.splitlines()[-1]
    assert last in ("cofw 40 faces NME_pupil 0.00 FR10 0.00", "cofw 40 faces NME_pupil 0.01 FR10 0.00")
    together = run("--results", write("both.json", "68", [*train, *test])).output
    assert together.splitlines()[-1] == last
    note = "learnt on the model's shapes of 300 COFW training faces (not comparable with the paper: COFW has 1345)"
    assert note in " ".join(together.split())


def test_validation_faces_are_learnt_from_too(write: Callable[..., Path]) -> None:
    faces = [*faces_68(200, "train", 1), *faces_68(50, "val", 3), *faces_68(5, "cofw", 2)]
    output = run("--results", write("r.json", "68", faces)).output
    assert "shapes of 250 COFW training faces" in " ".join(output.split())


def test_noise_is_not_learnt() -> None:
    """Fewer faces than a part has numbers, and noisy ones: the ridge keeps the error near the noise."""
    train, test = faces_68(30, "train", 1, noise=0.02), faces_68(50, "cofw", 2, noise=0.02)
    shapes, truth = (np.stack(arrays) for arrays in zip(*((f.stages[-1], f.ground_truth) for f in train), strict=True))
    mapped = PartMap(SCHEME_68, SCHEME_29, shapes, truth)(np.stack([f.stages[-1] for f in test]))
    wanted = np.stack([f.ground_truth for f in test])
    distance = np.linalg.norm(wanted[:, 17] - wanted[:, 16], axis=-1)
    assert (np.linalg.norm(mapped - wanted, axis=-1).mean(axis=1) / distance).mean() < 0.05


def test_parts_are_mapped_by_themselves() -> None:
    train = faces_68(300, "train", 1)
    shapes, truth = (np.stack(arrays) for arrays in zip(*((f.stages[-1], f.ground_truth) for f in train), strict=True))
    part_map = PartMap(SCHEME_68, SCHEME_29, shapes, truth)
    shape = np.array(shapes[:1])
    before = part_map(shape)
    # Opposite moves of two pairs of mouth points leave the similarity of the whole face almost as it is.
    shape[0, [48, 54]] += (0.1, 0.0)
    shape[0, [51, 57]] -= (0.1, 0.0)
    change = np.abs(part_map(shape) - before).max(axis=(0, 2))
    mouth = list(SCHEME_29.groups["mouth"])
    rest = [i for i in range(29) if i not in mouth]
    assert change[mouth].max() > 20 * change[rest].max()


def test_a_68_point_file_reads_back_and_suits_nothing_else(write: Callable[..., Path]) -> None:
    path = write("r.json", "68", faces_68(2, "cofw", 2))
    assert '"scheme": "68",\n "truth_scheme": "29",' in path.read_text()
    read = read_results(path, other_truth=True)
    assert (read.scheme, read.truth, read.faces[0].ground_truth.shape) == ("68", "29", (29, 2))
    error = CliRunner().invoke(main, ["300w", "--results", str(path)]).exception
    assert isinstance(error, RarError)
    assert "68-point shapes beside 29-point annotations" in str(error)
    assert "truth_scheme" not in write("same.json", "29", faces_29(1)).read_text()


def test_a_run_over_train_and_test_serves_cofw68(write: Callable[..., Path]) -> None:
    test = faces_68(507, "cofw", 2)
    found = cofw68.read_predictions(write("r.json", "68", [*faces_68(2, "train", 1), *reversed(test)]))
    np.testing.assert_allclose(found.shape, np.stack([item.stages[-1] for item in test]), atol=1e-3)


@pytest.mark.parametrize(
    ("test", "train", "words"),
    [
        (("68", faces_68(2, "cofw", 2)), None, "no face of the subset train to learn 68 -> 29 points from"),
        (("68", faces_68(2, "cofw", 2)), ("68", faces_68(2, "cofw", 3)), "no face of the subset train"),
        (("68", faces_68(2, "cofw", 2)), ("68", faces_68(9, "train", 3), "cofw", "f" * 16), "other weights"),
        (("68", faces_68(2, "cofw", 2)), ("29", faces_29(9, "train")), "other weights"),
        (("29", faces_29(2)), ("68", faces_68(9, "train", 3)), "need no map: leave --train-results out"),
        (("29", faces_29(2, "helen")), None, "no face of the subset cofw"),
    ],
)
def test_what_does_not_fit(
    write: Callable[..., Path], test: tuple[object, ...], train: tuple[object, ...] | None, words: str
) -> None:
    options = ["--train-results", write("train.json", *train)] if train else []
    error = run("--results", write("test.json", *test), *options).exception
    assert isinstance(error, RarError)
    assert words in str(error)
    assert ".json" in str(error) and "\n" not in str(error)


def test_68_annotated_points_are_no_cofw(write: Callable[..., Path], tmp_path: Path) -> None:
    shapes = np.stack([face_shape()] * 3)
    ours = dataclasses.replace(results("68", [face("a/1", "cofw", shapes[0], shapes)]), truth_scheme=None)
    write_results(tmp_path / "r.json", ours)
    error = run("--results", tmp_path / "r.json").exception
    assert isinstance(error, RarError)
    assert "68-point shapes beside 68-point annotations: COFW wants 29 or 68 beside 29" in str(error)


def test_shapes_in_a_heap(write: Callable[..., Path]) -> None:
    faces = faces_68(9, "train", 1)
    heap = [dataclasses.replace(item, s_d=np.zeros((68, 2))) for item in faces]
    error = run("--results", write("r.json", "68", [*heap, *faces_68(2, "cofw", 2)])).exception
    assert isinstance(error, RarError)
    assert "no map can be learnt from its shapes" in str(error)
