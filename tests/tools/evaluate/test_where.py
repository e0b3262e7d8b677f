"""`rar-caffe evaluate where`: faces of known pose, size and hidden share land in the rows they belong to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from data_prep.synthetic_faces.model import Expression, Identity
from layers.common import metrics
from layers.common.errors import RarError
from layers.common.schemes import SCHEME_68
from layers.common.shapes import pupil_distance
from tests.tools.common.test_pose import head
from tests.tools.conftest import EYES, STEPS
from tests.tools.evaluate.test_cofw import faces_29, faces_68
from tests.tools.evaluate.test_cofw import results as cofw_results
from tools.evaluate import aflw, where
from tools.evaluate.__main__ import main
from tools.evaluate.bins import ABOVE_ZERO, bins
from tools.evaluate.results import FaceResult, Results, read_results, write_results
from tools.evaluate.statistics import mean_interval
from tools.evaluate.table import Table

MakeResults = Callable[..., Results]
Turned = tuple[float, float, float]


def known(made: Results, truths: list[np.ndarray], errors: np.ndarray, start: float = 2.0) -> Results:
    """The results on other faces: S_hat_T is errors (n,) per cent off, all before it `start` more."""
    faces = []
    for face, truth, error in zip(made.faces, truths, errors, strict=True):
        off = pupil_distance(truth, SCHEME_68) * np.array([0.6, 0.8]) / 100
        stages = np.stack([truth + off * (error + start)] * STEPS + [truth + off * error])
        faces.append(dataclasses.replace(face, ground_truth=truth, s_d=stages[0], stages=stages))
    return dataclasses.replace(made, faces=tuple(faces))


def turned_head(turned: Turned) -> np.ndarray:
    """The mean face turned."""
    return head(Identity(), Expression(), turned)


def sized(points: np.ndarray, side: float) -> np.ndarray:
    """The points with `side` px for the longer side of their rectangle."""
    return points * side / np.ptp(points, axis=0).max()


def rows(table: Table) -> dict[str, dict[str, float | None]]:
    return {row.label: dict(zip(table.columns, (cell.value for cell in row.cells), strict=True)) for row in table.rows}


def tables(path: Path, fewest: int = 20) -> dict[str, Table]:
    """By what they are by."""
    return {table.key.split("_")[1]: table for table in where.tables(where.evaluate(path), fewest)}


def test_ranges_join_until_each_has_enough() -> None:
    values = np.array([1.0] * 30 + [7.0] * 3 + [12.0] * 25 + [33.0] * 2 + [np.nan])
    found = bins(values, (5, 10, 20, 30), fewest=20)
    assert [(part.label("°"), part.faces) for part in found] == [("under 5°", 30), ("5° and over", 30)]
    assert sum(part.faces for part in found) == 60, "NaN is of none"
    alone = bins(values, (5, 10, 20, 30), fewest=1000)
    assert [part.label("°") for part in alone] == ["all"]


def test_ranges_are_named_as_one_reads_them() -> None:
    values = np.repeat(np.array([0.0, 4.0, 15.0]), 5)
    assert [part.label(" %") for part in bins(values, (ABOVE_ZERO, 10), 1)] == ["none", "0 to 10 %", "10 % and over"]
    assert [part.label(" %") for part in bins(values, (ABOVE_ZERO,), 1)] == ["none", "some"]
    assert [part.label("°") for part in bins(values - 10.0, (-8, 0), 1)] == ["under -8°", "-8 to 0°", "0° and over"]


@pytest.mark.parametrize("key", ["yaw", "pitch", "roll"])
def test_faces_of_known_pose_are_in_their_rows(tmp_path: Path, make_results: MakeResults, key: str) -> None:
    """30 faces straight at 3 %, 30 turned by 14 degrees at 6, 30 by 26 at 12: on both sides where sides are alike."""
    angles = np.repeat([0.0, 14.0, 26.0], 30)
    sides = np.ones(90) if key == "pitch" else np.tile([1.0, -1.0], 45)
    poses = [{"yaw": 0.0, "pitch": 0.0, "roll": 0.0, key: angle} for angle in angles * sides]
    truths = [turned_head((pose["yaw"], pose["pitch"], pose["roll"])) for pose in poses]
    path = tmp_path / "results.json"
    write_results(path, known(make_results({"helen": 90}), truths, np.repeat([3.0, 6.0, 12.0], 30)))
    found = rows(tables(path)[key])
    assert [row["faces"] for row in found.values()] == [30, 30, 30]
    assert [row["S_hat_3"] for row in found.values()] == pytest.approx([3, 6, 12], abs=1e-3)
    assert [row["S_hat_0"] for row in found.values()] == pytest.approx([5, 8, 14], abs=1e-3)
    assert [row["S_d"] for row in found.values()] == pytest.approx([5, 8, 14], abs=1e-3)
    assert [row["change"] for row in found.values()] == pytest.approx([-2, -2, -2], abs=1e-3)
    assert [row["FR10"] for row in found.values()] == [0, 0, 100]
    assert list(found)[1:] == ["10 to 20°", "20 to 30°" if key != "pitch" else "20° and over"]


def test_faces_of_known_size_are_in_their_rows(tmp_path: Path, make_results: MakeResults) -> None:
    sizes = np.repeat([35.0, 70.0, 140.0], 25)
    path = tmp_path / "results.json"
    truths = [sized(turned_head((30, 0, 0)), side) for side in sizes]
    write_results(path, known(make_results({"helen": 75}), truths, np.repeat([9.0, 5.0, 4.0], 25)))
    found = rows(tables(path)["size"])
    assert [(row["faces"], row["S_hat_3"]) for row in found.values()] == [
        (25, pytest.approx(9, abs=1e-2)), (25, pytest.approx(5, abs=1e-2)), (25, pytest.approx(4, abs=1e-2)),
    ]  # fmt: skip
    assert list(found) == ["30 to 40 px", "60 to 80 px", "125 to 150 px"]


def test_a_row_is_the_usual_mean_with_its_interval(tmp_path: Path, make_results: MakeResults) -> None:
    errors = np.random.default_rng(3).gamma(4, 1.5, 60)
    path = tmp_path / "results.json"
    write_results(path, known(make_results({"helen": 60}), [turned_head((0, 0, 0))] * 60, errors))
    row = rows(tables(path)["part"])["all of it"]
    seen = read_results(path)
    final = 100 * metrics.face_errors(
        np.stack([face.stages[-1] for face in seen.faces]), np.stack([face.ground_truth for face in seen.faces]),
        SCHEME_68, "pupil",
    )  # fmt: skip
    assert (row["S_hat_3"], row["low"], row["high"]) == pytest.approx(mean_interval(final[None]))
    assert row["FR10"] == pytest.approx(100 * (final > 10).mean())
    assert row["low"] < row["S_hat_3"] < row["high"]  # type: ignore[operator]


def test_parts_have_their_own_error(tmp_path: Path, make_results: MakeResults) -> None:
    """The nose alone is 6 px off, 10 %; a part's failures are its own."""
    made = make_results({"helen": 4}, error=0.0)
    nose = list(SCHEME_68.groups["nose"])
    faces = []
    for face in made.faces:
        stages = face.stages.copy()
        stages[-1, nose, 0] += 0.11 * EYES
        faces.append(dataclasses.replace(face, stages=stages))
    path = tmp_path / "results.json"
    write_results(path, dataclasses.replace(made, faces=tuple(faces)))
    found = rows(tables(path)["part"])
    assert found["nose"]["S_hat_3"] == pytest.approx(11, abs=1e-2) and found["nose"]["FR10"] == 100
    assert found["mouth"]["S_hat_3"] == pytest.approx(0, abs=1e-2)
    assert found["all of it"]["S_hat_3"] == pytest.approx(11 * len(nose) / 68, abs=1e-2)
    assert set(found) == {*SCHEME_68.groups, "all of it"}


def hidden(face: FaceResult, count: int, landmarks: int = 68) -> FaceResult:
    return dataclasses.replace(face, hidden=(np.arange(landmarks) < count).astype(np.int64))


def test_hidden_landmarks_are_counted_where_the_file_tells_them(tmp_path: Path, make_results: MakeResults) -> None:
    path = tmp_path / "results.json"
    made = make_results({"helen": 60})
    counts = np.repeat([0, 5, 30], 20)
    faces = [hidden(face, count) for face, count in zip(made.faces, counts, strict=True)]
    write_results(path, dataclasses.replace(made, faces=tuple(faces)))
    found = rows(tables(path)["hidden"])
    assert list(found)[0] == "none" and [row["faces"] for row in found.values()] == [20, 20, 20]
    write_results(path, dataclasses.replace(made, faces=(*made.faces[:30], *faces[30:])))
    half = tables(path)["hidden"]
    assert half.notes == ("not known of 30 faces",)
    write_results(path, made)
    assert "does not tell which landmarks are hidden" in tables(path)["hidden"].notes[0]


def test_the_worst_faces_are_named(tmp_path: Path, make_results: MakeResults) -> None:
    errors = np.arange(1.0, 31)
    path = tmp_path / "results.json"
    write_results(path, known(make_results({"helen": 30}), [sized(turned_head((20, 0, 0)), 80)] * 30, errors))
    table = tables(path)["worst"]
    assert [row.label for row in table.rows] == [f"helen/{number}" for number in range(30, 20, -1)]
    first = rows(table)["helen/30"]
    assert first["S_hat_3"] == pytest.approx(30, abs=1e-2) and first["size, px"] == pytest.approx(80, abs=0.01)
    assert first["yaw, °"] == pytest.approx(20, abs=1.5) and first["hidden, %"] is None


def test_the_command(tmp_path: Path, make_results: MakeResults) -> None:
    path, table = tmp_path / "results.json", tmp_path / "where.csv"
    write_results(path, make_results({"helen": 12, "ibug": 3}))
    runner = CliRunner()
    done = runner.invoke(main, ["where", "--results", str(path), "--csv", str(table)], catch_exceptions=False)
    assert done.output.splitlines()[-1] == "all 15 faces NME_pupil 2.50 FR10 0.0"
    assert "where_part_vgg19,all of it,faces,15," in table.read_text()
    some = runner.invoke(main, ["where", "--results", str(path), "--subset", "ibug"], catch_exceptions=False)
    assert some.output.splitlines()[-1] == "ibug 3 faces NME_pupil 2.50 FR10 0.0"
    with pytest.raises(RarError, match="no face of the subset lfpw"):
        runner.invoke(main, ["where", "--results", str(path), "--subset", "lfpw"], catch_exceptions=False)


def test_a_method_without_stages_has_no_change(tmp_path: Path, make_results: MakeResults) -> None:
    made = make_results({"helen": 3})
    faces = tuple(
        dataclasses.replace(f, stages=f.stages[-1:], centres=f.centres[:0], confidence=f.confidence[:0])
        for f in made.faces
    )
    path = tmp_path / "results.json"
    write_results(path, dataclasses.replace(made, steps=0, faces=faces))
    assert tables(path)["part"].columns == ("faces", "S_d", "S_hat_0", "low", "high", "FR10")


def test_cofw_faces_are_scored_on_29_points_and_tell_no_pose(tmp_path: Path) -> None:
    """A 29-point model's training faces are left out; a 68-point model's shapes are mapped first."""
    direct, mapped = tmp_path / "direct.json", tmp_path / "mapped.json"
    flagged = [hidden(face, count, 29) for face, count in zip(faces_29(40), [0] * 20 + [12] * 20, strict=True)]
    write_results(direct, cofw_results("29", [*faces_29(5, "train", error=9), *flagged]))
    found = tables(direct)
    assert rows(found["part"])["all of it"]["faces"] == 40
    assert rows(found["part"])["all of it"]["S_hat_2"] == pytest.approx(2, abs=1e-2)
    assert [row["faces"] for row in rows(found["hidden"]).values()] == [20, 20]
    assert "scheme 29 tell no pose" in found["yaw"].notes[0]
    write_results(mapped, cofw_results("68", [*faces_68(60, "train", 0), *faces_68(30, "cofw", 1)]))
    whole = rows(tables(mapped)["part"])["all of it"]
    assert whole["faces"] == 30 and whole["S_hat_2"] < 0.1  # type: ignore[operator]


def test_a_68_point_model_on_aflw_is_scored_on_five_points(tmp_path: Path, make_results: MakeResults) -> None:
    made = make_results({"aflw": 25}, raw="mtfl")
    faces = [dataclasses.replace(face, ground_truth=aflw.five_points(face.ground_truth)) for face in made.faces]
    path = tmp_path / "results_aflw.json"
    write_results(path, dataclasses.replace(made, truth_scheme="5", faces=tuple(faces)))
    found = tables(path)
    assert rows(found["part"])["all of it"]["S_hat_3"] == pytest.approx(2.5, abs=1e-2)
    assert found["yaw"].rows, "five points tell a pose"


def test_real_faces_fill_several_rows_of_every_property(
    real_shapes: np.ndarray, tmp_path: Path, make_results: MakeResults
) -> None:
    """Helen's 330: heads to both sides, up and down, and no row without 20 faces."""
    path = tmp_path / "results.json"
    errors = np.random.default_rng(0).gamma(8, 0.5, len(real_shapes))
    write_results(path, known(make_results({"helen": len(real_shapes)}), list(real_shapes), errors))
    found = tables(path)
    for key, fewest in {"yaw": 4, "pitch": 5, "roll": 3, "size": 1}.items():
        faces = [row["faces"] or 0 for row in rows(found[key]).values()]
        assert len(faces) >= fewest and sum(faces) == len(real_shapes) and min(faces) >= 20, key
