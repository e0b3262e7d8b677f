"""The whole way from raw faces to prepared sets: the command, its order, its seeds, its interruptions."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import h5py
import lmdb
import numpy as np
import pytest
from click.testing import CliRunner, Result

from data_prep import commands, preparation, prepare_300w, w300
from data_prep.augmentation import PLAIN
from data_prep.check import check
from data_prep.records import FaceRecord
from data_prep.rendering import CropSettings
from layers.common.errors import RarError, run_command
from layers.common.files import alone
from layers.common.prepared import PreparedSet
from layers.common.shapes import affine_apply
from tests.data_prep.conftest import draw, face_shape

SMALL = ("--crop-size", "40", "--copies", "4", "--centres", "3", "--workers", "0")


def run(raw: Path, out: Path, *options: str) -> Result:
    """The command; the result's exception holds the RarError, if any."""
    return CliRunner().invoke(prepare_300w.main, ["--raw", str(raw), "--out", str(out), *SMALL, *options])


def prepared(raw: Path, out: Path, *options: str) -> Path:
    result = run(raw, out, *options)
    assert result.exception is None, result.exception
    return out


def content(folder: Path) -> tuple[list[bytes], dict[str, bytes]]:
    """The images' messages and the landmarks' arrays of a set."""
    with PreparedSet(folder) as rows:
        arrays = {
            name: np.asarray(value).tobytes() for name, value in vars(rows).items() if isinstance(value, np.ndarray)
        }
        arrays["name"] = "\n".join(rows.name).encode()
        return [rows.datum(row).data for row in range(len(rows))], arrays


def test_sets_rows_and_order(raw: Path, tmp_path: Path) -> None:
    data = prepared(raw, tmp_path / "data")
    there = {path.name for path in data.iterdir()} - {".lock"}
    assert there == {"train", "helen", "ibug", "shape_pool.h5", "manifest.json"}
    with PreparedSet(data / "train") as train:
        assert (len(train), train.scheme.name, train.crop_size, train.set, train.seed) == (28, "68", 40, "train", 0)
        assert len(set(train.name)) == 7
        assert sorted(train.copy) == sorted(list(range(4)) * 7)
        assert list(train.name) != sorted(train.name)  # shuffled
        assert train.image(0).shape == (40, 40, 3)
        for row in range(len(train)):
            assert train.datum(row).label == row
            back = affine_apply(train.crop_to_image[row], train.shape[row].astype(float))
            np.testing.assert_allclose(back, train.image_shape[row], atol=1e-4)
    with PreparedSet(data / "helen") as helen:
        assert list(helen.name) == ["helen/testset/30_1", "helen/testset/31_1"]
        assert not helen.mirrored.any()
        assert not helen.occluded.any()
        np.testing.assert_allclose(
            helen.box[:, 2:] - helen.box[:, :2], np.ptp(helen.image_shape, axis=1) + 4, atol=1e-3
        )
    assert list(check(data)) == []


def test_images_and_landmarks_are_in_step(raw: Path, tmp_path: Path) -> None:
    """The bright dots of the raw pictures are found at the landmarks of the very same row."""
    data = prepared(raw, tmp_path / "data", "--crop-size", "120", "--occluded", "0", "--copies", "2")
    with PreparedSet(data / "train") as train:
        for row in range(len(train)):
            shape = train.shape[row]
            x, y = np.round(shape[((shape > 2) & (shape < 117)).all(axis=1)]).astype(int).T
            assert np.median(train.image(row)[y, x]) > 200


def test_files_are_what_caffe_reads(raw: Path, tmp_path: Path) -> None:
    data = prepared(raw, tmp_path / "data", "--sets", "helen")
    with lmdb.open(str(data / "helen" / "images.lmdb"), readonly=True, lock=False) as images, images.begin() as rows:
        assert [key for key, _ in rows.cursor()] == [b"00000000", b"00000001"]
    with h5py.File(data / "helen" / "landmarks.h5") as file:
        kinds = {name: str(file[name].dtype) for name in file if name != "name"}
        assert dict(file.attrs) == {"scheme": "68", "crop_size": 40, "set": "helen", "rows": 2, "seed": 0}
    assert kinds == {
        "shape": "float32", "occluded": "uint8", "crop_to_image": "float64", "image_shape": "float64",
        "normaliser": "float64", "box": "float64", "mirrored": "uint8", "copy": "uint16",
    }  # fmt: skip


def test_manifest_tells_how(raw: Path, tmp_path: Path) -> None:
    data = prepared(raw, tmp_path / "data", "--margin", "1.5", "--seed", "3", "--dataset", "dots")
    book = json.loads((data / "manifest.json").read_text())
    assert book["raw"] == "dots"
    assert book["parameters"]["margin"] == 1.5
    assert book["counts"]["afw"] == {"expected": 337, "found": 3, "written": 3}
    assert book["counts"]["lfpw/testset"] == {"expected": 224, "found": 0, "written": 0}
    assert book["sets"]["train"]["faces_by_subset"] == {"afw": 3, "helen/trainset": 2, "lfpw/trainset": 2}
    assert book["sets"]["train"]["settings"]["seed"] == 3
    assert {name.partition("/")[0] for name in book["files"]} == {"train", "helen", "ibug", "shape_pool.h5"}


def test_summary_names_what_is_absent(raw: Path, tmp_path: Path) -> None:
    lines = run(raw, tmp_path / "data").output.splitlines()
    table = {line.split()[0]: line.split(maxsplit=4) for line in lines if line[:4] in ("afw ", "lfpw", "ibug")}
    assert table["afw"][1:] == ["337", "3", "3", "334 missing"]
    assert table["lfpw/testset"][1:] == ["224", "0", "0", "all 224 missing: no such folder"]
    assert "missing" not in run(raw, tmp_path / "other", "--any-count", "--sets", "train,helen").output


def test_the_number_of_workers_changes_nothing(raw: Path, tmp_path: Path) -> None:
    alone = prepared(raw, tmp_path / "alone", "--occluded", "0.7", "--sets", "train")
    two = prepared(raw, tmp_path / "two", "--occluded", "0.7", "--sets", "train", "--workers", "2")
    assert content(alone / "train") == content(two / "train")
    files = [json.loads((data / "manifest.json").read_text())["files"] for data in (alone, two)]
    assert files[0] == files[1]


def test_the_seed_changes_everything(raw: Path, tmp_path: Path) -> None:
    zero = prepared(raw, tmp_path / "zero", "--sets", "train")
    one = prepared(raw, tmp_path / "one", "--sets", "train", "--seed", "1")
    with PreparedSet(zero / "train") as a, PreparedSet(one / "train") as b:
        assert list(a.name) != list(b.name)
        assert not np.array_equal(np.sort(a.shape.sum(axis=(1, 2))), np.sort(b.shape.sum(axis=(1, 2))))


def test_a_second_run_keeps_what_is_there(raw: Path, tmp_path: Path) -> None:
    data = prepared(raw, tmp_path / "data", "--sets", "train")
    before = (data / "train" / "landmarks.h5").stat()
    output = run(raw, data).output
    assert "train: 28 crops already there, made with the same settings: kept" in output
    assert (data / "train" / "landmarks.h5").stat() == before
    assert (data / "helen").is_dir()
    assert list(check(data)) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--margin", "1.3"), "margin 1.4, now 1.3"),
        (("--copies", "5"), "copies 4, now 5"),
        (("--boxes", "gt"), "boxes detector, now gt"),
        (("--validation", "0.4"), "other faces or boxes"),
    ],
)
def test_other_settings_need_another_folder(raw: Path, tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    data = prepared(raw, tmp_path / "data", "--sets", "train")
    error = run(raw, data, "--sets", "train", *options).exception
    assert isinstance(error, RarError)
    assert words in str(error)


def test_a_strangers_folder_is_left_alone(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "thesis.tex").write_text("...")
    error = run(raw, tmp_path / "data").exception
    assert isinstance(error, RarError)
    assert "not in manifest.json" in str(error)
    assert (tmp_path / "data" / "train" / "thesis.tex").exists()


def test_killed_between_manifest_and_set(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest knows every set that has its name, so the next run never meets one that nobody knows."""
    data = tmp_path / "data"

    def stop(folder: Path, target: Path) -> Any:
        assert "train" in json.loads((data / "manifest.json").read_text())["sets"]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stop)
        assert run(raw, data).exit_code != 0
    assert "starting clean" in run(raw, data).output
    assert list(check(data)) == []


@pytest.mark.parametrize("new", [True, False])
def test_killed_before_the_shape_pool(new: bool, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the pool of an earlier `train` nor one that the manifest does not know is left."""
    data = prepared(raw, tmp_path / "data")

    def stop(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    if new:
        shutil.rmtree(data / "train")
    else:
        (data / "shape_pool.h5").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(commands, "write_pool" if new else "file_entry", stop)
        assert run(raw, data, "--seed", str(int(new)), "--sets", "train").exit_code != 0
    again = prepared(raw, data, "--seed", str(int(new)), "--sets", "train")
    assert list(check(again)) == []
    fresh = prepared(raw, tmp_path / "fresh", "--seed", str(int(new)), "--sets", "train")
    assert (again / "shape_pool.h5").read_bytes() == (fresh / "shape_pool.h5").read_bytes()
    assert "shape_pool.h5" in json.loads((data / "manifest.json").read_text())["files"]


def test_two_runs_at_once(raw: Path, tmp_path: Path) -> None:
    with alone(tmp_path / "data"):
        error = run(raw, tmp_path / "data").exception
    assert isinstance(error, RarError) and "another run is writing to" in str(error)


class Killer:
    """A photograph whose decoder takes the process with it."""

    def __str__(self) -> str:
        return "killer.jpg"

    def read(self) -> Any:
        os.kill(os.getpid(), signal.SIGSEGV)


def test_a_photograph_that_kills_is_named_and_the_rest_goes_on(raw: Path, tmp_path: Path) -> None:
    (scan, *_) = w300.scan(raw, ["train"], "gt")
    killer = replace(scan.records[1], name="afw/killer", image=Killer())
    kept, problems = preparation.usable([scan.records[0], killer, *scan.records[1:]], workers=2)
    assert [record.name for record in kept] == [record.name for record in scan.records]
    assert problems == [
        "killer.jpg: the process that works on it dies, perhaps for want of memory: replace it, or leave it out"
    ]
    plan = preparation.SetPlan("afw", [*kept, killer], CropSettings(40, 1.4, PLAIN, 0, None), False, "300w", "gt")
    with pytest.raises(RarError, match=r"killer\.jpg: the process that works on it dies"):
        preparation.write_plan(tmp_path, plan, w300.SCHEME, 2, {"sets": {}, "files": {}})
    assert not (tmp_path / "afw").exists()


def test_interrupted_run(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half done has a set's name; the next run says that it starts clean, and ends as if nothing had been."""
    data = tmp_path / "data"
    render, calls = preparation.render_face, []

    def stop(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return render(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(preparation, "render_face", stop)
        assert run(raw, data).exit_code != 0
    assert {path.name for path in data.iterdir()} == {".lock", "train.partial"}
    result = run(raw, data)
    assert result.exception is None
    assert "train: an earlier run was interrupted; starting clean" in result.output
    assert not list(data.glob("*.partial"))
    assert content(data / "train") == content(prepared(raw, tmp_path / "fresh") / "train")


def test_full_disk(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: Any) -> Iterator[Any]:
        yield from ()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(preparation, "_rows", full)
    error = run(raw, tmp_path / "data").exception

    def fail() -> None:
        assert error is not None
        raise error

    with pytest.raises(SystemExit) as end:
        run_command(fail)
    assert "no space left on the disk" in str(end.value)
    assert not (tmp_path / "data" / "train").exists()


def test_bad_faces_are_named_and_the_rest_goes_on(raw: Path, tmp_path: Path) -> None:
    (raw / "afw" / "10_2.pts").write_text("1 2\n")
    image = raw / "helen" / "testset" / "30_1.jpg"
    image.write_bytes(image.read_bytes()[:2000])
    data = tmp_path / "data"
    result = run(raw, data)
    assert isinstance(result.exception, RarError)
    assert "2 problems" in str(result.exception)
    book = json.loads((data / "manifest.json").read_text())
    assert [line.partition(": ")[0] for line in book["problems"]] == [str(raw / "afw" / "10_2.pts"), str(image)]
    assert book["counts"]["afw"]["written"] == 2
    assert len(PreparedSet(data / "helen")) == 1
    assert list(check(data)) == []
    assert run(raw, data, "--skip-bad").exception is None


def test_wrong_sets(raw: Path, tmp_path: Path) -> None:
    error = run(raw, tmp_path / "data", "--sets", "train,cofw").exception
    assert isinstance(error, RarError)
    assert "no set 'cofw'" in str(error)


def test_validation_by_photograph(raw: Path, tmp_path: Path) -> None:
    for number in range(30):  # fifteen more photographs of two faces each
        folder, name = raw / "afw", f"{100 + number // 2}_{number % 2}"
        for suffix in (".jpg", ".pts"):
            (folder / f"{name}{suffix}").write_bytes((folder / f"10_1{suffix}").read_bytes())
    data = prepared(raw, tmp_path / "data", "--validation", "0.3", "--copies", "2", "--boxes", "gt")
    with PreparedSet(data / "train") as train, PreparedSet(data / "val") as val:
        assert len(val) == pytest.approx(0.3 * 37, abs=1.5)
        assert len(train) == 2 * (37 - len(val))
        assert list(val.name) == sorted(val.name)
        assert not val.copy.any()
        photographs = [
            {name.split("/")[-1].split("_")[0] for name in rows.name if "afw" in name} for rows in (train, val)
        ]
    assert photographs[0].isdisjoint(photographs[1])
    assert len(photographs[1]) > 1


def test_own_occluders_go_into_the_pictures(raw: Path, tmp_path: Path) -> None:
    occluders = tmp_path / "occluders"
    occluders.mkdir()
    pink = np.full((40, 60, 4), 255, np.uint8)
    pink[..., 1] = 0
    for kind in ("sunglasses", "mask", "phone", "hand", "cup"):
        cv2.imwrite(str(occluders / f"{kind}.png"), pink)
    options = ("--sets", "train", "--occluders", str(occluders), "--occluded", "1", "--seed", "5")
    with PreparedSet(prepared(raw, tmp_path / "data", *options) / "train") as train:
        images = np.stack([train.image(row) for row in range(len(train))]).astype(int)
    pinkness = (images[..., [0, 2]].min(axis=3) - images[..., 1] > 40).mean(axis=(1, 2))
    assert 5 < (pinkness > 0.03).sum() < 21


def test_a_photograph_that_vanishes_is_named(tmp_path: Path) -> None:
    shape = face_shape()
    box = np.concatenate([shape.min(axis=0), shape.max(axis=0)])
    record = FaceRecord("afw/1_1", tmp_path / "gone.jpg", "afw", shape, box)
    kept, problems = preparation.usable([record], workers=0)
    assert kept == []
    assert problems == [f"{tmp_path / 'gone.jpg'}: unreadable (No such file or directory): replace it"]
    assert draw(shape).shape == (140, 150, 3)
