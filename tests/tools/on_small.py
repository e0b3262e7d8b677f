"""A program of the project on the small preset: python3 -m tests.tools.on_small MODULE ARGS.

PROTOTXT is the folder of its prototxt.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from tests.tools.small import SMALL
from tools.model import crop_detector, presets


def run(module: str) -> None:
    """The module as a program; its arguments are in sys.argv."""
    crop_detector.PROTOTXT = Path(os.environ["PROTOTXT"])
    presets.PRESETS["tiny"] = SMALL
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run(sys.argv.pop(1))
