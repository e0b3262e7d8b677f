"""Videos: faces keep their number, a lost one is looked for, and both files are whole whatever ends the run."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data_prep.images import read_image
from layers.common.errors import RarError
from tests.conftest import import_packages
from tests.data_prep.conftest import face_shape
from tests.tools.detect.test_command import Command, command, results  # noqa: F401
from tools.detect import Detector, Face
from tools.detect.containers import container
from tools.detect.inputs import is_video
from tools.detect.smoothing import OneEuro, Smoother
from tools.detect.tracker import LOOK_EVERY, LOOK_FOR_LOST, PATIENCE, Track, Tracker
from tools.detect.video import detect_video
from tools.detect.video_files import Video, finished_video

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


def test_a_face_behind_a_hand_keeps_its_number() -> None:
    """Lost for a second, found again near its place; far from it, or of another size, it is another face."""
    for later, number in (((70, 64, 30), 1), ((70, 64, 55), 2), ((180, 60, 30), 2)):
        there = Scripted()
        there.scene = [(60, 60, 30)]
        tracker = Tracker(there)  # type: ignore[arg-type]
        assert [track.number for track in follow(tracker)] == [1]
        there.scene = []
        assert all(follow(tracker) == [] for _ in range(25))
        there.scene = [later]
        found = [[track.number for track in follow(tracker)] for _ in range(LOOK_FOR_LOST)]
        assert found[-1] == [number]


def test_a_face_that_is_long_gone_is_another_one() -> None:
    there = Scripted()
    there.scene = [(60, 60, 30)]
    tracker = Tracker(there)  # type: ignore[arg-type]
    follow(tracker)
    there.scene = []
    for _ in range(PATIENCE + 2):
        follow(tracker)
    there.scene = [(60, 60, 30)]
    found = [[track.number for track in follow(tracker)] for _ in range(LOOK_EVERY)]
    assert found[-1] == [2]


def write_clip(
    path: Path,
    images: list[Array],
    times: list[float],
    codec: str = "mpeg4",
    sound: str = "",
    hertz: int = 8000,
    **how: Any,
) -> Path:
    """A video of pictures shown at those times, s, and a tone as long."""
    import av

    with av.open(str(path), "w", **how) as made:
        stream = made.add_stream(codec, rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p" if not np.any(np.array(images[0].shape[:2]) % 2) else "yuv444p"
        stream.codec_context.time_base = Fraction(1, 25 if codec.startswith("mpeg") else 1000)
        voice = made.add_stream(sound, rate=hertz, layout="mono") if sound else None
        if voice:
            frames = max(1, round(hertz * times[-1]) // 1024)
            for number in range(frames):
                tone = np.sin(np.arange(number * 1024, (number + 1) * 1024) / 3)
                part = av.AudioFrame.from_ndarray((9000 * tone).astype(np.int16)[None], format="s16", layout="mono")
                part.sample_rate, part.pts, part.time_base = hertz, number * 1024, Fraction(1, hertz)
                made.mux(voice.encode(part))
            made.mux(voice.encode())
        for image, time in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time / frame.time_base)
            made.mux(stream.encode(frame))
        made.mux(stream.encode())
    return path


@pytest.fixture(scope="module", autouse=True)
def pyav() -> None:
    import_packages("video")


@pytest.fixture
def moving(picture: tuple[Path, Array]) -> list[Array]:
    """Twelve pictures of a drawn face that moves to the right."""
    image = read_image(picture[0])
    moves = [np.array([[1.0, 0, 2 * step], [0, 1, 0]]) for step in range(12)]
    return [np.asarray(cv2.warpAffine(image, move, SIZE, borderMode=cv2.BORDER_REPLICATE)) for move in moves]


@pytest.fixture
def clip(moving: list[Array], tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", moving, [step / 25 for step in range(12)])


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_video_gets_lines_and_an_overlay(
    tiny: Detector, clip: Path, picture: tuple[Path, Array], tmp_path: Path
) -> None:
    assert detect_video(tiny, clip, tmp_path / "out" / "clip", [picture[1]], "shape", []) == 1
    found = lines(tmp_path / "out" / "clip.jsonl")
    assert [line["frame"] for line in found] == list(range(12)) and {line["track"] for line in found} == {1}
    assert found[-1]["time"] == 0.44
    assert set(found[0]) == {"frame", "time", "track", "box", "points", "confidence", "expected_error", "pose"}
    drawn, plain = list(Video(tmp_path / "out" / "clip.mp4").frames()), list(Video(clip).frames())
    assert len(drawn) == 12 and drawn[0].image.shape == plain[0].image.shape
    x, y = np.rint(np.array(found[5]["points"])[30]).astype(int)
    assert np.abs(drawn[5].image.astype(int) - plain[5].image)[y - 3 : y + 4, x - 3 : x + 4].max() > 60


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
    assert f"left out: {tmp_path / 'cut.mp4'}: cut short: what it holds is said at its end: replace it\n" in said.err
    assert "moov" not in said.err and "OpenCV" not in said.err
    assert results(out) - {"model.json"} == {"clip_jpg.pts", "faces.json", "faces.csv", "clip_mp4.jsonl"}


UNEVEN = [0.0, 0.04, 0.08, 0.3, 0.34, 1.0, 1.04, 1.5, 1.6, 1.7, 2.0, 2.4]


@pytest.mark.parametrize(("name", "codec", "sound"), [("a.mp4", "libx264", "aac"), ("b.webm", "libvpx", "libopus"),
                                                      ("c.mkv", "libx264", "pcm_s16le")])  # fmt: skip
def test_the_times_of_the_container(
    tiny: Detector, moving: list[Array], picture: tuple[Path, Array], tmp_path: Path, name: str, codec: str, sound: str
) -> None:
    """Also of the last frames, and in the drawn video; sound goes with it, in a form that MP4 takes."""
    clip = write_clip(tmp_path / name, moving, UNEVEN, codec, sound)
    detect_video(tiny, clip, tmp_path / "out" / "x", [picture[1]], "shape", [])
    assert [line["time"] for line in lines(tmp_path / "out" / "x.jsonl")] == UNEVEN
    drawn = Video(tmp_path / "out" / "x.mp4")
    assert drawn.sound is not None and not drawn.cut
    heard: list[Any] = []
    np.testing.assert_allclose([frame.time for frame in drawn.frames(heard.append)], UNEVEN, atol=0.002)
    assert sum(float(packet.duration * packet.time_base) for packet in heard) > 1.9


@pytest.mark.parametrize(
    ("name", "codec", "sound", "form"),
    [
        ("a.avi", "mpeg4", "libmp3lame", "avi"), ("b.avi", "mpeg4", "mp2", "avi"),
        ("c.mpg", "mpeg2video", "mp2", "mpeg"), ("d.ts", "libx264", "aac", "mpegts"),
        ("e.mov", "mpeg4", "pcm_s16le", "mov"),
    ],
)  # fmt: skip
def test_all_of_the_sound_at_its_time(
    moving: list[Array], tmp_path: Path, name: str, codec: str, sound: str, form: str
) -> None:
    """Also what comes before the first picture, in files whose times begin anywhere, and in AVI, which has none."""
    clip = write_clip(tmp_path / name, moving * 3, [step / 25 for step in range(36)], codec, sound, 48000, format=form)
    video, kept, heard = Video(clip), tmp_path / "x.mp4", list[Any]()
    with finished_video(kept, video) as made:
        frames = []
        for frame in video.frames(made.sound):
            frames.append(frame)
            made.write(frame)
    again = [frame.time for frame in Video(kept).frames(heard.append)]
    np.testing.assert_allclose(again, [frame.time for frame in frames], atol=0.002)
    assert abs(float(heard[0].pts * heard[0].time_base)) < 0.03
    assert sum(float(packet.duration * packet.time_base) for packet in heard) > 1.37


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("c.ts", "mpegts"), ("c.flv", "flv"), ("c.3gp", "3gp"), ("c.avi", "avi"), ("c.mov", "mov"),
        ("c.mkv", "matroska"), ("c.m4v", "mp4"), ("12:30.mp4", "mp4"), ("a.b.mp4", "mp4"),
    ],
)  # fmt: skip
def test_containers_and_names(
    tiny: Detector, moving: list[Array], picture: tuple[Path, Array], tmp_path: Path, name: str, form: str
) -> None:
    codec = "flv" if form == "flv" else "mpeg4"
    made = write_clip(tmp_path / "made", moving, [step / 25 for step in range(12)], codec, format=form)
    file = made.rename(tmp_path / name)
    out = tmp_path / "a:b" / Path(name).stem
    assert detect_video(tiny, file, out, [picture[1]], "shape", []) == 1
    found = lines(out.with_name(f"{out.name}.jsonl"))
    np.testing.assert_allclose([float(str(line["time"])) for line in found], np.arange(12) / 25, atol=0.002)
    assert len(list(Video(out.with_name(f"{out.name}.mp4")).frames())) == 12
    said = container(file)
    assert said and not said.cut


def test_odd_sizes_are_kept(tiny: Detector, moving: list[Array], picture: tuple[Path, Array], tmp_path: Path) -> None:
    odd = [image[:233, :315] for image in moving]
    clip = write_clip(tmp_path / "odd.mp4", odd, [step / 25 for step in range(12)], "libx264")
    detect_video(tiny, clip, tmp_path / "out" / "odd", [picture[1]], "shape", [])
    assert {frame.image.shape for frame in Video(tmp_path / "out" / "odd.mp4").frames()} == {(233, 315, 3)}


def test_a_turned_video_is_upright(clip: Path, tmp_path: Path) -> None:
    """The matrix of the track, in the file, says how a phone was held."""
    content = bytearray(clip.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    content[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 240 << 16, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(content)
    plain, turned = next(Video(clip).frames()).image, next(Video(tmp_path / "turned.mp4").frames()).image
    np.testing.assert_array_equal(turned, np.rot90(plain, -1))  # 90 degrees clockwise


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("fast.mp4", {"options": {"movflags": "faststart"}}),
        ("pieces.mp4", {"options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("c.mkv", {}), ("c.avi", {}), ("c.ts", {"format": "mpegts"}), ("c.wmv", {"format": "asf"}), ("c.flv", {}),
        ("live.webm", {"options": {"live": "1"}}),
    ],
)  # fmt: skip
def test_a_cut_video_says_how_far_it_got(
    tiny: Detector, moving: list[Array], picture: tuple[Path, Array], tmp_path: Path, name: str, how: dict[str, Any]
) -> None:
    codec = {"flv": "flv", "wmv": "wmv2", "webm": "libvpx"}.get(name.rpartition(".")[2], "mpeg4")
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 128, image.shape, np.uint8) + image // 2 for image in moving]
    clip = write_clip(tmp_path / name, [*images, *images], [step / 25 for step in range(24)], codec, **how)
    detect_video(tiny, clip, tmp_path / "whole", [picture[1]], "none", [])
    content = clip.read_bytes()
    cut = clip.with_name(f"cut_{name}")
    cut.write_bytes(content[: int((0.9 if "webm" in name else 0.55) * len(content))])  # VP8 spends most on the first
    with pytest.raises(RarError) as error:
        detect_video(tiny, cut, tmp_path / "out", [picture[1]], "shape", [])
    read = len({line["frame"] for line in lines(tmp_path / "out.jsonl")})
    assert 2 <= read <= 23
    assert f"{cut}: cut short after {read} frames" in str(error.value) and "these are written" in str(error.value)
    assert len(list(Video(tmp_path / "out.mp4").frames())) == read


def test_a_video_damaged_in_its_middle_says_so(
    tiny: Detector, moving: list[Array], picture: tuple[Path, Array], tmp_path: Path
) -> None:
    import av

    clip = write_clip(tmp_path / "clip.mp4", moving * 2, [step / 25 for step in range(24)], "libx264")
    content = bytearray(clip.read_bytes())
    with av.open(str(clip)) as whole:
        for packet in [packet for packet in whole.demux() if packet.size][8:12]:
            content[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    clip.write_bytes(content)
    with pytest.raises(RarError, match="clip.mp4: [0-9]+ of its parts are damaged and passed over: the other "):
        detect_video(tiny, clip, tmp_path / "out", [picture[1]], "none", [])
    assert 0 < len(lines(tmp_path / "out.jsonl")) < 24


def test_the_packets_of_a_camcorder(moving: list[Array], tmp_path: Path) -> None:
    """Of 192 bytes. What begins with a G alone is none."""
    how: dict[str, Any] = {"format": "mpegts", "options": {"mpegts_m2ts_mode": "1"}}
    clip = write_clip(tmp_path / "a.mts", moving, [step / 25 for step in range(12)], **how)
    assert is_video(clip) and container(clip) == ("mpegts", False) and len(list(Video(clip).frames())) == 12
    clip.write_bytes(clip.read_bytes()[:-100])
    assert container(clip) == ("mpegts", True)
    clip.write_bytes(b"GIF89a" + bytes(3000))
    assert container(clip) is None


def test_what_comes_after_a_video_does_not_make_it_cut(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes() + bytes(range(256)))
    assert container(clip) == ("mp4", False)


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"RIFF", b"RIFF\x00", b"\x1aE\xdf\xa3", b"G", b"\x1aE\xdf\xa3\xff\x00" * 9]
)
def test_no_content_confuses_the_look_at_a_files_length(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    said = container(tmp_path / "x")
    assert said is None or said.cut in (True, False)
    with pytest.raises(RarError, match="x: (no video|cut short)"):
        list(Video(tmp_path / "x").frames())


def test_a_video_without_frames_says_so(tiny: Detector, tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "none.avi"), "w") as made:
        stream = made.add_stream("mpeg4", rate=25)
        stream.width, stream.height = SIZE
        made.start_encoding()
    with pytest.raises(RarError, match="none.avi: a video without frames"):
        detect_video(tiny, tmp_path / "none.avi", tmp_path / "out" / "none", None, "shape", [])
    assert list((tmp_path / "out").iterdir()) == []


def test_a_list_of_other_files_is_no_video(tmp_path: Path) -> None:
    """It could name any address."""
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(RarError, match="no video can be read from it"):
        Video(tmp_path / "list.mp4")


def steady(noise: float, speed: float, frames: int = 100) -> tuple[Array, Array, Array]:
    """True, found and smoothed points (frames, 68, 2) of a face that moves right by `speed` of its size a second."""
    rng, size = np.random.default_rng(0), 200.0
    smoother, every = Smoother(), []
    for number in range(frames):
        true = face_shape((100 + speed * size * number / 25, 100), 100)
        found = true + rng.normal(scale=noise * size, size=true.shape)
        face = Face(np.zeros(4), found, np.full(68, 0.6), found, found[None], np.empty(0, int))
        [steadied] = smoother.next([Track(1, face, face)], number / 25)
        every.append((true, found, steadied.points))
    every_true, every_found, every_smooth = (np.array(part) for part in zip(*every, strict=True))
    return every_true, every_found, every_smooth


def jitter(points: Array) -> float:
    """Mean way of a landmark from one frame to the next, after the filter has begun."""
    return float(np.linalg.norm(np.diff(points[25:], axis=0), axis=-1).mean())


def test_smoothing_takes_jitter_from_a_still_face_and_adds_little_lag() -> None:
    _, found, smooth = steady(noise=0.01, speed=0)
    assert jitter(smooth) < 0.27 * jitter(found)
    for speed, most in ((0.25, 0.06), (1, 0.025), (3, 0.01)):  # face sizes a second, s
        true, _, smooth = steady(noise=0.01, speed=speed)
        lag = (true - smooth)[50:, :, 0].mean() / (200 * speed)
        assert 0 < lag < most


def test_unsure_landmarks_are_smoothed_more() -> None:
    smoother, out = Smoother(OneEuro(rise=0)), []
    sure = np.where(np.arange(68) < 34, 0.6, 0.06)
    anchor = face_shape((100, 100), 50)
    for number in range(10):
        points = anchor + (number > 0) * np.array([5.0, 0])
        face = Face(np.zeros(4), points, sure, points, points[None], np.empty(0, int))
        start = face._replace(confidence=np.full(68, 0.6))
        out.append(smoother.next([Track(1, face, start)], number / 25)[0].points - anchor)
    moved = np.array(out)[..., 0]
    assert (moved[0] == 0).all() and (np.diff(moved, axis=0) > 0).all()
    assert (moved[5, :34] > 1.5 * moved[5, 34:].max()).all()


def test_after_a_gap_the_filter_begins_anew() -> None:
    smoother = Smoother()
    for time, x in ((0.0, 100), (0.04, 100), (2.0, 160)):
        points = face_shape((x, 100), 50)
        face = Face(np.zeros(4), points, np.full(68, 0.6), points, points[None], np.empty(0, int))
        [smooth] = smoother.next([Track(1, face, face)], time)
        np.testing.assert_allclose(smooth.points, points)
