"""RAR on anyone's pictures: `Detector(preset, weights).detect(image)` here, `python3 -m tools.detect` in the shell."""

import os

os.environ.setdefault("GLOG_minloglevel", "2")  # before caffe is imported: its log is thousands of lines a net

from tools.detect.detector import Detector, Face

__all__ = ["Detector", "Face"]
