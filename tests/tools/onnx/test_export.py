"""The exported detector against real Caffe, what the file says of itself, and the command."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import caffe
import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.files import sha256
from layers.common.prepared import PreparedSet
from tests.tools.small import SMALL
from tools.build import venv
from tools.build.environment import PROJECT
from tools.model import crop_detector, network, presets
from tools.model.caffe_net import net_from
from tools.model.crop_detector import CropDetector, Detections
from tools.model.presets import TINY, Preset
from tools.model.weight_file import read_weights
from tools.model.weights import load_weights
from tools.onnx.__main__ import main

pytest.importorskip("onnxruntime", reason="no onnxruntime here: run ./rar-caffe packages onnx")

from tests.tools.onnx.sessions import session
from tools.onnx import compare
from tools.onnx.compare import detect
from tools.onnx.export import export

Array = np.ndarray
FACES = 7
TIE = 2e-5  # px
PX = 0.01  # how far a landmark may be from Caffe's
SHARPER, LIVELIER = 50, 5


def lively(preset: Preset, trained: Path, path: Path) -> Path:
    """A dozen iterations of training, then sharper peaks and livelier LSTMs than these can bring about."""
    net = net_from(network.deploy(preset), caffe.TEST)
    load_weights(net, read_weights(trained / "rar_iter_12.caffemodel"), ("conv", "reduction", "deconv"))
    net.params["conv8"][0].data[...] *= SHARPER
    for lstm in ("a_lstm", "r_lstm"):
        for part in ("input", "forget", "output", "candidate"):
            net.params[f"{lstm}_{part}_0"][0].data[...] *= LIVELIER
    net.save(str(path))
    return path


@pytest.fixture(scope="module")
def weights(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lively(SMALL, trained, tmp_path_factory.mktemp("onnx") / "lively.caffemodel")


@pytest.fixture(scope="module")
def crops(prepared: Path) -> Array:
    faces = PreparedSet(prepared / "train")
    return np.stack([faces.image(row) for row in range(FACES)])


def found_by(model: Any, crops: Array) -> dict[str, Array]:
    return detect(session(model), crops)


def in_caffe(preset: Preset, weights: Path, crops: Array, tmp_path: Path) -> Detections:
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text(str(network.deploy(preset)))
    return CropDetector(preset, weights, deploy).detect(crops)


def without_ties(found: Array, wanted: Array) -> Array:
    """The faces on which no last digit decides which of two pixels a landmark half-way between them reads."""
    tied = (np.floor(found + 0.5) != np.floor(wanted + 0.5)) & (np.abs(found - wanted) < TIE)
    clear = ~tied.any(axis=(1, 2, 3))
    assert clear.sum() > len(clear) / 2
    return np.asarray(clear)


def assert_same(found: dict[str, Array], wanted: Detections) -> None:
    pairs = {
        "points": wanted.stages[:, -1], "stages": wanted.stages, "s_d": wanted.s_d, "centres": wanted.centres,
    }  # fmt: skip
    assert {*pairs, "confidence"} == set(found)
    clear = without_ties(found["stages"], wanted.stages)
    for name, value in pairs.items():
        assert found[name].shape == value.shape
        np.testing.assert_allclose(found[name][clear], value[clear], atol=PX, rtol=0, err_msg=name)
    np.testing.assert_allclose(found["confidence"], wanted.peak, atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"initialisation": "mean"},
        {"initialisation": "direct", "weighting": "uniform"},
        {"weighting": "ones", "steps": 1, "window": 5},
    ],
)
def test_the_same_as_caffe(changes: dict[str, Any], weights: Path, crops: Array, tmp_path: Path) -> None:
    preset = replace(SMALL, **changes)
    wanted = in_caffe(preset, weights, crops, tmp_path)
    model = export(preset, weights, tmp_path / "rar.onnx")
    assert_same(found_by(model, crops), wanted)
    assert np.abs(np.diff(wanted.stages, axis=1)).max() > 0.3, "the steps move the landmarks"


def test_the_mean_shift_too(trained: Path, crops: Array, tmp_path: Path) -> None:
    preset = replace(SMALL, shift_radius=2, shift_scale=20.0)
    weights = lively(preset, trained, tmp_path / "shifted.caffemodel")
    wanted = in_caffe(preset, weights, crops, tmp_path)
    assert_same(found_by(export(preset, weights, tmp_path / "rar.onnx"), crops), wanted)
    assert np.abs(np.diff(wanted.stages, axis=1)).max() > 0.3, "the steps move the landmarks"


def test_the_batch_does_not_matter(weights: Path, crops: Array, tmp_path: Path) -> None:
    model = export(SMALL, weights, tmp_path / "rar.onnx")
    together = found_by(model, crops)
    assert len(np.unique(together["centres"])) > 2, "the centres are not all alike"
    for size in (1, 3):
        parts = [found_by(model, crops[first : first + size]) for first in range(0, FACES, size)]
        for name, value in together.items():
            np.testing.assert_allclose(np.concatenate([part[name] for part in parts]), value, atol=PX)


def test_rgb_images_as_input(weights: Path, crops: Array, tmp_path: Path) -> None:
    model = export(SMALL, weights, tmp_path / "rar.onnx", rgb=True)
    found = found_by(model, crops)
    assert_same(found, in_caffe(SMALL, weights, crops, tmp_path))
    assert [prop.value for prop in model.metadata_props if prop.key == "colour_order"] == ["RGB"]


def test_half_the_size(weights: Path, crops: Array, tmp_path: Path) -> None:
    """Weights of 16 bits keep S_d of nearly all landmarks; LSTMs as lively as these do not forgive more."""
    whole, half = tmp_path / "whole.onnx", tmp_path / "half.onnx"
    wanted = found_by(export(SMALL, weights, whole), crops)["s_d"]
    found = found_by(export(SMALL, weights, half, half=True), crops)["s_d"]
    assert half.stat().st_size < 0.7 * whole.stat().st_size
    apart = np.linalg.norm(found - wanted, axis=-1)
    assert 0 < np.median(apart) < 0.1 and (apart < 0.5).mean() > 0.8


def test_the_file_tells_what_it_is(weights: Path, tmp_path: Path) -> None:
    model = export(SMALL, weights, tmp_path / "rar.onnx")
    about = session(model).get_modelmeta().custom_metadata_map
    assert (about["preset"], about["scheme"], about["crop_size"], about["crop_margin"]) == ("tiny", "68", "64", "1.4")
    assert about["colour_order"] == "BGR" and about["mean_bgr"] == "103.939 116.779 123.68"
    assert about["weights_sha256"] == sha256(weights) and "research only" in about["licence"] and about["commit"]
    assert (about["weights"], about["trained_on"], about["boxes"]) == (weights.name, "not known", "not known")
    stored = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    assert stored < 1.3 * weights.stat().st_size, "weights that the steps share are stored once"


def test_the_example_of_the_documentation(weights: Path, crops: Array, tmp_path: Path) -> None:
    """Run as it stands, by a Python without this project and without Caffe."""
    (example,) = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "onnx.md").read_text(), re.S)
    export(SMALL, weights, tmp_path / "rar.onnx")
    np.save(tmp_path / "crop.npy", crops[0])
    program = f"{example}\nimport sys; assert 'caffe' not in sys.modules; np.save('points.npy', points)"
    subprocess.run([venv.python("onnx"), "-I", "-c", program], cwd=tmp_path, check=True)
    wanted = in_caffe(SMALL, weights, crops[:1], tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "points.npy"), wanted.stages[0, -1], atol=PX)


@pytest.mark.parametrize("policy", ["random", "stochastic"])
def test_a_policy_that_draws_is_refused(weights: Path, tmp_path: Path, policy: str) -> None:
    with pytest.raises(RarError, match="a policy that draws its centres: choose argmax or fixed"):
        export(replace(SMALL, policy=policy), weights, tmp_path / "rar.onnx")
    assert not list(tmp_path.iterdir())


def test_a_policy_that_draws_in_training_alone_is_the_argmax(weights: Path, crops: Array, tmp_path: Path) -> None:
    def centres(policy: str) -> Array:
        path = tmp_path / f"{policy}.onnx"
        export(replace(SMALL, policy=policy), weights, path)
        return np.asarray(detect(compare.open_model(path, 1), crops)["centres"])

    sampled, chosen, fixed = map(centres, ("sample", "argmax", "fixed"))
    np.testing.assert_array_equal(sampled, chosen)
    assert (fixed == network.fixed_order(SMALL)).all() and not (chosen == fixed).all()


def test_a_flip_test_is_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(RarError, match="takes a crop as it is: leave out flip_test"):
        export(replace(SMALL, flip_test=True), weights, tmp_path / "m.onnx")


def test_a_random_start_is_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(RarError, match=r"layer initialisation \(InitialisationLayer\) cannot be exported to ONNX"):
        export(replace(SMALL, initialisation="random"), weights, tmp_path / "rar.onnx")


def test_weights_without_basis_shapes_are_refused(tmp_path: Path) -> None:
    net_from(network.deploy(SMALL), caffe.TEST).save(str(tmp_path / "untrained.caffemodel"))
    with pytest.raises(RarError, match="the weights hold no basis shapes"):
        export(SMALL, tmp_path / "untrained.caffemodel", tmp_path / "rar.onnx")


def test_weights_of_another_preset_leave_nothing_behind(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(RarError, match="it is for another net"):
        export(TINY, weights, tmp_path / "rar.onnx")
    assert not list(tmp_path.iterdir())


def test_the_command(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(presets.PRESETS, "tiny", SMALL)
    out = tmp_path / "new" / "rar.onnx"
    main(["--preset", "tiny", "--weights", str(weights), "--out", str(out), "--rgb"], standalone_mode=False)
    assert out.is_file() and capsys.readouterr().out.startswith(f"{out}: ")


def test_the_comparison(
    weights: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same model is the same; one of other weights is not, and its faces are named."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "deploy.prototxt").write_text(str(network.deploy(SMALL)))
    monkeypatch.setattr(crop_detector, "PROTOTXT", tmp_path)
    monkeypatch.setitem(presets.PRESETS, "tiny", SMALL)
    words = ["--preset", "tiny", "--weights", str(weights), "--data", str(prepared / "helen"), "--faces", "2"]
    for start in ("robust", "mean"):
        out = tmp_path / f"{start}.onnx"
        export(replace(SMALL, initialisation=start), weights, out)
        compare.main([*words, "--onnx", str(out), "--threads", "1"], standalone_mode=False)
        said = capsys.readouterr().out
        assert "2 faces, medians: Caffe " in said and ("over 0.01 px: " in said) == (start == "mean")
    with pytest.raises(RarError, match="is no ONNX model of ours"):
        compare.main([*words, "--onnx", str(weights)], standalone_mode=False)


def test_without_onnx_it_says_what_to_run(tmp_path: Path) -> None:
    words = ["--preset", "tiny", "--weights", "none", "--out", str(tmp_path / "rar.onnx")]
    code = f"import runpy, sys; sys.modules['onnx'] = None; sys.argv[1:] = {words}; "
    code += "runpy.run_module('tools.onnx', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error: this Python has no package onnx: run make onnx or make test-onnx, which bring their own\n"
    )
