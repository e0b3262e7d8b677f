"""The results file: what is written is read, and whatever is wrong is told in one line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layers.common.errors import RarError
from tools.evaluate.origin import origin
from tools.evaluate.results import Results, read_results, write_results

MakeResults = Callable[..., Results]


@pytest.fixture
def written(tmp_path: Path, make_results: MakeResults) -> Path:
    path = tmp_path / "run" / "results.json"
    write_results(path, make_results({"helen": 2, "ibug": 1}))
    return path


def test_round_trip(tmp_path: Path, make_results: MakeResults) -> None:
    results = make_results({"helen": 2, "ibug": 1})
    path = tmp_path / "results.json"
    write_results(path, results)
    back = read_results(path)
    assert (back.scheme, back.model, back.data, back.steps) == (results.scheme, results.model, results.data, 3)
    for face, expected in zip(back.faces, results.faces, strict=True):
        assert (face.name, face.subset) == (expected.name, expected.subset)
        for key in ("ground_truth", "s_d", "stages", "box"):
            np.testing.assert_allclose(getattr(face, key), getattr(expected, key), atol=0.00051)
        for key in ("confidence", "peak"):
            np.testing.assert_allclose(getattr(face, key), getattr(expected, key), atol=0.00000051)
        np.testing.assert_array_equal(face.centres, expected.centres)


def test_the_version_is_in_the_origin_and_older_files_have_none(written: Path) -> None:
    raw = json.loads(written.read_text())
    raw["model"]["version"] = "1.2.3"
    written.write_text(json.dumps(raw))
    assert "RAR-Caffe 1.2.3, commit c0ffee" in origin("row", read_results(written), "faces")
    del raw["model"]["version"]
    written.write_text(json.dumps(raw))
    assert read_results(written).model.version == ""
    assert ", commit c0ffee" in origin("row", read_results(written), "faces")


def test_the_seed_of_a_training_is_kept_where_it_is_known(tmp_path: Path, make_results: MakeResults) -> None:
    results = make_results({"helen": 1})
    for seed in (None, 0, 7):
        path = tmp_path / "results.json"
        write_results(path, dataclasses.replace(results, model=dataclasses.replace(results.model, seed=seed)))
        assert read_results(path).model.seed == seed
        assert ('"seed"' in path.read_text()) == (seed is not None)


def test_hidden_landmarks_are_kept_where_they_are_told(tmp_path: Path, make_results: MakeResults) -> None:
    results, path = make_results({"helen": 2}), tmp_path / "results.json"
    flags = np.arange(68) % 2
    told = (dataclasses.replace(results.faces[0], hidden=flags), results.faces[1])
    write_results(path, dataclasses.replace(results, faces=told))
    first, second = read_results(path).faces
    assert first.hidden is not None and first.hidden.tolist() == flags.tolist()
    assert second.hidden is None and path.read_text().count('"hidden"') == 1
    for bad, message in ((flags[:5], "hidden has the shape"), (2 * flags, "else than 0 and 1")):
        with pytest.raises(RarError, match=f"helen/1: {message}|helen/1: hidden holds something {message}"):
            write_results(path, dataclasses.replace(results, faces=(dataclasses.replace(told[0], hidden=bad),)))


def test_written_again_it_is_the_same_file(written: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    write_results(again, read_results(written))
    assert again.read_bytes() == written.read_bytes()


def test_one_face_a_line_with_three_decimals(written: Path) -> None:
    lines = [line for line in written.read_text().splitlines() if '"ground_truth"' in line]
    assert [json.loads(line.rstrip(","))["name"] for line in lines] == ["helen/1", "helen/2", "ibug/1"]
    decimals = [len(str(x).partition(".")[2]) for x in np.ravel(json.loads(lines[2])["stages"])]
    assert max(decimals) == 3


def test_a_method_without_stages_fits_in(tmp_path: Path, make_results: MakeResults) -> None:
    results = make_results({"helen": 1})
    face = results.faces[0]
    single = dataclasses.replace(
        face, s_d=face.s_d, stages=face.s_d[None], centres=face.centres[:0], confidence=face.confidence[:0]
    )
    write_results(tmp_path / "r.json", dataclasses.replace(results, steps=0, faces=(single,)))
    assert read_results(tmp_path / "r.json").faces[0].stages.shape == (1, 68, 2)


def _lacks(face: dict[str, Any]) -> None:
    del face["stages"]


def _nan(face: dict[str, Any]) -> None:
    face["stages"][2][5][0] = float("nan")


def _stage_missing(face: dict[str, Any]) -> None:
    face["stages"].pop()


def _point_missing(face: dict[str, Any]) -> None:
    face["ground_truth"].pop()


def _ragged(face: dict[str, Any]) -> None:
    face["s_d"][3] = [1.0]


def _text(face: dict[str, Any]) -> None:
    face["box"][0] = "left"


def _no_landmark(face: dict[str, Any]) -> None:
    face["centres"][0] = 68


def _copied(face: dict[str, Any]) -> None:
    face["name"] = "helen/1"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_lacks, "face helen/2 lacks the key 'stages'"),
        (_nan, "face helen/2: stages holds NaN"),
        (_stage_missing, r"face helen/2: stages has the shape \(3, 68, 2\), not \(4, 68, 2\)"),
        (_point_missing, "face helen/2: ground_truth has the shape"),
        (_ragged, "face helen/2 holds something else than numbers"),
        (_text, "face helen/2 holds something else than numbers"),
        (_no_landmark, "face helen/2: a centre is no landmark index below 68"),
        (_copied, "face helen/1 is there 2 times"),
    ],
)
def test_a_damaged_face_is_named(written: Path, damage: Callable[[dict[str, Any]], None], message: str) -> None:
    content = json.loads(written.read_text())
    damage(content["faces"][1])
    _assert_refused(written, json.dumps(content), message)


DATA = {"boxes": "detector", "margin": 1.4, "raw": "300w", "note": ""}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "rar-results/9", "not a results file of format rar-results/1"),
        ("scheme", "194", "unknown landmark scheme '194'"),
        ("truth_scheme", "21", "unknown landmark scheme '21'"),
        ("truth_scheme", "29", r"ground_truth has the shape \(68, 2\), not \(29, 2\)"),
        ("steps", "15", "steps is not a whole number"),
        ("faces", [], "holds no face"),
        ("faces", 7, "malformed"),
        ("faces", ["helen/1"], "face number 0 is not an object"),
        ("model", {"name": "x"}, "model lacks 'weights'"),
        ("data", None, "malformed"),
        ("data", {**DATA, "sets": {"ibug": {"boxes": "gt"}}}, "sets, ibug lacks 'margin'"),
    ],
)
def test_a_damaged_head_is_named(written: Path, key: str, value: object, message: str) -> None:
    content = json.loads(written.read_text())
    content[key] = value
    _assert_refused(written, json.dumps(content), message)


def test_a_file_cut_short(written: Path) -> None:
    text = written.read_text()
    _assert_refused(written, text[: len(text) // 2], "cut short")
    _assert_refused(written, "[1, 2]", "not a results file")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(RarError, match=r"cannot read .*no\.json"):
        read_results(tmp_path / "no.json")


def test_a_diverged_model_writes_no_file(tmp_path: Path, make_results: MakeResults) -> None:
    results = make_results({"helen": 1})
    results.faces[0].stages[-1, 0, 0] = np.nan
    with pytest.raises(RarError, match="holds NaN"):
        write_results(tmp_path / "r.json", results)
    assert list(tmp_path.iterdir()) == []


def _assert_refused(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(RarError, match=message) as caught:
        read_results(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
