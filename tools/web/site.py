"""The files of the page, all of them in memory: no request leads to the disk."""

from __future__ import annotations

import hashlib
from pathlib import Path
from string import Template
from typing import NamedTuple

import cv2
import skimage.data

from tools.web.limits import KINDS, MOST_BYTES

PAGE = Path(__file__).with_name("page")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class File(NamedTuple):
    """What is sent for a path; tag: changes with the content."""

    content: bytes
    type: str
    tag: str


def files() -> dict[str, File]:
    """By path: / is the page, /page/... what it loads, /sample.jpg the picture to try."""
    made = {f"/page/{path.name}": _file(path.read_bytes(), TYPES[path.suffix]) for path in sorted(PAGE.iterdir())}
    page = Template(made.pop("/page/page.html").content.decode())
    words = {"most_bytes": MOST_BYTES, "most_megabytes": MOST_BYTES >> 20, "kinds": KINDS}
    return {**made, "/": _file(page.substitute(words).encode(), TYPES[".html"]), "/sample.jpg": _sample()}


def _file(content: bytes, kind: str) -> File:
    return File(content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')


def _sample() -> File:
    """Scikit-image's astronaut as a JPEG file."""
    picture = cv2.imencode(".jpg", cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR))[1]
    return _file(picture.tobytes(), "image/jpeg")
