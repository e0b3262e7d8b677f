"""tools.web.worker on the small preset: PROTOTXT is the folder of its prototxt."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

from tests.tools.small import SMALL
from tools.model import crop_detector, presets

if __name__ == "__main__":
    crop_detector.PROTOTXT = Path(os.environ["PROTOTXT"])
    presets.PRESETS["tiny"] = SMALL
    runpy.run_module("tools.web.worker", run_name="__main__", alter_sys=True)
