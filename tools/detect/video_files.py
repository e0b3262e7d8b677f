"""Video files, by PyAV (FFmpeg): frames with the container's own times in, frames and sound out."""

from __future__ import annotations

import math
import site
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from data_prep.images import Image
from layers.common.errors import RarError, readable
from layers.common.files import finished_file
from tools.build import venv
from tools.detect.containers import container

USUAL_RATE = Fraction(25)  # frames a second, where the file does not tell
TICK = Fraction(1, 90000)  # s, of the times in a file that is written
KEPT_SOUND = {"aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"}  # that MP4 takes as it is
Sound = Callable[[Any], None]  # takes a packet


def pyav() -> ModuleType:
    """PyAV; RarError when it is not installed."""
    site.addsitedir(str(venv.site_packages("video")))
    try:
        import av
    except ImportError:
        raise RarError("videos are read by PyAV, which is not here: run ./rar-caffe packages video") from None
    av.logging.set_level(av.logging.PANIC)  # what matters of it is said here
    return av


class Frame(NamedTuple):
    """A picture (H, W, 3) BGR, upright, and when it is shown, s from the beginning of the video."""

    image: Image
    time: float


class Video:
    """Frames of a file. RarError when it cannot be read.

    Once it has been read: read, the number of frames; damaged, of parts that could not be decoded; cut, whether it is
    cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.read, self.damaged = path, 0, 0
        if not path.is_file():  # a pipe would wait for what never comes
            raise RarError(f"{readable(path)}: no such file: replace it")
        self._av, said = pyav(), container(path)
        self.cut = bool(said and said.cut)
        try:
            if said is None:
                raise ValueError
            self._file = path.open("rb")  # the name may be any: FFmpeg would take 12:30.mp4 for an address
            self._container = self._av.open(self._file, format=said.form)
            self._pictures = self._container.streams.video[0]
        except (self._av.FFmpegError, OSError, ValueError, IndexError):
            why = "cut short: what it holds is said at its end" if self.cut else "no video can be read from it"
            raise RarError(f"{readable(path)}: {why}: replace it") from None
        self._pictures.thread_type = "AUTO"
        self.rate = self._pictures.average_rate or USUAL_RATE
        self.stated: int | None = self._pictures.frames or None

    @property
    def sound(self) -> Any:
        """The first stream of sound; None for a silent video."""
        return next(iter(self._container.streams.audio), None)

    def frames(self, sound: Sound | None = None) -> Iterator[Frame]:
        """One after the other; packets of sound, as they come, to `sound`. A damaged one is passed over."""
        streams = [self._pictures, *([self.sound] if sound and self.sound else [])]
        # Sound may begin a little before 0, with what its encoder put in front of it.
        begin, broken = max(self._container.start_time or 0, 0) / self._av.time_base, False
        with self._file, self._container:
            for packet in self._packets(streams):
                if packet.stream.type == "audio":
                    if sound and packet.dts is not None:
                        sound(_earlier(packet, begin))
                    continue
                broken = packet.is_corrupt if packet.size else broken  # the last one is cut itself
                for frame in self._decoded(packet):
                    now = float(frame.time) - begin if frame.time is not None else self.read / float(self.rate)
                    self.read += 1
                    yield Frame(_upright(frame), max(now, 0.0))
        self.cut |= broken

    def _packets(self, streams: list[Any]) -> Iterator[Any]:
        try:
            yield from self._container.demux(streams)
        except self._av.FFmpegError:
            self.cut = True

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            return list(packet.decode())
        except self._av.FFmpegError:
            self.damaged += bool(self.read)  # before the first picture there may be the rest of what was cut off
            return []


def _earlier(packet: Any, begin: float) -> Any:
    """The packet, its times counted from `begin`, s, as those of the frames are."""
    ticks = round(begin / packet.time_base)
    packet.dts -= ticks
    if packet.pts is not None:
        packet.pts -= ticks
    return packet


def _upright(frame: Any) -> Image:
    """As it is to be shown: turned by the file's matrix."""
    image = frame.to_ndarray(format="bgr24")
    turns = round(frame.rotation / 90) % 4  # counter-clockwise
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else np.asarray(image, np.uint8)


class VideoWriter:
    """Frames and sound into an MP4 file: H.264, each frame at its own time."""

    def __init__(self, path: Path, like: Video) -> None:
        self._path, self._av, self._like = path, pyav(), like
        self._file = path.open("wb")
        self._container = self._av.open(self._file, "w", format="mp4")
        self._pictures: Any = None
        self._voice: Any = None
        self._copied = True  # the sound, as it is
        self._early: list[Any] = []  # packets of sound that come before the first picture
        self._last, self._last_heard = -1, -math.inf

    def write(self, frame: Frame) -> None:
        """Add a frame; RarError when it cannot be written."""
        with self._told():
            if self._pictures is None:
                self._begin(frame.image)
            self._last = max(self._last + 1, round(frame.time / TICK))
            picture = self._av.VideoFrame.from_ndarray(frame.image, format="bgr24")
            picture.pts, picture.time_base = self._last, TICK
            self._container.mux(self._pictures.encode(picture))

    def sound(self, packet: Any) -> None:
        """Add a packet of the sound of the video that this one is like; RarError when it cannot be written."""
        if self._voice is None:
            self._early.append(packet)
            return
        with self._told():
            if not self._copied:
                for part in packet.decode():
                    self._container.mux(self._voice.encode(_counted_in_samples(part)))
                return
            if packet.dts <= self._last_heard:  # as in AVI, whose sound has no times of its own
                packet.pts = packet.dts = int(self._last_heard) + 1
            self._last_heard = packet.dts
            packet.stream = self._voice
            self._container.mux(packet)

    def finish(self) -> None:
        """Close the file; RarError when it cannot be written."""
        with self._told():
            if self._pictures is not None:
                self._container.mux(self._pictures.encode())
            if not self._copied:
                self._container.mux(self._voice.encode())
        self.close()

    def close(self) -> None:
        """Let go of the file, whatever is in it; a second time does nothing. RarError when it cannot be written."""
        if not self._file.closed:
            with self._told(), self._file:
                self._container.close()

    def _begin(self, image: Image) -> None:
        """Streams for pictures of this size. 4:2:0, which every browser plays, has no odd sizes; 4:4:4 has."""
        height, width = image.shape[:2]
        self._pictures = self._container.add_stream("libx264", rate=self._like.rate, options={"crf": "18"})
        self._pictures.width, self._pictures.height = width, height
        self._pictures.pix_fmt = "yuv420p" if width % 2 == height % 2 == 0 else "yuv444p"
        self._pictures.time_base = self._pictures.codec_context.time_base = TICK
        voice = self._like.sound
        if voice is not None:
            self._copied = voice.codec_context.codec.canonical_name in KEPT_SOUND
            make = self._container.add_stream_from_template if self._copied else self._encoded_sound
            self._voice = make(voice)
        early, self._early = self._early, []
        for packet in early if voice is not None else ():
            self.sound(packet)

    def _encoded_sound(self, voice: Any) -> Any:
        return self._container.add_stream("aac", rate=voice.codec_context.sample_rate)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (self._av.FFmpegError, OSError, ValueError) as error:
            why = " ".join(str(error).split())
            raise RarError(f"{readable(self._path)}: the video cannot be written ({why}): is the disk full?") from None


def _counted_in_samples(part: Any) -> Any:
    """A piece of sound whose time is exact, as an encoder wants it; AVI's ticks may be 26 ms long."""
    if part.pts is not None:
        tick = Fraction(1, part.sample_rate)
        part.pts, part.time_base = round(part.pts * part.time_base / tick), tick
    return part


@contextmanager
def finished_video(path: Path, like: Video) -> Iterator[VideoWriter]:
    """A writer whose file takes the place of `path` when all went well. A video that never began leaves nothing."""
    with finished_file(path) as part:
        writer = VideoWriter(part, like)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()
