"""The Python interface: the same shapes as in testing, in px of the image; threads, batches, memory, bad input."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.crops import crop_transform, cut_crop
from data_prep.images import read_image
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from tests.tools.small import SMALL
from tools.build.environment import caffe_folder
from tools.detect import Detector, Face
from tools.detect.detector import MARGIN
from tools.detect.finder import FaceFinder
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
    ],
)
def test_bad_boxes_are_named(boxes: list[list[float]], message: str, weights: Path) -> None:
    with pytest.raises(RarError, match=message):
        Detector("tiny", weights).detect(np.zeros((32, 32, 3), np.uint8), boxes)


def test_an_image_of_another_kind_is_refused(weights: Path) -> None:
    with pytest.raises(RarError, match=r"of 8 bits, BGR, not \(32, 32\) of float64"):
        Detector("tiny", weights).detect(np.zeros((32, 32)))  # type: ignore[arg-type]
    with pytest.raises(RarError, match=r"not \(0, 9, 3\) of uint8"):
        Detector("tiny", weights).detect(np.zeros((0, 9, 3), np.uint8), [[0, 0, 5, 5]])
