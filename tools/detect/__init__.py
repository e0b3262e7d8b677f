"""RAR on anyone's pictures: `Detector(preset, weights).detect(image)` here, `python3 -m tools.detect` in the shell."""

from tools.detect.detector import Detector, Face

__all__ = ["Detector", "Face"]
