"""Landmarks on anyone's pictures: the same as in testing, from Python and from the shell, and what bad input gets."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from data_prep.crops import crop_transform, cut_crop
from data_prep.images import read_image, read_upright
from data_prep.pts import read_points
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from tests.tools.small import SMALL
from tools import detector, presets
from tools.detect import Detector
from tools.detect.__main__ import main, pictures, read_boxes
from tools.detect.detector import MARGIN
from tools.detect.finder import FaceFinder
from tools.detector import CropDetector
from tools.environment import PROJECT, caffe_environment

Array = np.ndarray


@pytest.fixture
def small(small_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tiny` is the small preset."""
    monkeypatch.setattr(detector, "PROTOTXT", small_project / "prototxt")
    monkeypatch.setitem(presets.PRESETS, "tiny", SMALL)


@pytest.fixture
def weights(small: None, trained: Path) -> Path:
    return trained / "rar_iter_12.caffemodel"


@pytest.fixture
def picture(prepared: Path) -> tuple[Path, Array]:
    """A drawn photograph and the box of its face."""
    faces = PreparedSet(prepared / "helen")
    (path,) = [p for p in (prepared.parent / "faces").rglob(f"{Path(str(faces.name[0])).name}.*") if p.suffix != ".pts"
               and str(faces.name[0]).rpartition("/")[0] in str(p)]  # fmt: skip
    return path, faces.box[0]


def test_a_crop_is_cut_as_for_a_test_run(prepared: Path, picture: tuple[Path, Array]) -> None:
    path, box = picture
    crop = cut_crop(read_image(path), crop_transform(box, MARGIN, SMALL.crop_size), SMALL.crop_size)
    stored = PreparedSet(prepared / "helen").image(0)
    assert np.abs(crop.astype(int) - stored).mean() < 3  # it is stored as JPEG


def test_the_shapes_are_those_of_the_crop_in_px_of_the_image(weights: Path, prepared: Path) -> None:
    """A crop in the middle of a picture twice as large, its box so that it is cut out again pixel by pixel."""
    crop, size = PreparedSet(prepared / "helen").image(0), SMALL.crop_size
    image = cv2.copyMakeBorder(crop, 10, size - 10, 20, size - 20, cv2.BORDER_REPLICATE)
    centre, half = np.array([20, 10]) + (size - 1) / 2, size / MARGIN / 2
    (face,) = Detector("tiny", weights).detect(image, [[*(centre - half), *(centre + half)]])
    wanted = CropDetector(SMALL, weights).detect(crop[None])
    np.testing.assert_allclose(face.stages, wanted.stages[0] + (20, 10), atol=1e-3)
    np.testing.assert_allclose(face.s_d, wanted.s_d[0] + (20, 10), atol=1e-3)
    np.testing.assert_array_equal(face.points, face.stages[-1])
    np.testing.assert_allclose(face.confidence, wanted.peak[0], rtol=1e-4)
    np.testing.assert_array_equal(face.centres, wanted.centres[0])


def test_batches_and_threads_change_nothing(weights: Path, picture: tuple[Path, Array]) -> None:
    image, box = read_image(picture[0]), picture[1]
    boxes = [box, box + 2, box - 3]
    one_by_one = Detector("tiny", weights, batch=1)
    alone = one_by_one.detect(image, boxes)
    shared = Detector("tiny", weights, batch=2)
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: shared.detect(image, boxes), range(8)))
    for run in runs:
        np.testing.assert_allclose([f.points for f in run], [f.points for f in alone], atol=1e-2)
    assert shared.detect(image, []) == []


def test_another_thread_than_the_one_that_made_it(weights: Path, picture: tuple[Path, Array]) -> None:
    image, boxes = read_image(picture[0]), [picture[1]]
    shared = Detector("tiny", weights)
    with ThreadPoolExecutor(1) as thread:
        there = thread.submit(shared.detect, image, boxes).result()
    np.testing.assert_array_equal(there[0].points, shared.detect(image, boxes)[0].points)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[0, 0, 10]], r"boxes are \(n, 4\), x0 y0 x1 y1, not \(1, 3\)"),
        ([[5, 5, 5, 9]], "the box 5 5 5 9 has no area or lies off the image"),
        ([[-50, 0, -10, 40]], "lies off the image"),
        ([[0, 0, float("nan"), 9]], "the box 0 0 nan 9"),
    ],
)
def test_bad_boxes_are_named(boxes: list[list[float]], message: str, weights: Path) -> None:
    with pytest.raises(RarError, match=message):
        Detector("tiny", weights).detect(np.zeros((32, 32, 3), np.uint8), boxes)


def test_an_image_of_another_kind_is_refused(weights: Path) -> None:
    with pytest.raises(RarError, match=r"of 8 bits, BGR, not \(32, 32\) of float64"):
        Detector("tiny", weights).detect(np.zeros((32, 32)))  # type: ignore[arg-type]


def test_a_face_is_found() -> None:
    image = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    (box,) = FaceFinder().find(image)
    x, y = (box[:2] + box[2:]) / 2
    assert abs(x - 224) < 15 and abs(y - 122) < 15 and 70 < box[2] - box[0] < 130
    assert len(FaceFinder().find(np.full((200, 200, 3), 128, np.uint8))) == 0
    assert len(FaceFinder().find(np.zeros((3, 9000, 3), np.uint8))) == 0


def test_without_the_cascade_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(RarError, match="apt-get install opencv-data"):
        FaceFinder(tmp_path / "none.xml")


def oriented(image: Array, orientation: int) -> bytes:
    """A JPEG with an Exif orientation tag."""
    stored = cv2.imencode(".jpg", image)[1].tobytes()
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    segment = b"Exif\0\0" + tiff
    return stored[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + stored[2:]


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


def test_the_command(
    weights: Path, picture: tuple[Path, Array], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with a good picture of two faces and a truncated one: the good one is done, the other named."""
    path, box = picture
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    image = read_image(path)
    cv2.imwrite(str(folder / "good.png"), image)
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:2000])
    (tmp_path / "boxes.csv").write_text("".join(f"good.png,{','.join(map(str, b))}\n" for b in (box, box + 1)))
    options = ["--preset", "tiny", "--weights", weights, "--out", out, "--boxes", tmp_path / "boxes.csv", "--trace"]
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in (*options, folder)], standalone_mode=False)
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert said.out == f"{out}: 2 faces in 1 of 2 pictures\n"
    assert f"left out: {folder / 'cut.png'}: truncated" in said.err
    names = {path.name for path in out.iterdir()}
    assert names == {"good_1.pts", "good_2.pts", "good.jpg", "faces.json", "faces.csv"}
    first, second = json.loads((out / "faces.json").read_text())
    np.testing.assert_allclose(read_points(out / "good_1.pts", 68), first["points"], atol=0.01)
    assert first["points"] != second["points"] and len(first["stages"]) == SMALL.steps + 1
    lines = (out / "faces.csv").read_text().splitlines()
    assert lines[0].startswith("image,face,x0,y0,x1,y1,x_1,y_1,") and len(lines) == 3
    drawn = cv2.imread(str(out / "good.jpg"))
    assert drawn.shape == image.shape and np.abs(drawn.astype(int) - image).max() > 60


def test_caffes_log_stays_out_of_the_way(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.detect", "none.jpg", "--weights", "none", "--out", str(tmp_path)]
    env = {name: value for name, value in {**os.environ, **caffe_environment()}.items() if name != "GLOG_minloglevel"}
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: none.jpg: no picture of that name: give an image, a folder or a glob\n"
    code = "import os, tools.detect; assert os.environ['GLOG_minloglevel'] == '2'"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=env, check=True)


def test_boxes_are_read_from_csv_and_json(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("name,x0,y0,x1,y1\na.jpg,1,2,3,4\na.jpg,5,6,7,8\n")
    (tmp_path / "b.json").write_text('{"a.jpg": [[1, 2, 3, 4], [5, 6, 7, 8]]}')
    assert read_boxes(tmp_path / "b.csv") == read_boxes(tmp_path / "b.json")
    (tmp_path / "bad.csv").write_text("a.jpg,1,two,3,4\n")
    for name in ("bad.csv", "none.json"):
        with pytest.raises(RarError, match=f"{name} is no list of boxes"):
            read_boxes(tmp_path / name)


def test_pictures_by_name_folder_and_glob(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "notes.txt"):
        (tmp_path / name).touch()
    wanted = [tmp_path / "a.PNG", tmp_path / "b.jpg"]
    assert pictures([str(tmp_path)]) == wanted
    assert pictures([str(tmp_path / "*.jpg"), str(tmp_path)]) == [wanted[1], wanted[0]]
    with pytest.raises(RarError, match="no picture of that name"):
        pictures([str(tmp_path / "c*.jpg")])
