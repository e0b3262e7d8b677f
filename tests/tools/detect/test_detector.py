"""The Python interface: the same shapes as in testing, in px of the image; threads, batches, memory, bad input."""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest

from data_prep.crops import crop_transform, cut_crop
from data_prep.images import read_image
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from tests.tools.small import SMALL
from tools.build.environment import caffe_environment, caffe_folder
from tools.detect import Detector, Face
from tools.detect.arguments import as_image
from tools.detect.finder import FaceFinder
from tools.model.about import USUAL_MARGIN as MARGIN
from tools.model.about import write_about
from tools.model.crop_detector import CropDetector

Array = np.ndarray


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


def test_many_images_share_batches(tiny: Detector, drawn: Path, picture: tuple[Path, Array]) -> None:
    image, box = read_image(picture[0]), picture[1]
    other = read_image(drawn / "helen" / "testset" / "face_00002.jpg")
    boxes = [[box, box + 2, box - 3], [], [box + 1, box]]
    alone = [tiny.detect(one, given) for one, given in zip((image, other, other), boxes, strict=True)]
    together = tiny.detect_many([image, other, other], boxes)
    assert [len(faces) for faces in together] == [3, 0, 2]
    for faces, wanted in zip(together, alone, strict=True):
        for face, same in zip(faces, wanted, strict=True):
            np.testing.assert_allclose(face.stages, same.stages, atol=1e-2)
            np.testing.assert_array_equal(face.box, same.box)


def test_images_without_boxes_are_searched(tiny: Detector, drawn: Path, finder: FaceFinder) -> None:
    """Boxes given for one picture, found in the other."""
    image = read_image(drawn / "helen" / "testset" / "face_00002.jpg")
    (given,), (found,) = tiny.detect_many([image, image], [[[60, 60, 200, 200]], None])
    np.testing.assert_array_equal(given.box, [60, 60, 200, 200])
    np.testing.assert_array_equal(found.box, finder.find(image)[0])


def test_threads_share_one_detector(tiny: Detector, drawn: Path, finder: FaceFinder) -> None:
    """Eight threads with four photographs get what one gets alone, in batches of every size."""
    images = [read_image(drawn / "helen" / "testset" / f"face_0000{n}.jpg") for n in (2, 3, 4)]
    images.append(np.tile(images[0], (1, 2, 1)))
    alone = [tiny.detect(image) for image in images]
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda n: tiny.detect(images[n % len(images)]), range(32)))
    for n, faces in enumerate(runs):
        wanted = alone[n % len(images)]
        assert len(faces) == len(wanted) > 0
        for face, same in zip(faces, wanted, strict=True):
            np.testing.assert_allclose(face.points, same.points, atol=1e-2)


def resident() -> int:
    """Bytes of memory that this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_memory_stays_flat(tiny: Detector, picture: tuple[Path, Array], finder: FaceFinder) -> None:
    """The finder and the net in batches of every size; a finder that keeps its buffers takes 7 MiB here."""
    image, box = read_image(picture[0]), picture[1]
    small = cv2.resize(image, None, fx=0.4, fy=0.4)
    for calls in (40, 200):
        before = resident()
        for n in range(calls):
            tiny.detect(image, [box] * (1 + n % 3))
            tiny.detect(small)
    assert resident() - before < 3 << 20


def test_the_rank_is_the_first_step_as_centre() -> None:
    nothing = np.zeros((4, 2))
    face = Face(np.zeros(4), nothing, np.ones(4), nothing, np.zeros((4, 4, 2)), np.array([2, 0, 2]))
    assert face.rank.tolist() == [2, 4, 1, 4]


def test_a_gpu_that_caffe_cannot_use(weights: Path) -> None:
    if "cpu" not in caffe_folder().name:
        pytest.skip("this Caffe was built for GPUs")
    with pytest.raises(RarError, match="cannot use GPU 0, this Caffe was built for the CPU alone: make caffe CUDA=1"):
        Detector("tiny", weights, gpu=0)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[0, 0, 10]], r"boxes are \(n, 4\), x0 y0 x1 y1, not \(1, 3\)"),
        ([[5, 5, 5, 9]], "the box 5 5 5 9 has no area or lies off the image"),
        ([[-50, 0, -10, 40]], "lies off the image"),
        ([[0, 0, float("nan"), 9]], "the box 0 0 nan 9"),
        ([[0, 0, float("inf"), 9]], "the box 0 0 inf 9 has no area or lies off"),
        ([[-1e300, 0, 1e15, 9]], r"the box -1e\+300 0 1e\+15 9"),
        ([[0, 0, 9, 9], [0, 0, 9]], r"boxes are rows of four numbers, .* not \[\[0, 0, 9, 9\], \[0, 0, 9\]\]"),
        ([["left", 0, 9, 9]], "boxes are rows of four numbers"),
        ([None], "boxes are "),
        ({"x": 1}, "boxes are rows of four numbers"),
    ],
)
def test_bad_boxes_are_named(boxes: Any, message: str, weights: Path) -> None:
    with pytest.raises(RarError, match=message):
        Detector("tiny", weights).detect(np.zeros((32, 32, 3), np.uint8), boxes)


def test_an_image_of_another_kind_is_refused(weights: Path) -> None:
    with pytest.raises(RarError, match=r"of 8 bits, BGR, not \(32, 32\) of float64"):
        Detector("tiny", weights).detect(np.zeros((32, 32)))
    with pytest.raises(RarError, match=r"not \(0, 9, 3\) of uint8"):
        Detector("tiny", weights).detect(np.zeros((0, 9, 3), np.uint8), [[0, 0, 5, 5]])


def test_the_crop_is_as_wide_as_the_weights_were_trained_on(
    weights: Path, picture: tuple[Path, Array], tmp_path: Path
) -> None:
    path, box = picture
    other, made = Path(shutil.copy(weights, tmp_path / "wide.caffemodel")), {"margin": 1.8, "boxes": "cofw"}
    write_about(other, SMALL, {"raw": "cofw", "parameters": made, "sets": {"train": {"settings": made}}})
    image, half = read_image(path), (box[2:] - box[:2]) / 2
    centre = (box[2:] + box[:2]) / 2
    (wide,) = Detector("tiny", other).detect(image, [box])
    grown = np.concatenate([centre - half * 1.8 / MARGIN, centre + half * 1.8 / MARGIN])
    (usual,) = Detector("tiny", weights).detect(image, [grown])
    np.testing.assert_allclose(wide.points, usual.points, atol=0.05)


@pytest.mark.parametrize(
    ("image", "kind"), [(None, "None"), ([[1, 2]], "a list"), (7, "a int"), (np.zeros((2, 2, 3)), "of float64")]
)
def test_what_is_no_image_is_refused_in_one_line(image: Any, kind: str, tiny: Detector) -> None:
    with pytest.raises(RarError, match=kind) as told:
        tiny.detect(image, [])
    assert "\n" not in str(told.value)


def test_a_path_and_a_picture_of_pillows_are_images(tiny: Detector, picture: tuple[Path, Array]) -> None:
    path, box = picture
    (wanted,) = tiny.detect(read_image(path), [box])
    for given in (path, str(path), PIL.Image.open(path), PIL.Image.open(path).convert("RGBA")):
        (face,) = tiny.detect(given, [box])
        np.testing.assert_allclose(face.points, wanted.points, atol=0.5)  # Pillow's JPEG decoder rounds otherwise
    with pytest.raises(RarError, match="no-such.jpg: unreadable"):
        tiny.detect("no-such.jpg", [box])


def test_a_turned_picture_of_pillows_is_set_upright(picture: tuple[Path, Array]) -> None:
    image = PIL.Image.new("RGB", (20, 10), (255, 0, 0))
    image.getexif()[0x0112] = 6
    turned = PIL.Image.open(io.BytesIO(stored(image)))
    assert as_image(turned).shape == (20, 10, 3)
    assert as_image(image.convert("L")).shape[2] == 3


def stored(image: PIL.Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", exif=image.getexif())
    return file.getvalue()


def test_many_images_and_one_are_not_mixed_up(tiny: Detector, picture: tuple[Path, Array]) -> None:
    image, box = read_image(picture[0]), picture[1]
    with pytest.raises(RarError, match="detect_many takes a list of images"):
        tiny.detect_many(image)
    with pytest.raises(RarError, match="boxes of 1 images for 2"):
        tiny.detect_many([image, image], [[box]])
    found = tiny.detect_many((one for one in [image, image]), ([box] for _ in range(2)))
    assert [len(faces) for faces in found] == [1, 1]
    with pytest.raises(RarError, match="batch is 0"):
        Detector(batch=0)


def test_it_is_closed_at_the_end_of_a_block(weights: Path, picture: tuple[Path, Array]) -> None:
    before = set(threading.enumerate())
    with Detector("tiny", weights) as detector:
        assert len(detector.detect(picture[0], [picture[1]])) == 1
        (thread,) = set(threading.enumerate()) - before
    assert not thread.is_alive()
    detector.close()
    for call in (lambda: detector.detect(picture[0]), lambda: detector.find(picture[0])):
        with pytest.raises(RarError, match="this Detector is closed"):
            call()


def _forked(told: Any, detector: Detector, path: Path, box: Array) -> None:
    try:
        detector.detect(path, [box])
        told.send("detected")
    except RarError as error:
        told.send(str(error))
    detector.close()


def test_after_a_fork_it_says_so_instead_of_hanging(tiny: Detector, picture: tuple[Path, Array]) -> None:
    tiny.detect(picture[0], [picture[1]])
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_forked, args=(theirs, tiny, *picture))
    child.start()
    assert ours.poll(30), "it hangs"
    assert "was made before the process was forked: make one in each process" in ours.recv()
    child.join(10)
    assert child.exitcode == 0
    assert len(tiny.detect(picture[0], [picture[1]])) == 1, "and the parent's goes on"


IMPORT = """
import os, sys
import PIL.Image
before = (sys.excepthook, dict(os.environ), PIL.Image.MAX_IMAGE_PIXELS, sys.path[:])
import tools.detect
assert before == (sys.excepthook, dict(os.environ), PIL.Image.MAX_IMAGE_PIXELS, sys.path[:])
tools.detect.Detector()
"""


def test_importing_changes_nothing_and_shows_no_log() -> None:
    env = {name: value for name, value in {**os.environ, **caffe_environment()}.items() if name != "GLOG_minloglevel"}
    done = subprocess.run([sys.executable, "-c", IMPORT], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    env["GLOG_minloglevel"] = "0"
    loud = subprocess.run([sys.executable, "-c", IMPORT], env=env, capture_output=True, text=True, check=False)
    assert len(loud.stderr.splitlines()) > 1000, "who asks for the log gets it"
