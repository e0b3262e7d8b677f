"""Shipped weights: tested as they are shipped, and a card that says what was measured."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from caffe.proto import caffe_pb2

from data_prep.manifest import read_manifest
from layers.common.errors import RarError
from layers.common.files import sha256
from tests.tools.small import SMALL
from tools.evaluate import w300
from tools.model import crop_detector, presets
from tools.model.run_record import RunRecord
from tools.report.ship import __main__ as ship
from tools.report.ship.card import differences, phases
from tools.test import faces as test_faces

LOG = """phase,iteration,seconds,learning_rate,loss_conv8,nme_pupil_s_hat_3
warm_up,2,40,0.1,8,
warm_up,4,1800,0.1,6,
rar,12,3600,0.1,5,30
"""


@pytest.fixture
def run(trained: Path, small_project: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished and tested run of the small preset."""
    monkeypatch.setattr(crop_detector, "PROTOTXT", small_project / "prototxt")
    monkeypatch.setitem(presets.PRESETS, "tiny", SMALL)
    monkeypatch.setattr(ship, "LARGEST_CHANGE", 0.5)  # of an untrained net, whose maps have no clear peak
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(trained / "rar_iter_12.caffemodel", folder / "rar.caffemodel")
    (folder / "log.csv").write_text(LOG)
    words = ["--preset", "tiny", "--weights", str(folder / "rar.caffemodel"), "--data", str(prepared)]
    test_faces.main([*words, "--out", str(folder / "results.json")], standalone_mode=False)
    return folder


def shipped(run: Path, data: Path, out: Path, *more: str) -> str:
    """The card that the command writes."""
    words = ["--preset", "tiny", "--run", str(run), "--data", str(data), "--out", str(out), *more]
    ship.main([*words, "--commands", "make this | make that"], standalone_mode=False)
    return (out / "README.md").read_text()


def test_the_card_says_what_the_shipped_weights_were_measured_at(run: Path, prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    cnn = tmp_path / "cnn" / "log.csv"
    cnn.parent.mkdir()
    cnn.write_text(LOG[:120])
    card = shipped(run, prepared, out, "--log", str(cnn))
    weights = out / "tiny.caffemodel.h5"
    measured = w300.evaluate(run / "shipped.json")
    assert measured.results.model.sha256 == sha256(weights)
    front = dict(line.split(": ", 1) for line in card.split("---")[1].strip().splitlines())
    assert front["sha256"] == sha256(weights) and front["weights"] == weights.name
    assert (front["warm_up_iterations"], front["rar_iterations"], front["training_hours"]) == ("4", "12", "1.5")
    for subset, score in measured.scores.items():
        assert float(front[f"nme_pupil_{subset}"]) == round(100 * float(score.final("pupil").mean()), 2)
    rows = [line for line in card.splitlines() if line.startswith(("| S_d", "| Ŝ_"))]
    assert [row.split()[1] for row in rows] == ["S_d", *(f"Ŝ_{t}" for t in range(SMALL.steps + 1))]
    assert f" {100 * measured.scores['helen'].stages['corner'][:, 0].mean():.2f} " in rows[0]
    assert "    make this\n    make that\n" in card and "Crops of 64 px" in card
    logs = {name: gzip.decompress((out / name).read_bytes()).decode() for name in ("log.csv.gz", "log_cnn.csv.gz")}
    assert logs == {"log.csv.gz": LOG, "log_cnn.csv.gz": LOG[:120]}
    assert {path.name for path in out.iterdir()} == {"README.md", "loss.png", "stages.png", weights.name, *logs}


def test_the_card_tells_what_is_ours_and_whose_cnn_it_is(run: Path, prepared: Path) -> None:
    manifest, trained = read_manifest(prepared), phases(run / "log.csv")
    words = ("the mean shift of conv8 beside", "combines 5 of 6 basis shapes", "CNN is not of this run")
    assert not any(word in differences(SMALL, manifest, trained) for word in words)
    said = differences(replace(SMALL, shift_radius=2, support=5, basis_size=6), manifest, trained[1:])
    assert all(word in said for word in words)


def test_rounding_that_costs_accuracy_is_refused(
    run: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "LARGEST_CHANGE", -1.0)
    with pytest.raises(RarError, match=r"half precision changes \w+ by [+-].* %: raise MANTISSA_BITS"):
        shipped(run, prepared, tmp_path / "model")
    assert not (tmp_path / "model" / "README.md").exists()


def test_weights_that_changed_since_the_test_do_not_ship(run: Path, prepared: Path, tmp_path: Path) -> None:
    """The card would tell the error of others; nor do data ship a card that the run was not trained on."""
    record = RunRecord(run, {"data": "of others"}, [])
    record.save()
    with pytest.raises(RarError, match="was trained on other data than those given"):
        shipped(run, prepared, tmp_path / "model")
    net = caffe_pb2.NetParameter.FromString((run / "rar.caffemodel").read_bytes())
    next(one for one in net.layer if one.blobs).blobs[0].data[0] += 1
    (run / "rar.caffemodel").write_bytes(net.SerializeToString())
    with pytest.raises(RarError, match=r"rar\.caffemodel has changed since the run was tested: test it again"):
        shipped(run, prepared, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_over_an_earlier_model_all_or_nothing(
    run: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused one leaves what was there; a new one leaves nothing of the old weights, whose checksum its card has."""
    out = tmp_path / "model"
    first = shipped(run, prepared, out, "--log", str(run / "log.csv"))
    calibration = out / "tiny.caffemodel.calibration.json"
    calibration.write_text("{}")
    files = {path.name: sha256(path) for path in out.iterdir()}
    with monkeypatch.context() as strict, pytest.raises(RarError, match="half precision changes"):
        strict.setattr(ship, "LARGEST_CHANGE", -1.0)
        shipped(run, prepared, out)
    assert {path.name: sha256(path) for path in out.iterdir()} == files
    net = caffe_pb2.NetParameter.FromString((run / "rar.caffemodel").read_bytes())
    next(one for one in net.layer if one.name == "r_lstm_candidate_0").blobs[0].data[0] += 1
    (run / "rar.caffemodel").write_bytes(net.SerializeToString())
    words = ["--preset", "tiny", "--weights", str(run / "rar.caffemodel"), "--data", str(prepared)]
    test_faces.main([*words, "--out", str(run / "results.json")], standalone_mode=False)
    assert shipped(run, prepared, out) != first
    assert {path.name for path in out.iterdir()} == files.keys() - {calibration.name, "log_run.csv.gz"}
    assert not list(tmp_path.glob(".tiny-*"))


@pytest.mark.parametrize("text", ["", "phase,iteration\nrar,1\n", "phase,iteration,seconds\nrar,many,1\n"])
def test_a_log_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(RarError, match="log.csv is no log of a training"):
        phases(tmp_path / "log.csv")
