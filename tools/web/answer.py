"""What the page is told about a picture: its faces, the weights of every step, and the pixels to show."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np

from data_prep.crops import crop_transform, cut_crop
from data_prep.images import Image
from data_prep.pts import points_text
from layers.common.errors import RarError
from layers.common.gamma import gamma_for_centre
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from tools.detect.detector import Detector, Face
from tools.detect.finder import FaceFinder
from tools.detect.write import as_json
from tools.model.presets import Preset
from tools.web.limits import MOST_FACES
from tools.web.pictures import open_picture

OVERVIEW = 960  # px, longer side of the picture as shown
VIEW, VIEW_MARGIN = 720, 1.8  # px of a face as shown; side of what is shown over the longer side of the box
QUALITY = 88  # of JPEG


class Answerer:
    """Finds the faces of visitors' pictures; for one thread at a time."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self._finder = FaceFinder()

    def answer(self, name: str, stored: bytes) -> dict[str, Any]:
        """JSON for the page on the picture file `stored`; RarError with a sentence for the visitor.

        name, width, height; overview: data URL; found: how many faces there are; curves and groups of the scheme;
        faces, the largest first and at most MOST_FACES. Coordinates are px of the picture, 0-based.
        """
        image = open_picture(name, stored)
        boxes = self._finder.find(image)
        faces = self.detector.detect(image, boxes[:MOST_FACES])
        if not faces:
            raise RarError(f"No face was found in {name}: faces should look at the camera and be 30 pixels or larger")
        kind, preset = scheme(self.detector.preset.scheme), self.detector.preset
        height, width = image.shape[:2]
        return {
            "name": name,
            "width": width,
            "height": height,
            "overview": _data_url(_fitted(image)),
            "found": len(boxes),
            "curves": kind.curves,
            "groups": kind.groups,
            "faces": [_face(name, face, image, preset) for face in faces],
        }


def step_weights(face: Face, preset: Preset) -> FloatArray:
    """Gamma (T, L) of every step, as the preset weighs; row t belongs to the step from s_hat_t to s_hat_t+1."""
    starts = face.stages[:-1]
    if preset.weighting == "gaussian":
        return gamma_for_centre(starts, face.centres, scheme(preset.scheme), preset.reading)
    return np.full(starts.shape[:2], 1.0 if preset.weighting == "ones" else 1 / starts.shape[1])


def _face(name: str, face: Face, image: Image, preset: Preset) -> dict[str, Any]:
    """result: as in faces.json of tools.detect; pts: the text of its .pts file; gamma; view: what to show of it."""
    side = round(VIEW_MARGIN * float(max(face.box[2:] - face.box[:2])))
    shown = min(VIEW, side)
    to_view = crop_transform(face.box, VIEW_MARGIN, shown)
    left, top = -to_view[:, 2] / to_view[0, 0]
    return {
        "result": as_json(name, face),
        "pts": points_text(face.points),
        "gamma": np.round(step_weights(face, preset), 5).tolist(),
        "view": {
            "left": left,
            "top": top,
            "pixel": 1 / to_view[0, 0],
            "size": shown,
            "image": _data_url(cut_crop(image, to_view, shown)),
        },
    }


def _fitted(image: Image) -> Image:
    scale = min(1.0, OVERVIEW / max(image.shape[:2]))
    height, width = (max(1, round(scale * length)) for length in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _data_url(image: Image) -> str:
    stored = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(stored.tobytes()).decode()
