"""A small MTFL in the release's layout, with a dot drawn on every point."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.data_prep.conftest import draw

SIZE = (150, 150)
TRAIN = (r"lfw_5590\Ann_0001.jpg", r"lfw_5590\Bob_0001.jpg", r"net_7876\_60_991_0.jpg", r"net_7876\0_0_7.jpg")
TEST = ("AFLW/0001-image20056.jpg", "AFLW/0002-image04733.jpg")


def five(number: int) -> np.ndarray:
    """A face of five points, 0-based px, not the same for two numbers."""
    face = np.array([(-21.0, -22), (21, -22), (0, 1), (-16, 21), (16, 21)])
    turn = 0.1 * (number % 3 - 1)
    return face @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + (74 + number % 4, 73)


def line(picture: str, shape: np.ndarray) -> str:
    """As in the release: px from 1, all x, all y, four attributes."""
    return " ".join([picture, *(f"{number:.6f}" for number in (shape.T + 1).ravel()), "1 2 2 3"])


def write_mtfl(root: Path) -> None:
    """Four training and two test faces, and the release's stray blanks."""
    number = 0
    for name, pictures in (("training.txt", TRAIN), ("testing.txt", TEST)):
        lines = []
        for picture in pictures:
            number += 1
            path = root / picture.replace("\\", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), draw(five(number), SIZE, number), [cv2.IMWRITE_JPEG_QUALITY, 98])
            lines.append(line(picture, five(number)))
        (root / name).write_text("\n ".join(lines) + "\n \n")
