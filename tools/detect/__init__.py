"""RAR on anyone's pictures: `Detector(preset, weights).detect(image)` here, `rar-caffe detect` in the shell.

Importing this changes nothing of the process: no hook, no variable, no guard of another library.
"""

from tools.detect.detector import Detector, Face

__all__ = ["Detector", "Face"]
