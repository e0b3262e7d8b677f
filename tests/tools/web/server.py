"""tools.web on the small preset, as a program: the options of tools.web; PROTOTXT is the folder of its prototxt.

HASTE=N: the limits of time for a visitor's part are N times as short. NETWORK=1: as if others could reach its address.
"""

from __future__ import annotations

import os
import runpy

from tools.web import limits

if __name__ == "__main__":
    for name in ("HEAD_SECONDS", "PAUSE_SECONDS", "BODY_SECONDS"):
        setattr(limits, name, getattr(limits, name) / float(os.environ.get("HASTE", "1")))
    from tools.web import child, serving

    if os.environ.get("NETWORK"):
        serving.is_loopback = lambda host: False
    child.WORKER = "tests.tools.web.worker"
    runpy.run_module("tools.web", run_name="__main__", alter_sys=True)
