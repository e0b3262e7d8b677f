"""onnx and onnxruntime come from an environment of their own, behind the system's packages."""

from __future__ import annotations

import site

import numpy as np
import pytest

from tools.build import venv

site.addsitedir(str(venv.site_packages("onnx")))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1701)
