"""Videos: faces keep their number, a lost one is looked for, and both files are whole whatever ends the run."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.images import read_image
from layers.common.errors import RarError
from tests.data_prep.conftest import face_shape
from tests.tools.detect.test_command import Command, command, results  # noqa: F401
from tools.detect import Detector, Face
from tools.detect.tracker import LOOK_EVERY, Track, Tracker
from tools.detect.video import Video, detect_video

Array = np.ndarray
SIZE = (320, 240)


class Scripted:
    """A detector whose faces are where `scene` has them: (x, y, size) each, sure of a box that is near one."""

    def __init__(self) -> None:
        self.scene: list[tuple[float, float, float]] = []
        self.looks = 0

    def find(self, image: Array) -> Array:
        self.looks += 1
        return np.array([self.box(*one) for one in self.scene]).reshape(-1, 4)

    def detect(self, image: Array, boxes: Array) -> list[Face]:
        return [self.face(np.asarray(box)) for box in boxes]

    @staticmethod
    def box(x: float, y: float, size: float) -> Array:
        return np.array([x - size, y - size, x + size, y + size])

    def face(self, box: Array) -> Face:
        middle = (box[:2] + box[2:]) / 2
        near = [one for one in self.scene if np.linalg.norm(middle - one[:2]) < one[2]]
        x, y, size = near[0] if near else (*middle, (box[2] - box[0]) / 2)
        shape = face_shape((x, y), 0.7 * size)
        return Face(box, shape, np.full(68, 0.6 if near else 0.1), shape, shape[None], np.empty(0, int))


def follow(tracker: Tracker) -> list[Track]:
    return tracker.next(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))


def test_the_box_follows_the_shape_and_keeps_its_size() -> None:
    there = Scripted()
    there.scene = [(60, 60, 30)]
    tracker = Tracker(there)  # type: ignore[arg-type]
    for step in range(LOOK_EVERY - 1):
        there.scene = [(60 + 8 * step, 60 + 3 * step, 30 * 1.02**step)]
        (track,) = follow(tracker)
        assert track.number == 1
        np.testing.assert_allclose(track.next_box(), there.box(*there.scene[0]), atol=0.5)
    assert there.looks == 1


def test_a_lost_face_is_looked_for_and_a_new_one_gets_a_number() -> None:
    there = Scripted()
    tracker = Tracker(there)  # type: ignore[arg-type]
    assert follow(tracker) == []
    there.scene = [(60, 60, 30), (200, 60, 30)]
    assert [track.number for track in follow(tracker)] == [1, 2]
    there.scene = [(60, 60, 30)]
    assert [track.number for track in follow(tracker)] == [1], "the second is gone"
    there.scene = [(60, 60, 30), (250, 180, 25)]
    numbers = [[track.number for track in follow(tracker)] for _ in range(LOOK_EVERY)]
    assert numbers[0] == [1] and numbers[-1] == [1, 3], "seen when the finder looks again"
    looks = there.looks
    there.scene = [(90, 60, 30), (250, 180, 25)]  # a jump
    assert [track.number for track in follow(tracker)][0] == 1 and there.looks <= looks + 1


def test_two_that_come_upon_one_face_become_one() -> None:
    there = Scripted()
    there.scene = [(100, 100, 30), (150, 100, 30)]
    tracker = Tracker(there)  # type: ignore[arg-type]
    assert len(follow(tracker)) == 2
    there.scene = [(128, 100, 40)]
    assert [track.number for track in follow(tracker)] == [1]


@pytest.fixture
def clip(picture: tuple[Path, Array], tmp_path: Path) -> Path:
    """Twelve frames of a drawn face that moves to the right."""
    path, image = tmp_path / "clip.mp4", read_image(picture[0])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 10, SIZE)
    for step in range(12):
        move = np.array([[1.0, 0, 2 * step], [0, 1, 0]])
        writer.write(cv2.warpAffine(image, move, SIZE, borderMode=cv2.BORDER_REPLICATE))
    writer.release()
    return path


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_video_gets_lines_and_an_overlay(
    tiny: Detector, clip: Path, picture: tuple[Path, Array], tmp_path: Path
) -> None:
    assert detect_video(tiny, clip, tmp_path / "out" / "clip", [picture[1]], "shape", []) == 1
    found = lines(tmp_path / "out" / "clip.jsonl")
    assert [line["frame"] for line in found] == list(range(12)) and {line["track"] for line in found} == {1}
    assert found[-1]["time"] == 1.1
    assert set(found[0]) == {"frame", "time", "track", "box", "points", "confidence", "expected_error"}
    drawn, plain = list(Video(tmp_path / "out" / "clip.mp4").frames()), list(Video(clip).frames())
    assert len(drawn) == 12 and drawn[0].shape == plain[0].shape
    x, y = np.rint(np.array(found[5]["points"])[30]).astype(int)
    assert np.abs(drawn[5].astype(int) - plain[5])[y - 3 : y + 4, x - 3 : x + 4].max() > 60


def test_a_stopped_video_is_whole_as_far_as_it_goes(
    tiny: Detector, clip: Path, picture: tuple[Path, Array], tmp_path: Path
) -> None:
    detect_video(tiny, clip, tmp_path / "clip2", [picture[1]], "trace", [2])
    (line,) = lines(tmp_path / "clip2.jsonl")
    assert len(np.array(line["stages"])) == tiny.preset.steps + 1, "a trace has all that faces.json has"
    assert len(list(Video(tmp_path / "clip2.mp4").frames())) == 1


def test_a_video_that_is_none_leaves_the_old_results(tiny: Detector, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    (tmp_path / "old.jsonl").write_text("kept")
    with pytest.raises(RarError, match="clip.mp4: no video can be read from it: replace it"):
        detect_video(tiny, tmp_path / "clip.mp4", tmp_path / "old", None, "shape", [])
    assert (tmp_path / "old.jsonl").read_text() == "kept"


def test_a_folder_of_pictures_and_videos(
    command: Command,  # noqa: F811
    clip: Path,
    picture: tuple[Path, Array],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The broken video is one line, without OpenCV's and FFmpeg's own."""
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:2000])
    (tmp_path / "clip.jpg").write_bytes(picture[0].read_bytes())
    box = picture[1].tolist()
    (tmp_path / "b.json").write_text(json.dumps({"clip.jpg": [box], "clip.mp4": [box]}))
    assert command("--boxes", tmp_path / "b.json", "--no-overlay", tmp_path) == 1
    said, out = capfd.readouterr(), tmp_path / "out"
    assert said.out == f"{out}: 1 faces in 1 of 1 pictures\n{out / 'clip_mp4'}.jsonl: 1 faces followed\n"
    assert f"left out: {tmp_path / 'cut.mp4'}: no video can be read from it: replace it\n" in said.err
    assert "moov" not in said.err and "OpenCV" not in said.err
    assert results(out) == {"clip_jpg.pts", "faces.json", "faces.csv", "clip_mp4.jsonl"}
