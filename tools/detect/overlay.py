"""The shapes found, drawn on the picture at its own size: lines and letters grow with the face."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image as Canvas
from PIL import ImageDraw, ImageFont

from data_prep.images import Image
from layers.common.schemes import Scheme
from layers.common.shapes import FloatArray
from tools.detect.calibration import face_size
from tools.detect.detector import Face
from tools.draw.chain import bright, label_places, ranges, spots, time_colour

SHIFT = 4  # OpenCV draws at sixteenths of a pixel
SHAPE, FAINT, RIM, WHITE = (200, 230, 46), (235, 235, 235), (40, 30, 20), (255, 255, 255)  # BGR
REFERENCE = 300  # px: the size of a face on which the widths and sizes below are what they say
CROP = 1.4  # labels lie round a square of this many times the face
SMALLEST = 0.45  # of them on the smallest face: thinner is not to be seen
LETTERS = 13  # px
FINER = 4  # labels are drawn this much finer, for smooth edges

Colour = tuple[int, int, int]


def overlay(image: Image, faces: list[Face], scheme: Scheme, *, trace: bool) -> Image:
    """A copy of the image with every face's final shape; `trace`: and the way of every landmark and the centres.

    The way runs from dark (the first step) to bright (the last). A label gives the steps, from 1, in which the
    landmark that it points to was the attention centre.
    """
    drawn = image.copy()
    for face in faces:
        unit = max(SMALLEST, float(face_size(face.points)) / REFERENCE)
        if trace:
            _shape(drawn, face.points, scheme, FAINT, 0.7 * unit)
            _ways(drawn, face.stages, unit)
            _centres(drawn, face, unit)
        else:
            _shape(drawn, face.points, scheme, SHAPE, 1.5 * unit)
            for point in face.points:
                _dot(drawn, point, 2.4 * unit, SHAPE, unit)
    return drawn


def _shape(image: Image, points: FloatArray, scheme: Scheme, colour: Colour, width: float) -> None:
    for indices, closed in scheme.curves:
        _line(image, points[list(indices)], colour, width, closed=closed)


def _ways(image: Image, stages: FloatArray, unit: float) -> None:
    """stages (T+1, L, 2): a ring at the first, a line that brightens with the steps, a dot at the last."""
    steps = len(stages) - 1
    for way in stages.transpose(1, 0, 2):
        cv2.polylines(image, [_fixed(way)], False, RIM, _width(3.6 * unit), cv2.LINE_AA, SHIFT)
    for step, (before, after) in enumerate(pairwise(stages), start=1):
        colour = _bgr(time_colour(step, steps))
        for start, end in zip(_fixed(before), _fixed(after), strict=True):
            cv2.line(image, start.tolist(), end.tolist(), colour, _width(2.2 * unit), cv2.LINE_AA, SHIFT)
    for point in stages[-1]:
        _dot(image, point, 1.8 * unit, _bgr(time_colour(steps, steps)), 0.8 * unit)


def _centres(image: Image, face: Face, unit: float) -> None:
    """A spot on every attention centre, and beside the face a label with its steps, in the colour of the first."""
    steps = len(face.centres)
    looked_at = spots(face.centres.tolist())
    points = face.points[list(looked_at)]
    side = CROP * unit * REFERENCE
    places = label_places(points, face.points.mean(0), side, (image.shape[1], image.shape[0]))
    colours = [time_colour(times[0], steps) for times in looked_at.values()]
    for colour, point, place in zip(colours, points, places, strict=True):
        _line(image, np.stack([point, place]), WHITE, 0.9 * unit)
        _dot(image, point, 4.2 * unit, _bgr(colour), 1.2 * unit, rim=WHITE)
    for colour, times, place in zip(colours, looked_at.values(), places, strict=True):
        _label(image, place, ranges(times), _bgr(colour), RIM if bright(colour) else WHITE, unit)


def _label(image: Image, place: FloatArray, words: str, colour: Colour, ink: Colour, unit: float) -> None:
    """Words on a rounded plate whose middle is at `place`."""
    font = _font(round(FINER * LETTERS * unit))
    left, top, right, bottom = font.getbbox(words)
    pad, edge = round(0.38 * font.size), max(1, round(0.09 * font.size))
    width, height = right - left + 2 * pad, round(0.73 * font.size) + 2 * pad
    plate = Canvas.new("RGBA", (width, height), (*colour, 0))  # its channels are taken for BGR throughout
    pen = ImageDraw.Draw(plate)
    pen.rounded_rectangle((0, 0, width - 1, height - 1), height // 2, (*colour, 255), (*WHITE, 255), edge)
    pen.text((width / 2, height / 2), words, (*ink, 255), font, anchor="mm")
    small = cv2.resize(
        np.asarray(plate), (max(1, width // FINER), max(1, height // FINER)), interpolation=cv2.INTER_AREA
    )
    _paste(image, small, place)


def _paste(image: Image, plate: Image, place: FloatArray) -> None:
    """Lay a plate (h, w, 4) on the image, its middle at `place`; what is off the image is cut."""
    height, width = plate.shape[:2]
    x, y = round(place[0] - width / 2), round(place[1] - height / 2)
    rows, columns = slice(max(0, y), min(image.shape[0], y + height)), slice(max(0, x), min(image.shape[1], x + width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = plate[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x].astype(np.float32)
    share = part[..., 3:] / 255
    image[rows, columns] = np.rint(share * part[..., :3] + (1 - share) * image[rows, columns]).astype(np.uint8)


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(findfont(FontProperties(family="DejaVu Sans", weight="bold")), size)


def _line(image: Image, points: FloatArray, colour: Colour, width: float, *, closed: bool = False) -> None:
    for ink, wide in ((RIM, width + max(1, width)), (colour, width)):
        cv2.polylines(image, [_fixed(points)], closed, ink, _width(wide), cv2.LINE_AA, SHIFT)


def _dot(image: Image, point: FloatArray, radius: float, colour: Colour, edge: float, rim: Colour = RIM) -> None:
    centre = _fixed(point).tolist()
    for ink, wide in ((rim, radius + edge), (colour, radius)):
        cv2.circle(image, centre, round(wide * (1 << SHIFT)), ink, -1, cv2.LINE_AA, SHIFT)


def _width(width: float) -> int:
    return max(1, round(width))


def _fixed(points: FloatArray) -> np.ndarray:
    """As OpenCV's fixed-point numbers; what is far off any picture is brought within their range."""
    limit = np.iinfo(np.int16).max
    return np.rint(np.clip(points, -limit, limit) * (1 << SHIFT)).astype(np.int32)


def _bgr(colour: tuple[float, ...]) -> Colour:
    red, green, blue = (round(255 * part) for part in colour[:3])
    return blue, green, red
