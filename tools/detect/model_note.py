"""Beside detections: the model that made them, in model.json."""

from __future__ import annotations

import json
from pathlib import Path

from layers.common.files import finished_file
from tools.common.version import commit, version
from tools.detect.detector import Detector

FILE = "model.json"
FORMAT = "rar-detection/1"


def write_model_note(folder: Path, detector: Detector, boxes: str) -> None:
    """Write it. boxes: where those of the faces come from."""
    about = detector.about
    note = {
        "format": FORMAT,
        "preset": detector.preset.name,
        "weights": str(detector.file),
        "sha256": detector.sha256,
        "trained_on": {"raw": about.raw, "boxes": about.boxes},
        "crop": {"size": about.crop_size, "margin": about.margin, "boxes": boxes},
        "commit": commit(),
        "version": version(),
    }
    with finished_file(folder / FILE) as part:
        part.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
