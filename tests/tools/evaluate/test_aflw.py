"""Table 3 from results files of 5-point and 68-point models: numbers known in advance, bad files in one line."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from layers.common import paper
from layers.common.errors import RarError
from layers.common.schemes import SCHEME_5, SCHEME_68
from layers.common.shapes import eye_centres, pupil_distance
from tools.evaluate import aflw
from tools.evaluate.__main__ import main
from tools.evaluate.results import Results, write_results

MakeResults = Callable[..., Results]
Write = Callable[..., Path]


def five_points(shapes: np.ndarray) -> np.ndarray:
    """Typed here a second time, 1-based as the annotation guide has them."""
    points = [shapes[..., 36:42, :].mean(-2), shapes[..., 42:48, :].mean(-2)]
    return np.stack([*points, *(shapes[..., number - 1, :] for number in (31, 49, 55))], axis=-2)


@pytest.fixture
def made(make_results: MakeResults) -> MakeResults:
    """made(faces, five=False, ...): faces of AFLW whose stage t is error * (4 - t) px off; eyes 60 px apart."""

    def make(faces: int, five: bool = False, raw: str = "mtfl", subset: str = "aflw", **keywords: object) -> Results:
        results = make_results({subset: faces}, raw=raw, **keywords)
        changed = [dataclasses.replace(face, ground_truth=five_points(face.ground_truth)) for face in results.faces]
        if five:
            changed = [
                dataclasses.replace(
                    face,
                    s_d=five_points(face.s_d),
                    stages=five_points(face.stages),
                    confidence=face.confidence[:, :5],
                    peak=face.peak[:5],
                    centres=face.centres % 5,
                )
                for face in changed
            ]
        scheme = "5" if five else "68"
        return dataclasses.replace(results, scheme=scheme, faces=tuple(changed), truth_scheme="5")

    return make


@pytest.fixture
def write(tmp_path: Path, made: MakeResults) -> Write:
    """write("file name", faces, ...) -> path of a results file."""

    def write(file: str, *arguments: object, **keywords: object) -> Path:
        write_results(tmp_path / file, made(*arguments, **keywords))
        return tmp_path / file

    return write


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["aflw", *map(str, arguments)])


def number(output: str, label: str) -> str:
    """What follows the label in the first table row that starts with it."""
    return next(line for line in output.splitlines() if line.startswith(label)).removeprefix(label).strip()


def test_the_papers_rows(write: Write) -> None:
    printed = {"RCPR": "11.60", "SDM": "8.50", "CFAN": "10.94", "TCDCN": "7.60", "RAR": "7.23"}
    output = run("--results", write("r.json", 2)).output
    assert {name: number(output, f"{name} (paper)") for name in paper.TABLE_3} == printed


@pytest.mark.parametrize("five", [False, True])
def test_the_whole_set(write: Write, five: bool) -> None:
    """Every point 1.5 px off at the last stage, 60 px between the eyes: 2.50 %; S_d five times as much."""
    result = run("--results", write("r.json", 2995, five))
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == "aflw 2995 faces NME_pupil 2.50 FR10 0.0"
    assert number(result.output, "vgg19 (ours)") == "2.50"
    stages = {name: number(result.output, name) for name in ("S_d", "S_hat_0", "S_hat_1", "S_hat_2", "S_hat_3")}
    assert stages == {"S_d": "12.50", "S_hat_0": "10.00", "S_hat_1": "7.50", "S_hat_2": "5.00", "S_hat_3": "2.50"}
    assert "*" not in result.output
    assert ("a 68-point model" in result.output) is not five


def test_five_points_on_68(made: MakeResults) -> None:
    shapes = np.random.default_rng(0).uniform(0, 100, (3, 4, 68, 2))
    np.testing.assert_allclose(aflw.five_points(shapes), five_points(shapes))


def test_five_points_on_real_faces(real_shapes: np.ndarray) -> None:
    """In scheme 5's order: eyes, nose, mouth; the normaliser is the 68-point shapes' inter-pupil distance."""
    points = aflw.five_points(real_shapes)
    np.testing.assert_allclose(points[:, :2], np.stack(eye_centres(real_shapes, SCHEME_68), axis=1))
    np.testing.assert_allclose(pupil_distance(points, SCHEME_5), pupil_distance(real_shapes, SCHEME_68))
    left, right, nose, mouth_left, mouth_right = points.mean(axis=0)
    assert left[0] < mouth_left[0] < nose[0] < mouth_right[0] < right[0]
    assert left[1] < nose[1] < mouth_left[1]


def test_failures_and_errors_face_by_face(made: MakeResults, tmp_path: Path) -> None:
    """Against loops; one face of three is 9 px, that is 15 %, off."""
    good, bad = made(3), made(3, error=9.0)
    results = dataclasses.replace(good, faces=(*good.faces[:2], bad.faces[2]))
    write_results(tmp_path / "r.json", results)
    errors = []
    for face in results.faces:
        found = five_points(face.stages[-1])
        eyes = math.dist(face.ground_truth[0], face.ground_truth[1])
        errors.append(sum(math.dist(found[i], face.ground_truth[i]) for i in range(5)) / 5 / eyes)
    assert run("--results", tmp_path / "r.json").output.splitlines()[-1] == (
        f"aflw 3 faces NME_pupil {100 * np.mean(errors):.2f} FR10 33.3"
    )


def test_the_annotations_offset(write: Write) -> None:
    """All points 1.5 px off along (0.6, 0.8): nothing is left of the error once that is taken away."""
    score = aflw.evaluate(write("r.json", 4))
    np.testing.assert_allclose(score.offset, (0.9, 1.2), atol=1e-3)
    np.testing.assert_allclose(score.centred, 0, atol=1e-4)


def test_a_part_of_the_set_is_flagged(write: Write) -> None:
    output = run("--results", write("r.json", 7)).output
    assert number(output, "vgg19 (ours)") == "2.50*"
    assert "* not comparable with the paper: vgg19 has 7 faces of aflw, the paper's has 2995" in output
    assert output.splitlines()[-1] == "aflw 7 faces NME_pupil 2.50 FR10 0.0"


def test_other_faces_are_not_put_beside_the_paper(write: Write) -> None:
    output = run("--results", write("r.json", 7, raw="mine")).output
    assert "(paper)" not in output
    assert "*" not in output


def test_what_the_table_states(write: Write) -> None:
    output = " ".join(run("--results", write("r.json", 3)).output.split())
    facts = ["data mtfl (aflw 3)", "boxes detector with margin 1.4", "sha256 0123456789ab", "commit c0ffeec0ffee"]
    assert [fact for fact in facts if fact not in output] == []


def test_two_models_share_a_table(write: Write, tmp_path: Path) -> None:
    first, second = write("a.json", 5, five=True), write("b.json", 5, error=3.0)
    table = tmp_path / "t.csv"
    output = run("--results", first, "--results", second, "--csv", table).output
    assert output.splitlines()[-4:] == [
        f"{first}:", "aflw 5 faces NME_pupil 2.50 FR10 0.0", f"{second}:", "aflw 5 faces NME_pupil 5.00 FR10 0.0",
    ]  # fmt: skip
    rows = [(row["row"], row["value"]) for row in csv.DictReader(table.open()) if row["table"] == "table3"]
    assert rows[-3:] == [
        ("RAR (paper)", "7.23"), (f"vgg19 [{first}] (ours)", "2.50"), (f"vgg19 [{second}] (ours)", "5.00"),
    ]  # fmt: skip


def test_files_that_do_not_fit(write: Write, make_results: MakeResults, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_results(path, make_results({"helen": 2}))
    refused(path, "has 68-point annotations: AFLW is scored on 5 points")
    refused(write("val.json", 2, subset="val"), "has no faces of the set aflw")
    results = run("--results", write("a.json", 2), "--results", write("b.json", 2, raw="mine"))
    assert "different data" in str(results.exception)
    path.write_text(path.read_text()[:-9])
    refused(path, "is not JSON or is cut short")


def test_eyes_in_one_place(made: MakeResults, tmp_path: Path) -> None:
    results = made(2)
    face = results.faces[1]
    truth = face.ground_truth.copy()
    truth[1] = truth[0]
    faces = (results.faces[0], dataclasses.replace(face, ground_truth=truth))
    write_results(tmp_path / "r.json", dataclasses.replace(results, faces=faces))
    refused(tmp_path / "r.json", "no pupil distance to divide by: mend its annotation")


def refused(path: Path, words: str) -> None:
    error = run("--results", path).exception
    assert isinstance(error, RarError)
    assert str(path) in str(error)
    assert words in str(error)
    assert "\n" not in str(error)
