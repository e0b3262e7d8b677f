"""tools.web on the small preset, as a program: the folder of its prototxt, then the options of tools.web."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from tests.tools.small import SMALL
from tools.model import crop_detector, presets

if __name__ == "__main__":
    crop_detector.PROTOTXT = Path(sys.argv.pop(1))
    presets.PRESETS["tiny"] = SMALL
    runpy.run_module("tools.web", run_name="__main__", alter_sys=True)
