"""Weight files: whatever is in one, it is read, or named in a line; nothing of it reaches Caffe before."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import caffe
import h5py
import numpy as np
import pytest
from caffe.proto import caffe_pb2

from layers.common.errors import RarError
from layers.common.files import file_entry
from tests.tools.small import SMALL
from tools.model import network
from tools.model.caffe_net import net_from
from tools.model.half_precision import write_half
from tools.model.places import MODELS
from tools.model.run_record import RunRecord
from tools.model.weight_file import CONTENT, LARGEST, content_sha256, read_weights
from tools.model.weights import load_weights

MODEL, HALF = "w.caffemodel", "w.caffemodel.h5"


@pytest.fixture(scope="module")
def net() -> Any:
    """The small preset's deploy net with random weights."""
    caffe.set_random_seed(0)
    return net_from(network.deploy(SMALL), caffe.TEST)


@pytest.fixture(scope="module")
def files(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with its weights in both formats; not to be written to."""
    folder = tmp_path_factory.mktemp("weights")
    net.save(str(folder / MODEL))
    write_half(net, folder / HALF)
    return folder


@pytest.fixture
def folder(files: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(files, tmp_path / "files"))


def test_what_is_read_is_what_caffe_reads(net: Any, files: Path) -> None:
    for name in (MODEL, HALF):
        by_caffe, by_us = (net_from(network.deploy(SMALL), caffe.TEST) for _ in range(2))
        by_caffe.copy_from(str(files / name))
        assert load_weights(by_us, read_weights(files / name)) == []
        for layer, blobs in by_caffe.params.items():
            for blob, ours in zip(blobs, by_us.params[layer], strict=True):
                np.testing.assert_array_equal(ours.data, blob.data, err_msg=layer)


def test_numbers_in_every_form_that_caffe_knows(tmp_path: Path) -> None:
    shape = caffe_pb2.BlobShape(dim=[1, 1, 2, 2])
    blobs = [
        caffe_pb2.BlobProto(shape=shape, data=[1, 2, 3, 4]),
        caffe_pb2.BlobProto(shape=shape, double_data=[1, 2, 3, 4]),
        caffe_pb2.BlobProto(num=1, channels=1, height=2, width=2, data=[1, 2, 3, 4], diff=[5, 6, 7, 8]),
    ]
    layer = caffe_pb2.LayerParameter(name="a", blobs=blobs)
    (tmp_path / MODEL).write_bytes(caffe_pb2.NetParameter(layer=[layer]).SerializeToString())
    for blob in read_weights(tmp_path / MODEL).layers["a"]:
        np.testing.assert_array_equal(blob, [[[[1, 2], [3, 4]]]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("half", [False, True])
def test_a_number_that_is_none(net: Any, tmp_path: Path, value: float, half: bool) -> None:
    path, bias = tmp_path / (HALF if half else MODEL), net.params["conv8"][1].data
    before, bias[3] = bias[3], value
    if half:
        write_half(net, path)
    else:
        net.save(str(path))
    bias[3] = before
    with pytest.raises(RarError, match=f"{path.name}: a weight of conv8 is not finite"):
        read_weights(path)


@pytest.mark.parametrize("name", [MODEL, HALF])
@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"\0" * 4096, "caffemodel"), (b"\x89HDF\r\n\x1a\n" + b"\0" * 900, "no weight file of Caffe"),
     (b"\xff\xd8\xff\xe0JFIF" * 40, "is no caffemodel"), (b"<!DOCTYPE html>\n" * 9, "is no caffemodel")],
    ids=["empty", "zeros", "hdf5", "jpeg", "html"],
)  # fmt: skip
def test_foreign_files(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RarError, match=words) as error:
        read_weights(tmp_path / name)
    assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)


def test_a_folder_and_nothing(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "Is a directory"), (tmp_path / "absent", "train first, or give WEIGHTS=")):
        with pytest.raises(RarError, match=words):
            read_weights(path)


def test_hdf5_of_other_things(tmp_path: Path) -> None:
    def write(**datasets: Any) -> Path:
        with h5py.File(tmp_path / HALF, "w") as file:
            for name, value in datasets.items():
                file[f"data/{name}"] = value
        return tmp_path / HALF

    assert read_weights(write(**{"a/0": np.zeros((2, 3))})).shapes("a") == [(2, 3)]
    for wrong in ({"a": 1.0}, {"a/0": "text"}, {"a/1": 1.0}, {"a/0/0": 1.0}, {"a/0": np.zeros(2, np.int64)}):
        with pytest.raises(RarError, match=r"w\.caffemodel\.h5 is no weight file of Caffe, or is damaged"):
            read_weights(write(**wrong))
    with h5py.File(tmp_path / HALF, "w") as file:
        file.create_dataset("data/a/0", (LARGEST + 1,), np.float32, chunks=(1 << 20,))  # takes no room
    with pytest.raises(RarError, match="is damaged"):
        read_weights(tmp_path / HALF)


@pytest.mark.parametrize("name", [MODEL, HALF])
def test_a_damaged_file_is_named_or_read_to_the_end(net: Any, files: Path, tmp_path: Path, name: str) -> None:
    """Flipped bits and cuts of every kind, the bytes that say what follows above all; in ours each number is right."""
    whole, rng = (files / name).read_bytes(), np.random.default_rng(17)
    path, wanted = tmp_path / name, content_sha256(read_weights(files / name).layers)
    target, passed = net_from(network.deploy(SMALL), caffe.TEST), 0
    for place in [*range(0, 3000, 23), *rng.integers(0, len(whole), 60).tolist()]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged if place % 5 else damaged[: place + 1])
        try:
            found = read_weights(path)
            load_weights(target, found)
        except RarError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            continue
        passed += 1
        assert name == MODEL or content_sha256(found.layers) == wanted
    assert passed, "there are bits that nobody reads"


def test_a_card_beside_the_weights_is_of_them(folder: Path) -> None:
    card = folder / "README.md"
    checksum = file_entry(folder / HALF)["sha256"]
    card.write_text(f"---\nname: tiny\nweights: {HALF}\nsha256: {checksum}\n---\n")
    assert read_weights(folder / HALF).sha256 == checksum
    assert read_weights(folder / MODEL).layers, "the card is not about this one"
    card.write_text(card.read_text().replace(checksum, "0" * 64))
    with pytest.raises(RarError, match=r"w\.caffemodel\.h5 is not the file that .*README\.md is about \(sha256"):
        read_weights(folder / HALF)


def test_the_record_of_a_run_beside_the_weights_is_of_them(folder: Path) -> None:
    RunRecord(folder, {}, [], finished={MODEL: file_entry(folder / MODEL)}).save()
    assert read_weights(folder / MODEL).layers
    shutil.copy(folder / HALF, folder / MODEL)
    with pytest.raises(RarError, match=r"w\.caffemodel is not the file that .*run\.json is about"):
        read_weights(folder / MODEL)


@pytest.mark.parametrize("model", sorted(path.parent.name for path in MODELS.glob("*/*.caffemodel.h5")))
def test_a_flipped_bit_in_what_ships_is_told(model: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(MODELS / model, tmp_path / "model"))
    (path,) = copy.glob("*.caffemodel.h5")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)
    with pytest.raises(RarError, match=r"is not the file that .*README\.md is about"):
        read_weights(path)


def test_the_checksum_goes_with_the_file(folder: Path) -> None:
    """One that was taken away from its card."""
    with h5py.File(folder / HALF, "a") as file:
        assert CONTENT in file.attrs
        file["data/conv1_1/1"][0] = 0.5
    with pytest.raises(RarError, match="is damaged, its checksum differs"):
        read_weights(folder / HALF)
