"""The process in which SciPy reads .mat files, for a damaged one can end it; started by data_prep.mat, by its path.

Arguments: seconds and bytes it may use, then names of variables. On stdin a path a line; on stdout for each a line of
JSON: {"values": {name: value}}, structures as objects and arrays as lists, or {"error": why not}.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import numpy as np
from scipy.io import loadmat


def plain(value: Any) -> Any:
    """A value of SciPy's as JSON has it."""
    if hasattr(value, "_fieldnames"):
        return {name: plain(getattr(value, name)) for name in value._fieldnames}
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value] if value.dtype == object and value.ndim else plain(value.tolist())
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) else str(value)


def main(seconds: str, most: str, *variables: str) -> None:
    """Answer until stdin ends."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    resource.setrlimit(resource.RLIMIT_DATA, (int(most), int(most)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer: dict[str, Any]
    for line in sys.stdin.buffer:
        try:
            found = loadmat(line.rstrip(b"\n").decode("utf-8", "surrogateescape"), squeeze_me=True,
                            struct_as_record=False, variable_names=variables)  # fmt: skip
            lacking = [name for name in variables if name not in found]
            if lacking:
                raise KeyError(f"no variable {lacking[0]}")
            answer = {"values": {name: plain(found[name]) for name in variables}}
        except Exception as error:  # SciPy raises a dozen kinds for a damaged file
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
