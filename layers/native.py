"""The layers' compiled twins, which our build of Caffe carries and runs in place of their Python passes on the host.

numpy takes longer to begin than the little work of a step does, and Python longer to be called. The Python passes are
the reference: the tests compare every twin with them. They run in a Caffe without our patches, everywhere with
RAR_NUMPY=1 in the environment, and on a GPU with CuPy where a layer reads whole maps. A layer names its twin in
RarLayer.native_pass.
"""

from __future__ import annotations

import os
from typing import Any

from layers.quiet import caffe

TWINS: Any = None if os.environ.get("RAR_NUMPY") == "1" else getattr(caffe._caffe, "rar", None)
