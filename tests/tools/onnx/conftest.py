"""onnx and onnxruntime come from an environment of their own, behind the system's packages."""

from __future__ import annotations

import site
import sys

import numpy as np
import pytest

from tools.build.cache import root

ENVIRONMENT = root() / "venv" / "onnx"
site.addsitedir(str(ENVIRONMENT / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1701)
