"""Weight files: what is wrong with one is said before Caffe passes over it; shared weights are written once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import caffe
import numpy as np
import pytest
from caffe.proto import caffe_pb2

from layers.common.errors import RarError
from tests.tools.small import SMALL
from tools.model import network, weights
from tools.model.caffe_net import net_from
from tools.model.weight_file import parsed, read_weights

PARTS = ("input", "forget", "output", "candidate")
LSTM_PARTS = [f"{lstm}_{part}_0" for lstm in ("a_lstm", "r_lstm") for part in PARTS]


@pytest.fixture(scope="module")
def net() -> Any:
    """The small preset's deploy net with random weights everywhere, the biases and the basis shapes too."""
    caffe.set_random_seed(0)
    made, generator = net_from(network.deploy(SMALL), caffe.TEST), np.random.default_rng(0)
    for _, blobs in weights.owners(made):
        for blob in blobs:
            blob.data[...] = generator.normal(scale=0.1, size=blob.data.shape)
    return made


@pytest.fixture
def file(net: Any, tmp_path: Path) -> Path:
    """Its weights as Caffe writes them."""
    net.save(str(tmp_path / "w.caffemodel"))
    return tmp_path / "w.caffemodel"


def test_owners_are_the_first_of_the_layers_that_share(net: Any) -> None:
    names = [name for name, _ in weights.owners(net)]
    assert [name for name in names if "lstm" in name] == LSTM_PARTS
    assert {"conv1_1", "reduction", "deconv7", "conv8", "initialisation"} <= set(names)
    per_step = len(LSTM_PARTS) + 1  # and the features' statistics
    assert len(net.params) == len(names) + (SMALL.steps - 1) * per_step


def test_a_file_without_repeats_loads_as_the_whole_one(net: Any, file: Path) -> None:
    whole = file.stat().st_size
    weights.drop_repeats(file, net)
    assert file.stat().st_size < 0.6 * whole
    fresh = net_from(network.deploy(SMALL), caffe.TEST)
    weights.load_weights(fresh, read_weights(file))
    for name, blobs in net.params.items():
        for blob, loaded in zip(blobs, fresh.params[name], strict=True):
            np.testing.assert_array_equal(loaded.data, blob.data, err_msg=name)


@pytest.mark.parametrize("suffix", ["", ".h5"])
def test_layers_that_do_not_fit_start_anew_where_they_may(suffix: str, net: Any, file: Path) -> None:
    """The CNN of a net whose LSTMs see other features; what is asked for must fit all the same."""
    if suffix:
        file = file.with_suffix(".caffemodel.h5")
        net.save_hdf5(str(file))
    other = net_from(network.deploy(replace(SMALL, shift_radius=2)), caffe.TEST)
    untouched = other.params["r_lstm_input_0"][0].data.copy()
    assert weights.load_weights(other, read_weights(file), ("conv", "reduction", "deconv")) == LSTM_PARTS
    np.testing.assert_array_equal(other.params["conv1_1"][0].data, net.params["conv1_1"][0].data)
    np.testing.assert_array_equal(other.params["initialisation"][0].data, net.params["initialisation"][0].data)
    np.testing.assert_array_equal(other.params["r_lstm_input_0"][0].data, untouched)
    with pytest.raises(RarError, match="a_lstm_input_0 is .*it is for another net"):
        weights.load_weights(other, read_weights(file))


@pytest.mark.parametrize("suffix", ["", ".h5"])
def test_layers_can_be_left_out_though_they_fit(suffix: str, net: Any, file: Path) -> None:
    if suffix:
        file = file.with_suffix(".caffemodel.h5")
        net.save_hdf5(str(file))
    other = net_from(network.deploy(SMALL), caffe.TEST)
    untouched = other.params["r_lstm_input_0"][0].data.copy()
    assert weights.load_weights(other, read_weights(file), ("conv",), leave=("a_lstm", "r_lstm")) == LSTM_PARTS
    np.testing.assert_array_equal(other.params["conv8"][0].data, net.params["conv8"][0].data)
    np.testing.assert_array_equal(other.params["r_lstm_input_0"][0].data, untouched)


def test_files_that_are_no_weights_are_named(tmp_path: Path, file: Path) -> None:
    with pytest.raises(RarError, match=r"no weights at .*absent\.caffemodel .*train first, or give WEIGHTS="):
        read_weights(tmp_path / "absent.caffemodel")
    cut = tmp_path / "cut.caffemodel"
    cut.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(RarError, match=r"cut\.caffemodel is no caffemodel, or is cut short"):
        read_weights(cut)
    cut.write_bytes(b"")
    with pytest.raises(RarError, match="holds no weights"):
        read_weights(cut)


def test_weights_of_another_net_are_refused_whole(net: Any, file: Path) -> None:
    other = net_from(network.deploy(replace(SMALL, reduction=16)), caffe.TEST)
    before = other.params["conv1_1"][0].data.copy()
    with pytest.raises(RarError, match=r"reduction is .*, the net wants .*: it is for another net"):
        weights.load_weights(other, read_weights(file))
    np.testing.assert_array_equal(other.params["conv1_1"][0].data, before)


@pytest.mark.parametrize("lost", ["conv8", "a_lstm_forget_0", "initialisation"])
def test_a_layer_without_weights_is_named(net: Any, file: Path, lost: str) -> None:
    """Caffe would test a net of random weights without a word."""
    stored = parsed(file, file.read_bytes())
    kept = [layer for layer in stored.layer if layer.name != lost]
    file.write_bytes(caffe_pb2.NetParameter(layer=kept).SerializeToString())
    with pytest.raises(RarError, match=f"has no weights for the layer {lost}: it is for another net"):
        weights.check_weights(net, read_weights(file))
    weights.check_weights(net, read_weights(file), names=("conv1", "deconv"))


def test_the_place_in_the_data_is_not_asked_for(file: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of the deploy net fit the training net, which has a SampleLayer."""
    monkeypatch.setenv("DATA", str(prepared))
    training = net_from(network.train_val(SMALL, warm_up=False))
    assert "train_samples" in training.params
    weights.load_weights(training, read_weights(file))
