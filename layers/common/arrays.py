"""Arrays of numpy and of CuPy alike: which library an array is of, and its numbers in the host's memory.

What is written with `xp = array_module(array)` runs where the array is. CuPy refuses arrays of both kinds in one
expression, so nothing travels unseen: `xp.asarray` takes small things to the GPU and `on_host` brings them back.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]


def array_module(array: Any) -> Any:
    """numpy for numpy's arrays; for any other the library that it is of."""
    return np if type(array) is np.ndarray else sys.modules[type(array).__module__.partition(".")[0]]


def on_host(array: Any) -> AnyArray:
    """The array as numpy's: itself, or a copy of what is in a GPU's memory."""
    return array if isinstance(array, np.ndarray) else np.asarray(array.get())
