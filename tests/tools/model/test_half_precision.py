"""Weights at half precision: what is lost, what is not, and that Caffe itself reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import caffe
import h5py
import numpy as np
import pytest

from layers.common.errors import RarError
from tests.tools.small import SMALL
from tools.model import network, weights
from tools.model.caffe_net import net_from
from tools.model.half_precision import SMALLEST, rounded, write_half
from tools.model.weight_file import CONTENT, read_weights


@pytest.fixture(scope="module")
def net() -> Any:
    """The small preset's deploy net with random weights everywhere."""
    made, generator = net_from(network.deploy(SMALL), caffe.TEST), np.random.default_rng(0)
    for _, blobs in weights.owners(made):
        for blob in blobs:
            blob.data[...] = generator.normal(scale=0.1, size=blob.data.shape)
    return made


@pytest.mark.parametrize("bits", [6, 8, 10])
def test_rounding_is_to_the_nearest_with_so_many_bits(bits: int) -> None:
    values = np.random.default_rng(1).normal(scale=0.03, size=5000).astype(np.float32)
    values = values[np.abs(values) > 1e-3]
    error = np.abs(rounded(values, bits).astype(np.float32) / values - 1)
    assert 0.4 * 2.0**-bits < error.max() <= 0.51 * 2.0**-bits
    assert not (rounded(values, bits).view(np.uint16) & ((1 << (10 - bits)) - 1)).any()


def test_rounding_carries_into_the_exponent_and_keeps_signs_and_zero() -> None:
    values = np.array([0, -0.0, 1, -1, 1.9999, -3.9999], np.float32)
    np.testing.assert_array_equal(rounded(values), np.array([0, 0, 1, -1, 2, -4], np.float16))


def test_caffe_reads_the_file_and_small_blobs_are_exact(net: Any, tmp_path: Path) -> None:
    path = tmp_path / "half.caffemodel.h5"
    net.params["phi_0"][1].data[...] = 1e6  # beyond half precision's range
    write_half(net, path)
    fresh = net_from(network.deploy(SMALL), caffe.TEST)
    fresh.copy_from(str(path))
    for name, blobs in net.params.items():
        for blob, loaded in zip(blobs, fresh.params[name], strict=True):
            wanted = blob.data if blob.data.size < SMALLEST else rounded(blob.data).astype(np.float32)
            np.testing.assert_array_equal(loaded.data, wanted, err_msg=name)


def test_the_file_is_less_than_half_as_large(net: Any, tmp_path: Path) -> None:
    net.save(str(tmp_path / "whole.caffemodel"))
    weights.drop_repeats(tmp_path / "whole.caffemodel", net)
    write_half(net, tmp_path / "half.caffemodel.h5")
    assert (tmp_path / "half.caffemodel.h5").stat().st_size < 0.5 * (tmp_path / "whole.caffemodel").stat().st_size


def test_a_damaged_file_or_one_for_another_net_is_named(net: Any, tmp_path: Path) -> None:
    path = tmp_path / "half.caffemodel.h5"
    write_half(net, path)
    weights.check_weights(net, read_weights(path))
    whole = path.read_bytes()
    with h5py.File(path, "a") as file:
        file["data/conv8/0"][0, 0] += 0.01
    with pytest.raises(RarError, match=r"half\.caffemodel\.h5 is damaged, its checksum differs"):
        read_weights(path)
    with h5py.File(path, "a") as file:
        del file["data/conv8"], file.attrs[CONTENT]
    with pytest.raises(RarError, match=r"half\.caffemodel\.h5 has no weights for the layer conv8"):
        weights.check_weights(net, read_weights(path))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RarError, match=r"half\.caffemodel\.h5 is no weight file of Caffe, or is damaged"):
        read_weights(path)
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(RarError, match="is no weight file of Caffe"):
        read_weights(path)
