"""Robust initialisation as tensors against layers.common.face_fit, face by face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layers.common.face_fit import FaceSpace, FitSettings
from layers.common.prepared import PreparedSet
from layers.common.schemes import FIVE_OF_68
from layers.common.shape_pool import read_shape_pool

pytest.importorskip("onnxruntime", reason="no onnxruntime here: run ./rar-caffe packages onnx")

from tests.tools.onnx.sessions import session
from tools.onnx.fit import fit
from tools.onnx.graph import Graph
from tools.onnx.linear import solve

Array = np.ndarray
CROP = 64


def fitted(space: FaceSpace, s_d: Array) -> Array:
    """The fit of all faces at once in onnxruntime."""
    shape: tuple[int | str, ...] = ("N", *s_d.shape[1:])
    graph = Graph()
    graph.output("s_hat_0", fit(graph.input("s_d", np.float32, shape), space), shape)
    found: Array = session(graph.model("test")).run(None, {"s_d": s_d})[0]
    return found


def detected(faces: Array, outliers: float, rng: np.random.Generator) -> Array:
    """Noisy detections of faces (n, L, 2), a share of the landmarks anywhere on the crop."""
    anywhere = rng.random((*faces.shape[:2], 1)) < outliers
    noisy = faces + rng.normal(size=faces.shape)
    return np.where(anywhere, rng.uniform(0, CROP, faces.shape), noisy).astype(np.float32)


@pytest.fixture(scope="module")
def faces(prepared: Path) -> Array:
    return np.concatenate([PreparedSet(prepared / name).shape for name in ("helen", "lfpw", "ibug")])


@pytest.fixture(scope="module")
def basis(prepared: Path) -> Array:
    return np.asarray(read_shape_pool(prepared / "shape_pool.h5").centres, np.float32)


def five(shapes: Array) -> Array:
    return np.stack([shapes[:, list(points)].mean(1) for points in FIVE_OF_68], axis=1)


@pytest.mark.parametrize("outliers", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("landmarks", [68, 5])
def test_the_same_shapes(landmarks: int, outliers: float, faces: Array, basis: Array, rng: np.random.Generator) -> None:
    """At 0.8 hardly any landmark is right, so that too few agree at times."""
    if landmarks == 5:
        faces, basis = five(faces), five(basis)
    space = FaceSpace(basis, FitSettings())
    s_d = detected(np.tile(faces, (8, 1, 1)), outliers, rng)
    wanted = np.stack([space.fit(shape).shape for shape in s_d])
    np.testing.assert_allclose(fitted(space, s_d), wanted, atol=1e-3)


@pytest.mark.parametrize("settings", [FitSettings(supports=(1, 7, 30), rounds=1), FitSettings(ridge=5, penalty=2)])
def test_the_settings_count(settings: FitSettings, faces: Array, basis: Array, rng: np.random.Generator) -> None:
    space, s_d = FaceSpace(basis, settings), detected(faces, 0.2, rng)
    wanted = np.stack([space.fit(shape).shape for shape in s_d])
    default = np.stack([FaceSpace(basis, FitSettings()).fit(shape).shape for shape in s_d])
    np.testing.assert_allclose(fitted(space, s_d), wanted, atol=1e-3)
    assert np.abs(wanted - default).max() > 0.1


def test_a_detection_that_has_collapsed_to_a_point(basis: Array) -> None:
    found = fitted(FaceSpace(basis, FitSettings()), np.full((1, 68, 2), 7, np.float32))
    np.testing.assert_allclose(found, 7, atol=1e-3)


@pytest.mark.parametrize("size", [1, 7, 29, 100])
def test_solve(size: int, rng: np.random.Generator) -> None:
    root = rng.normal(size=(2, 3, size, size)) * np.geomspace(1, 1e-2, size)
    matrix, right = root @ root.transpose(0, 1, 3, 2) + 1e-4 * np.eye(size), rng.normal(size=(2, 3, size, 1))
    graph = Graph()
    a, b = (graph.input(name, np.float64, ("N", 3, size, width)) for name, width in (("a", size), ("b", 1)))
    graph.output("x", solve(a, b, size), ("N", 3, size, 1))
    (x,) = session(graph.model("test")).run(None, {"a": matrix, "b": right})
    np.testing.assert_allclose(matrix @ x, right, atol=1e-7)
