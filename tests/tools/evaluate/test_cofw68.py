"""COFW-68: the published figures from the published files, and bad files told in one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from layers.common.errors import RarError
from tools.evaluate import cofw68
from tools.evaluate.__main__ import main
from tools.evaluate.results import Results, write_results

FILES = {"CFSS": "CFSS_CFOW68.txt", "HPM": "HPM_HelenLfpw_COFW68test.txt", "TCDCN": "TCDCN_CFOW68.txt"}


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    if not (shared_data / "cofw68").is_dir():
        pytest.skip(f"no COFW-68 at {shared_data / 'cofw68'}")
    return shared_data / "cofw68"


@pytest.fixture(scope="module")
def truth(folder: Path) -> cofw68.Faces:
    return cofw68.read_annotations(folder / "COFW68_Data" / "test_annotations")


@pytest.fixture(scope="module")
def lines(folder: Path) -> list[str]:
    return (folder / "Results" / FILES["CFSS"]).read_text().splitlines()


def run(folder: Path, results: Path, *options: str) -> Result:
    annotations = folder / "COFW68_Data" / "test_annotations"
    return CliRunner().invoke(main, ["cofw68", "--annotations", str(annotations), "--results", str(results), *options])


@pytest.mark.parametrize(
    ("method", "last"),
    [
        ("CFSS", "NME 6.28 FR10 9.07 faces 507"),
        ("HPM", "NME 6.72 FR10 6.71 faces 507"),
        ("TCDCN", "NME 7.66 FR10 16.17 faces 507"),
    ],
)
def test_the_published_figures(folder: Path, method: str, last: str) -> None:
    result = run(folder, folder / "Results" / FILES[method])
    assert result.output.splitlines()[-1] == last


def test_visible_points_and_occlusion_against_loops(folder: Path, truth: cofw68.Faces) -> None:
    lines = (folder / "Results" / FILES["HPM"]).read_text().splitlines()
    assert truth.hidden is not None
    errors, hits, said, hidden = [], 0, 0, 0
    for start in range(0, len(lines), 4):
        face = int(lines[start]) - 1
        xs, ys, flags = ([float(word) for word in line.split()] for line in lines[start + 1 : start + 4])
        true = truth.shape[face] + 1
        distance = np.hypot(*(true[45] - true[36]))
        seen = [np.hypot(xs[i] - true[i, 0], ys[i] - true[i, 1]) for i in range(68) if not truth.hidden[face, i]]
        errors.append(np.mean(seen) / distance)
        hits += sum(1 for i in range(68) if flags[i] and truth.hidden[face, i])
        said += sum(1 for flag in flags if flag)
        hidden += int(truth.hidden[face].sum())
    score = cofw68.score(truth, cofw68.read_predictions(folder / "Results" / FILES["HPM"]))
    assert score.visible.mean() == pytest.approx(np.mean(errors))
    assert score.precision == pytest.approx(hits / said)
    assert score.recall == pytest.approx(hits / hidden)
    result = run(folder, folder / "Results" / FILES["HPM"], "--visible")
    assert result.output.splitlines()[-1] == "NME 5.67 FR10 2.37 faces 507"


def test_a_file_without_occlusion_has_no_precision(folder: Path, truth: cofw68.Faces) -> None:
    score = cofw68.score(truth, cofw68.read_predictions(folder / "Results" / FILES["CFSS"]))
    assert score.precision is None
    assert score.recall is None


def test_our_own_results_file(
    folder: Path, truth: cofw68.Faces, make_results: Callable[..., Results], tmp_path: Path
) -> None:
    """The truth itself, moved by 5 % of the distance of the corners and listed in another order."""
    made = make_results({"cofw": 507})
    distance = np.linalg.norm(truth.shape[:, 45] - truth.shape[:, 36], axis=-1)
    moved = truth.shape + 0.05 * distance[:, None, None] * np.array([1.0, 0.0])
    faces = [
        dataclasses.replace(face, stages=np.repeat(moved[i][None], 4, axis=0)) for i, face in enumerate(made.faces)
    ]
    write_results(tmp_path / "r.json", dataclasses.replace(made, faces=tuple(reversed(faces))))
    assert run(folder, tmp_path / "r.json").output.splitlines()[-1] == "NME 5.00 FR10 0.00 faces 507"


def test_506_faces(lines: list[str], tmp_path: Path) -> None:
    gone = lines[40].strip()
    assert_refused(tmp_path, [*lines[:40], *lines[44:]], rf"has 506 faces, .*: {gone} is missing")


def test_a_face_too_many(lines: list[str], tmp_path: Path) -> None:
    assert_refused(tmp_path, [*lines, "508", *lines[1:4]], "508 is not one of them")


def test_a_face_twice(lines: list[str], tmp_path: Path) -> None:
    assert_refused(tmp_path, [*lines, *lines[:4]], rf":2029: face {lines[0].strip()} is there twice")


def test_nan(lines: list[str], tmp_path: Path) -> None:
    words = ["NaN", *lines[5].split()[1:]]
    assert_refused(tmp_path, [*lines[:5], " ".join(words), *lines[6:]], ":6: NaN or infinity")


def test_a_file_cut_short(lines: list[str], tmp_path: Path) -> None:
    assert_refused(tmp_path, lines[:-2], r"ends in the middle of a face \(line 2026\)")
    assert_refused(tmp_path, [*lines[:-2], lines[-2][:100], lines[-1]], ":2027: 13 numbers where 68")


def test_words_where_numbers_are_due(lines: list[str], tmp_path: Path) -> None:
    assert_refused(tmp_path, ["face1", *lines[1:]], ":1: a face number is due")
    assert_refused(tmp_path, [lines[0], lines[1].replace(".", ",", 1), *lines[2:]], ":2: .*68 numbers are due")
    assert_refused(tmp_path, ['{"format": 1}'], "not a results file")


def test_annotations_missing_or_damaged(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RarError, match=r"no N_points\.mat"):
        cofw68.read_annotations(tmp_path)
    for path in folder.rglob("*_points.mat"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "7_points.mat").unlink()
    with pytest.raises(RarError, match="506 faces, .*: 7 is missing"):
        cofw68.read_annotations(tmp_path)
    whole = next(folder.rglob("7_points.mat")).read_bytes()
    (tmp_path / "7_points.mat").write_bytes(whole[:300])
    with pytest.raises(RarError, match=r"7_points\.mat cannot be read"):
        cofw68.read_annotations(tmp_path)


def assert_refused(folder: Path, lines: list[str], message: str) -> None:
    path = folder / "results.txt"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RarError, match=message) as caught:
        cofw68.read_predictions(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
