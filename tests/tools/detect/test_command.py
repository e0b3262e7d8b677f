"""python3 -m tools.detect on pictures: what is written, what bad input gets, and how an interrupted run goes on."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from caffe.proto import caffe_pb2
from PIL import Image as Pillow

from data_prep.images import read_image, read_upright
from data_prep.pts import read_points
from layers.common.errors import RarError
from layers.common.files import sha256
from tests.tools.small import SMALL
from tools.build.environment import PROJECT, caffe_environment
from tools.detect import Detector
from tools.detect.__main__ import main
from tools.detect.finder import FaceFinder
from tools.detect.folder import ResultFolder
from tools.detect.inputs import JOURNAL
from tools.detect.pictures import PictureRun

Array = np.ndarray
Command = Callable[..., int]


@pytest.fixture
def command(weights: Path, tmp_path: Path) -> Command:
    """command(words ...): the status of the command with the small preset, results in tmp_path/out."""

    def run(*words: object) -> int:
        options = ["--preset", "tiny", "--weights", weights, "--out", tmp_path / "out", *words]
        try:
            main([str(word) for word in options], standalone_mode=False)
        except SystemExit as ended:
            assert isinstance(ended.code, int)
            return ended.code
        return 0

    return run


def results(out: Path) -> set[str]:
    """But for model.json, which is always there."""
    found = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    return found - {"model.json"}


def test_the_model_is_named_beside_its_results(
    command: Command, weights: Path, picture: tuple[Path, Array], tmp_path: Path
) -> None:
    path, box = picture
    assert command("--boxes", write_csv(tmp_path / "boxes.csv", [(path.name, box)]), path) == 0
    note = json.loads((tmp_path / "out" / "model.json").read_text())
    assert (note["format"], note["preset"], note["weights"]) == ("rar-detection/1", "tiny", str(weights))
    assert note["sha256"] == sha256(weights) and note["commit"]
    assert note["crop"] == {"size": 64, "margin": 1.4, "boxes": "given"}


@pytest.mark.parametrize(
    ("layer", "value", "words"),
    [("conv8", np.nan, "a weight of conv8 is not finite"), ("r_lstm_input_0", -np.inf, "a weight of r_lstm_input_0 is"),
     ("conv8", 3e38, "not finite|no numbers")],
)  # fmt: skip
def test_weights_that_make_no_numbers_write_nothing(
    weights: Path, picture: tuple[Path, Array], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    layer: str, value: float, words: str,
) -> None:  # fmt: skip
    """Neither NaN in the file, nor weights so large that NaN come out."""
    path, box = picture
    net = caffe_pb2.NetParameter.FromString(weights.read_bytes())
    blob = next(one.blobs[0] for one in net.layer if one.name == layer)
    blob.data[:] = [value] * len(blob.data)
    (tmp_path / "bad.caffemodel").write_bytes(net.SerializeToString())
    boxes = write_csv(tmp_path / "boxes.csv", [(path.name, box)])
    options = ["--preset", "tiny", "--weights", tmp_path / "bad.caffemodel", "--out", tmp_path / "out"]
    try:
        main([str(word) for word in (*options, "--boxes", boxes, path)], standalone_mode=False)
        said = "nothing"
    except RarError as error:
        said = str(error)
    except SystemExit as ended:
        assert ended.code == 1
        said = capsys.readouterr().err
    assert re.search(words, said), said
    assert not list((tmp_path / "out").glob("*.pts"))


def write_csv(path: Path, boxes: Sequence[tuple[str, Array]]) -> Path:
    path.write_text("".join(f"{name},{','.join(map(str, box))}\n" for name, box in boxes))
    return path


def test_a_folder_with_good_and_bad_pictures(
    command: Command, picture: tuple[Path, Array], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture of two faces is done, a truncated one, one that is none and one without a box are named."""
    path, box = picture
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (tmp_path / "empty").mkdir()
    image = read_image(path)
    cv2.imwrite(str(folder / "good.png"), image)
    cv2.imwrite(str(folder / "other.png"), image)
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:2000])
    (folder / "text.jpg").write_text("no picture")
    (folder / "zero.jpg").touch()
    boxes = write_csv(tmp_path / "boxes.csv", [("good.png", box), ("good.png", box + 1)])
    assert command("--boxes", boxes, "--trace", folder, tmp_path / "empty", tmp_path / "gone.jpg") == 1
    said = capsys.readouterr()
    assert said.out == f"{out}: 2 faces in 1 of 5 pictures\n"
    for line in (
        f"{folder / 'cut.png'}: truncated, the file has no end mark: replace it",
        f"{folder / 'text.jpg'}: no image can be read from it: replace it",
        f"{folder / 'zero.jpg'}: no image can be read from it: replace it",
        f"{folder / 'other.png'}: no face in the list of boxes",
        f"{tmp_path / 'empty'}: no picture or video in this folder",
        f"{tmp_path / 'gone.jpg'}: no picture of that name: give an image, a video, a folder or a glob",
    ):
        assert said.err.count(f"left out: {line}\n") == 1
    assert results(out) == {"good_1.pts", "good_2.pts", "good.jpg", "faces.json", "faces.csv"}
    first, second = json.loads((out / "faces.json").read_text())
    np.testing.assert_allclose(read_points(out / "good_1.pts", 68), first["points"], atol=0.01)
    assert first["points"] != second["points"] and len(first["stages"]) == SMALL.steps + 1
    assert first["expected_error"] is None and len(first["rank"]) == 68
    head, *lines = csv.reader((out / "faces.csv").read_text().splitlines())
    assert head[:8] == ["image", "face", "x0", "y0", "x1", "y1", "x_1", "y_1"] and len(lines) == 2
    np.testing.assert_allclose([float(v) for v in lines[0][6:-3]], np.ravel(first["points"]), atol=0.01)
    assert head[-3:] == ["yaw", "pitch", "roll"] and lines[0][-3:] == [str(v) for v in first["pose"].values()]
    drawn = cv2.imread(str(out / "good.jpg"))
    assert drawn.shape == image.shape and np.abs(drawn.astype(int) - image).max() > 60


def test_faces_are_found(command: Command, drawn: Path, finder: FaceFinder, tmp_path: Path) -> None:
    """Three photographs in one batch; the boxes are the finder's."""
    paths = [drawn / "helen" / "testset" / f"face_0000{n}.jpg" for n in (2, 3, 4)]
    assert command("--no-overlay", "--batch", "4", *paths) == 0
    for path, face in zip(paths, json.loads((tmp_path / "out" / "faces.json").read_text()), strict=True):
        assert face["image"] == path.name
        np.testing.assert_allclose(face["box"], finder.find(read_image(path))[0], atol=0.01)
    assert not list((tmp_path / "out").glob("*.jpg")) and len(list((tmp_path / "out").glob("*.pts"))) == 3


def test_an_interrupted_run_is_written_and_goes_on(
    command: Command,
    picture: tuple[Path, Array],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, box = picture
    out, names = tmp_path / "out", ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(path.read_bytes())
    words = ["--batch", "2", "--boxes", write_csv(tmp_path / "b.csv", [(n, box) for n in names])]
    words += [tmp_path / name for name in names]
    detect = PictureRun._detect

    def interrupted(*arguments: object) -> None:
        detect(*arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(PictureRun, "_detect", interrupted)
        assert command(*words) == 130
    said = capsys.readouterr()
    assert said.err.endswith("interrupted: what is done is written, and the same command goes on\n")
    assert said.out == f"{out}: 2 faces in 2 of 4 pictures\n"
    assert [face["image"] for face in json.loads((out / "faces.json").read_text())] == names[:2]
    first = (out / "a.pts").stat().st_mtime_ns
    assert command(*words) == 0
    assert f"{out / JOURNAL}: 2 pictures are done\n" in capsys.readouterr().err
    assert [face["image"] for face in json.loads((out / "faces.json").read_text())] == names
    assert (out / "a.pts").stat().st_mtime_ns == first and not (out / JOURNAL).exists()


def test_the_pictures_themselves_are_safe(command: Command, picture: tuple[Path, Array], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "mine.jpg"
    mine.write_bytes(picture[0].read_bytes())
    with pytest.raises(Exception, match="is the folder of the pictures themselves: give another one"):
        command(mine)
    assert mine.read_bytes() == picture[0].read_bytes()


def test_our_own_files_are_boxes_again(command: Command, picture: tuple[Path, Array], tmp_path: Path) -> None:
    """Of two pictures of one name, which faces.csv tells apart by their folders."""
    out, (path, box) = tmp_path / "out", picture
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(path.read_bytes())
    given = [(str(tmp_path / "x" / "a.jpg"), box), (str(tmp_path / "y" / "a.jpg"), box + 3)]
    pictures = [tmp_path / "x", tmp_path / "y"]
    assert command("--boxes", write_csv(tmp_path / "b.csv", given), *pictures) == 0
    first = json.loads((out / "faces.json").read_text())
    for name in ("faces.csv", "faces.json"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
        assert command("--boxes", tmp_path / name, *pictures) == 0
        again = json.loads((out / "faces.json").read_text())
        assert [face["image"] for face in again] == [face["image"] for face in first] == [name for name, _ in given]
        for face, other in zip(first, again, strict=True):
            np.testing.assert_allclose(face["box"], other["box"], atol=0.005)
            np.testing.assert_allclose(face["points"], other["points"], atol=0.5)


LONG, WIDE = f"{'x' * 236}.jpg", f"{'面' * 80}.jpg"


def test_odd_names_are_done_and_bad_ones_named(
    command: Command, picture: tuple[Path, Array], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, (path, box) = tmp_path / "out", picture
    folder = tmp_path / "in"
    folder.mkdir()
    odd = os.fsdecode(b"caf\xe9 \n.jpg")
    names = ["a.jpg", LONG, WIDE, odd]
    for name in names:
        (folder / name).write_bytes(path.read_bytes())
    (folder / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (folder / "round.jpg").symlink_to(folder / "round.jpg")
    os.mkfifo(folder / "pipe.jpg")
    boxes = tmp_path / "b.json"
    boxes.write_text(json.dumps({name: [box.tolist()] for name in [*names, "gone.jpg", "round.jpg", "pipe.jpg"]}))
    assert command("--boxes", boxes, "--no-overlay", folder) == 1
    said = capsys.readouterr()
    assert said.out == f"{out}: 4 faces in 4 of 7 pictures\n"
    assert {face["image"] for face in json.loads((out / "faces.json").read_text())} == set(names)
    assert b"caf\xe9 \n.jpg" in (out / "faces.csv").read_bytes()
    assert len(list(out.glob("*.pts"))) == 4
    lines = [line for line in said.err.splitlines() if line.startswith("left out: ")]
    assert len(lines) == 3 and all(any(name in line for line in lines) for name in ("gone", "round", "pipe"))


def test_a_box_or_a_picture_that_cannot_be_costs_itself_alone(
    command: Command,
    picture: tuple[Path, Array],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Even where the detector itself fails, of all that are looked at together."""
    out, (path, box) = tmp_path / "out", picture
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(path.read_bytes())
    rows = [("a.jpg", box), ("b.jpg", np.array([0, 0, np.inf, 9])), ("b.jpg", box + 1), ("c.jpg", box + 2)]
    boxes = write_csv(tmp_path / "b.csv", rows)
    detect = Detector.detect_many

    def failing(self: Detector, images: list[Array], given: list[Array]) -> object:
        if any(np.allclose(boxes, box + 2) for boxes in given):
            raise ZeroDivisionError("odd")
        return detect(self, images, given)

    monkeypatch.setattr(Detector, "detect_many", failing)
    assert command("--boxes", boxes, "--batch", "3", *(tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg"))) == 1
    said = capsys.readouterr()
    assert said.out == f"{out}: 2 faces in 2 of 3 pictures\n"
    assert f"left out: {boxes}, line 2: the box 0 0 inf 9 is not on any picture: numbers are px, under" in said.err
    assert f"left out: {tmp_path / 'c.jpg'}: ZeroDivisionError: odd: replace it, or leave it out\n" in said.err


def test_no_result_of_an_earlier_run_is_left(
    command: Command, picture: tuple[Path, Array], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fewer faces, other pictures; what else lies there is not touched."""
    out, (path, box) = tmp_path / "out", picture
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(path.read_bytes())
    out.mkdir()
    (out / "mine.pts").touch()
    (out / ".a_1.pts.77.part").touch()  # of a run that was killed
    words = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    assert command("--boxes", write_csv(tmp_path / "b.csv", [("a", box), ("a", box + 1), ("b", box)]), *words) == 0
    assert results(out) == {"a_1.pts", "a_2.pts", "a.jpg", "b.pts", "b.jpg", "faces.json", "faces.csv", "mine.pts"}
    capsys.readouterr()
    assert command("--boxes", write_csv(tmp_path / "b.csv", [("a", box)]), "--no-overlay", words[0]) == 0
    assert results(out) == {"a.pts", "faces.json", "faces.csv", "mine.pts"}
    assert f"{out}: 7 files of an earlier run are removed\n" in capsys.readouterr().err
    assert not list(out.glob(".*.part"))


def test_pictures_changed_since_an_interruption_are_done_again(
    command: Command,
    picture: tuple[Path, Array],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One touched, one no longer asked for, one new: every face once, and none of before."""
    out, (path, box) = tmp_path / "out", picture
    names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(path.read_bytes())
    boxes = write_csv(tmp_path / "b.csv", [(name, box) for name in names])
    detect = PictureRun._detect

    def interrupted(self: PictureRun, group: Any, journal: Any) -> None:
        detect(self, group, journal)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(PictureRun, "_detect", interrupted)
        assert command("--boxes", boxes, "--batch", "3", *(tmp_path / name for name in names[:3])) == 130
    os.utime(tmp_path / "a.jpg", (1, 1))
    capsys.readouterr()
    assert command("--boxes", boxes, *(tmp_path / name for name in ("a.jpg", "b.jpg", "d.jpg"))) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}: 3 faces in 3 of 3 pictures\n" and "1 pictures are done" in said.err
    wanted = {"a.jpg", "b.jpg", "d.jpg"}
    assert {face["image"] for face in json.loads((out / "faces.json").read_text())} == wanted
    assert results(out) == {"faces.json", "faces.csv", *wanted, "a.pts", "b.pts", "d.pts"}


def test_two_runs_in_one_folder(command: Command, picture: tuple[Path, Array], tmp_path: Path) -> None:
    boxes = write_csv(tmp_path / "b.csv", [(picture[0].name, picture[1])])
    with ResultFolder(tmp_path / "out"), pytest.raises(RarError, match="another run is writing to .*/out: wait for"):
        command("--boxes", boxes, picture[0])
    assert command("--boxes", boxes, picture[0]) == 0


def run_program(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.detect", *map(str, words)]
    env = {name: value for name, value in {**os.environ, **caffe_environment()}.items() if name != "GLOG_minloglevel"}
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)


def test_a_mistake_is_one_line(trained: Path, picture: tuple[Path, Array], tmp_path: Path) -> None:
    """No pictures; weights of another preset, weights cut short: nothing of Caffe's log, no traceback."""
    done = run_program("none.jpg", "--weights", "none", "--out", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "left out: none.jpg: no picture of that name: give an image, a video, a folder or a glob\n"
    whole, cut = trained / "rar_iter_12.caffemodel", tmp_path / "cut.caffemodel"
    cut.write_bytes(whole.read_bytes()[:-1000])
    for weights, message in ((whole, "it is for another net"), (cut, "is no caffemodel, or is cut short")):
        done = run_program(picture[0], "--preset", "tiny", "--weights", weights, "--out", tmp_path / "out")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: {weights}") and message in done.stderr and done.stderr.count("\n") == 1


def oriented(image: Array, orientation: int) -> bytes:
    """A JPEG with an Exif orientation tag."""
    stored = cv2.imencode(".jpg", image)[1].tobytes()
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    segment = b"Exif\0\0" + tiff
    return bytes(stored[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + stored[2:])


def test_pictures_are_read_upright_and_as_colour(tmp_path: Path) -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, :20] = 255  # bright on the left
    (tmp_path / "turned.jpg").write_bytes(oriented(image, 6))
    upright = read_upright(tmp_path / "turned.jpg")
    assert upright.shape == (40, 20, 3) and upright[:15].mean() > 240 and upright[25:].mean() < 15
    assert read_image(tmp_path / "turned.jpg").shape == (20, 40, 3), "annotated faces stay as stored"
    kinds = {"grey": image[..., 0], "deep": image.astype(np.uint16) * 257, "rgba": np.dstack([image, image[..., :1]])}
    for name, stored in kinds.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), stored)
        np.testing.assert_array_equal(read_upright(tmp_path / f"{name}.png"), image)


@pytest.mark.parametrize(("mode", "name"), [("CMYK", "a.jpg"), ("CMYK", "a.tif"), ("P", "a.png"), ("LA", "a.png")])
def test_other_colour_models(mode: str, name: str, tmp_path: Path) -> None:
    rgb = np.zeros((16, 48, 3), np.uint8)
    for column, colour in enumerate([(200, 60, 40), (40, 160, 60), (50, 70, 190)]):
        rgb[:, 16 * column : 16 * column + 16] = colour
    picture = Pillow.fromarray(rgb).convert(mode)
    picture.save(tmp_path / name)
    wanted = np.asarray(picture.convert("RGB"))[..., ::-1].astype(int)
    found = read_upright(tmp_path / name).astype(int)
    assert np.abs(found[:, [8, 24, 40]] - wanted[:, [8, 24, 40]]).max() < 12
