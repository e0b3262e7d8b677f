"""The committed prototxt is what the code makes, and holds the paper's numbers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import caffe
import pytest
from caffe.proto import caffe_pb2
from google.protobuf import text_format

from layers.common.errors import RarError
from tests.conftest import PROJECT
from tools.model import network, prototxt
from tools.model.presets import COMMITTED, PRESETS
from tools.model.presets import preset as make_preset
from tools.model.prototxt import PROTOTXT
from tools.model.text import net_text

NAMES = ("deploy", "solver", "solver_warm_up", "train_val", "train_val_warm_up")
ALL = pytest.mark.parametrize("preset", COMMITTED)


def read_net(preset: str, name: str) -> Any:
    return text_format.Parse((PROTOTXT / preset / f"{name}.prototxt").read_text(), caffe_pb2.NetParameter())


def read_solver(preset: str, name: str) -> Any:
    return text_format.Parse((PROTOTXT / preset / f"{name}.prototxt").read_text(), caffe_pb2.SolverParameter())


def test_committed_files_are_as_the_code_makes_them() -> None:
    command = [sys.executable, "-m", "tools.model.prototxt", "--check"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (0, ["all files up to date"])


def test_a_variants_files_are_made_in_its_run(tmp_path: Path) -> None:
    folder = prototxt.folder_of(make_preset("tiny+weighting=uniform"), tmp_path)
    assert {path.name for path in folder.iterdir()} == {f"{name}.prototxt" for name in NAMES}
    solver = text_format.Parse((folder / "solver.prototxt").read_text(), caffe_pb2.SolverParameter())
    assert solver.net == str(folder / "train_val.prototxt")
    assert '"weighting": "uniform"' in (folder / "deploy.prototxt").read_text()
    assert prototxt.folder_of(make_preset("tiny"), tmp_path) == PROTOTXT / "tiny"


@pytest.mark.parametrize("name", sorted(set(PRESETS) - set(COMMITTED)))
def test_a_preset_without_a_folder_of_its_own(name: str, tmp_path: Path) -> None:
    assert prototxt.folder_of(make_preset(name), tmp_path) == tmp_path / "prototxt"
    prototxt.main(["--preset", name, "--out", str(tmp_path / "mine")], standalone_mode=False)
    solver = text_format.Parse((tmp_path / "mine" / "solver.prototxt").read_text(), caffe_pb2.SolverParameter())
    assert solver.net == str(tmp_path / "mine" / "train_val.prototxt")
    with pytest.raises(RarError, match="go together"):
        prototxt.main(["--preset", name], standalone_mode=False)


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the code takes for prototxt/, up to date."""
    monkeypatch.setattr(prototxt, "PROTOTXT", tmp_path / "prototxt")
    prototxt.main([], standalone_mode=False)
    return tmp_path / "prototxt"


def test_a_file_changed_by_hand_is_named_and_mended(copies: Path) -> None:
    changed, lost = copies / "tiny" / "solver.prototxt", copies / "vgg19" / "deploy.prototxt"
    before = changed.read_text(), lost.read_text()
    changed.write_text(before[0].replace("momentum: 0.9", "momentum: 0.8"))
    lost.unlink()
    named = r"prototxt/vgg19/deploy\.prototxt, prototxt/tiny/solver\.prototxt: run make prototxt"
    with pytest.raises(RarError, match=named):
        prototxt.main(["--check"], standalone_mode=False)
    assert not lost.exists()
    prototxt.main([], standalone_mode=False)
    assert (changed.read_text(), lost.read_text()) == before
    prototxt.main(["--check"], standalone_mode=False)


def test_the_folder_holds_the_presets_and_nothing_else() -> None:
    found = {str(path.relative_to(PROTOTXT)) for path in PROTOTXT.rglob("*.prototxt")}
    assert found == {f"{preset}/{name}.prototxt" for preset in COMMITTED for name in NAMES}


@ALL
@pytest.mark.parametrize("name", ["solver", "solver_warm_up"])
def test_solvers_have_the_papers_settings(preset: str, name: str) -> None:
    solver = read_solver(preset, name)
    assert solver.type == "SGD"
    assert solver.momentum == pytest.approx(0.9)
    assert solver.weight_decay == pytest.approx(0.0001)
    assert (PROTOTXT.parent / solver.net).is_file()
    assert list(solver.test_iter) and solver.snapshot > 0


def of_type(net: Any, kind: str) -> list[Any]:
    return [layer for layer in net.layer if layer.type == kind]


def python_parameters(net: Any, name: str) -> list[dict[str, Any]]:
    """The parameters of every Python layer of one class."""
    layers = (layer.python_param for layer in of_type(net, "Python"))
    return [json.loads(python.param_str) for python in layers if python.layer == name]


@ALL
def test_nets_have_the_papers_numbers(preset: str) -> None:
    """The mini-batch, 2 but for vgg19_plus; T = 15 steps of two LSTMs, alpha 128 px at 256."""
    net = read_net(preset, "train_val")
    samples = python_parameters(net, "SampleLayer")
    assert samples == [
        {"source": "$DATA/train", "batch_size": 16 if preset == "vgg19_plus" else 2},
        {"source": "$DATA/$TEST_SET", "batch_size": 1},
    ]
    assert len(of_type(net, "LSTMUnit")) == 2 * 15
    alpha = 128 * PRESETS[preset].crop_size / 256
    assert python_parameters(net, "ShapeUpdateLayer") == [{"alpha": alpha}] * 15
    assert len(python_parameters(net, "RefinementLossLayer")) == 15
    assert len(python_parameters(net, "ShapeIndexedFeatureLayer")) == 15


@ALL
@pytest.mark.parametrize("name", ["train_val", "deploy"])
def test_lstm_weights_are_shared_and_start_uniform(preset: str, name: str) -> None:
    layers = of_type(read_net(preset, name), "InnerProduct")
    assert len(layers) == 2 * 4 * 15
    for layer in layers:
        filler = layer.inner_product_param.weight_filler
        assert (filler.type, filler.min, filler.max) == ("uniform", pytest.approx(-0.1), pytest.approx(0.1))
    shared = {tuple(blob.name for blob in layer.param) for layer in layers}
    parts = ("input", "forget", "output", "candidate")
    assert shared == {(f"{lstm}_{part}_w", f"{lstm}_{part}_b") for lstm in ("a_lstm", "r_lstm") for part in parts}


@ALL
def test_the_deploy_net_is_the_training_net_without_data_and_losses(preset: str) -> None:
    losses = {"SoftmaxRegressionLossLayer", "RefinementLossLayer", "AttentionRewardLayer"}
    left_out = losses | {"SampleLayer", "MetricsLayer", "InitialisationLayer"}

    def body(name: str) -> list[bytes]:
        layers = [layer for layer in read_net(preset, name).layer if layer.type not in ("Input", "Silence")]
        for layer in layers:
            if layer.python_param.layer == "AttentionCentreLayer":  # how it learns is the training net's alone
                parameters = json.loads(layer.python_param.param_str)
                for key in ("temperature", "straight_through"):
                    parameters.pop(key, None)
                layer.python_param.param_str = json.dumps(parameters)
        return [layer.SerializeToString() for layer in layers if layer.python_param.layer not in left_out]

    assert body("deploy") == body("train_val")
    pools = [python_parameters(read_net(preset, name), "InitialisationLayer") for name in ("train_val", "deploy")]
    assert [pool[0].pop("pool") for pool in pools] == ["$DATA/shape_pool.h5", ""]
    assert pools[0] == pools[1]


@ALL
def test_the_warm_up_net_is_the_cnn_alone(preset: str) -> None:
    net = read_net(preset, "train_val_warm_up")
    assert not of_type(net, "LSTMUnit")
    assert len(python_parameters(net, "SoftmaxRegressionLossLayer")) == 1
    full = {layer.name: list(layer.convolution_param.kernel_size) for layer in read_net(preset, "train_val").layer}
    for layer in of_type(net, "Convolution") + of_type(net, "Deconvolution"):
        assert full[layer.name] == list(layer.convolution_param.kernel_size)


@ALL
def test_the_files_can_be_read_by_people(preset: str) -> None:
    """Short, a comment before each part, JSON in single quotes, numbers as they were written."""
    text = (PROTOTXT / preset / "train_val.prototxt").read_text()
    assert text.count("\n") <= 2200
    batch = PRESETS[preset].batch_size
    assert f"""param_str: '{{"source": "$DATA/train", "batch_size": {batch}}}'""" in text
    assert "\\" not in text
    assert "# Step 3: attention centre, eq. (12)" in text
    assert text.count("# Step 14: ") == text.count("# Step 0: ") >= 6
    assert max(len(number) for number in re.findall(r" -?\d+\.\d+", text)) <= 12
    assert "min: -0.1 max: 0.1" in text


@pytest.mark.parametrize("name", [*PRESETS, "tiny+steps=3+policy=fixed"])
def test_the_text_is_the_same_net(name: str) -> None:
    """What Caffe parses is the message that net_spec made, bit by bit."""
    preset = make_preset(name)
    nets = [network.train_val(preset, warm_up=False), network.train_val(preset, warm_up=True), network.deploy(preset)]
    for net in nets:
        assert text_format.Parse(net_text(net), caffe_pb2.NetParameter()).SerializeToString() == net.SerializeToString()


def test_numbers_and_words_that_are_hard_to_write() -> None:
    net = caffe_pb2.NetParameter(name="a \"b\" 'c' \\ é")
    layer = net.layer.add(name="x", type="Power", top=["y"], loss_weight=[1e-7, 0.1, 3e38, -1.5])
    layer.power_param.power = 1 / 3
    layer.phase = caffe_pb2.TEST
    layer.include.add()
    net.force_backward = True
    assert text_format.Parse(net_text(net), caffe_pb2.NetParameter()) == net


def test_caffe_reads_a_deploy_net() -> None:
    net = caffe.Net(str(PROTOTXT / "tiny" / "deploy.prototxt"), caffe.TEST)
    assert tuple(net.blobs["s_hat_15"].shape) == (1, 68, 2)
    assert tuple(net.blobs["conv8"].shape) == (1, 68, 64, 64)
