"""Robust initialisation on noisy detections with gross outliers, and the other starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import caffe
import h5py
import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.face_fit import FaceSpace, FitSettings
from layers.common.prepared import PreparedSet
from layers.common.schemes import SCHEME_68
from layers.common.shape_pool import ShapePool, read_shape_pool
from layers.common.shapes import affine_apply, normalised_mean_error, point_errors, pupil_distance, similarity_fit
from tests.layers.conftest import Array, forward, python_layer
from tools.model.gradient_check import layer_net

CROP = 64
OUTLIERS, NOISE = 0.3, 0.03  # share of the landmarks; deviation of the others in inter-pupil distances


@pytest.fixture(scope="module")
def pool(prepared: Path) -> ShapePool:
    return read_shape_pool(prepared / "shape_pool.h5")


@pytest.fixture(scope="module")
def space(pool: ShapePool) -> FaceSpace:
    return FaceSpace(pool.centres, FitSettings())


@pytest.fixture(scope="module")
def faces(prepared: Path) -> Array:
    """Test faces (n, 68, 2), px, which the pool has not seen."""
    return np.concatenate([PreparedSet(prepared / name).shape for name in ("helen", "lfpw", "ibug")]).astype(np.float64)


def detected(faces: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Noisy detections of the faces, the outliers anywhere on the crop, and which landmarks are outliers (n, L)."""
    noise = rng.normal(size=faces.shape) * NOISE * pupil_distance(faces, SCHEME_68)[:, None, None]
    outlier = rng.permuted(np.arange(68) < OUTLIERS * 68 * np.ones((len(faces), 1)), axis=1)
    return np.where(outlier[..., None], rng.uniform(0, CROP, faces.shape), faces + noise), outlier


def nme(shape: Array, truth: Array) -> Array:
    """Per cent of the inter-pupil distance."""
    return 100 * normalised_mean_error(shape, truth, pupil_distance(truth, SCHEME_68))


def test_gross_outliers_do_not_spoil_the_fit(space: FaceSpace, faces: Array, rng: np.random.Generator) -> None:
    """30 % outliers: S_d is 48 % off, S_hat_0 2 %, which is less than the noise of the good landmarks alone (3.8 %)."""
    truth = np.tile(faces, (3, 1, 1))
    s_d, _ = detected(truth, rng)
    s_hat_0 = np.stack([space.fit(shape).shape for shape in s_d])
    assert nme(s_d, truth).mean() > 40
    assert nme(s_hat_0, truth).mean() < 3
    assert nme(s_hat_0, truth).max() < 6


def test_inliers_and_outliers_are_told_apart(space: FaceSpace, faces: Array, rng: np.random.Generator) -> None:
    s_d, outlier = detected(faces, rng)
    far = point_errors(s_d, faces) > 0.25 * pupil_distance(faces, SCHEME_68)[:, None]
    inliers = np.stack([space.fit(shape).inliers for shape in s_d])
    assert far.any(axis=1).all()
    assert inliers[~outlier].mean() > 0.95
    assert not (inliers & far).any()


def test_the_fit_itself_tells_who_is_an_inlier(space: FaceSpace, faces: Array, rng: np.random.Generator) -> None:
    """Landmarks 0.16 off pass for one coarse basis shape (0.20) but not for the fitted combination (0.10)."""
    moved = np.arange(0, 68, 6)
    inliers = []
    for face in faces:
        angle, s_d = rng.uniform(0, 2 * np.pi, len(moved)), face.copy()
        s_d[moved] += 0.16 * pupil_distance(face, SCHEME_68) * np.stack([np.cos(angle), np.sin(angle)], -1)
        inliers.append(space.fit(s_d).inliers)
    assert np.mean(inliers, axis=0)[moved].mean() < 0.2
    assert np.delete(inliers, moved, axis=1).mean() > 0.95


def test_fit_follows_a_similarity_of_the_detection(space: FaceSpace, faces: Array, rng: np.random.Generator) -> None:
    """Move, turn and scale S_d, and S_hat_0 does the same: no size or place of the face is preferred."""
    s_d = detected(faces, rng)[0][0]
    matrix = np.array([[1.3, -0.7, 5.0], [0.7, 1.3, -9.0]])
    plain, moved = space.fit(s_d), space.fit(affine_apply(matrix, s_d))
    np.testing.assert_allclose(moved.shape, affine_apply(matrix, plain.shape), atol=1e-6)
    np.testing.assert_array_equal(moved.inliers, plain.inliers)


def test_a_combination_is_nearer_than_any_basis_shape(space: FaceSpace, pool: ShapePool, faces: Array) -> None:
    for face in faces:
        basis = pool.centres
        nearest = affine_apply(similarity_fit(basis, np.broadcast_to(face, basis.shape)), basis)
        assert nme(space.fit(face).shape, face) < 0.7 * nme(nearest, face).min()


def test_the_price_of_basis_shapes_counts(pool: ShapePool, faces: Array) -> None:
    """lambda of eq. (11): free basis shapes are all used, dear ones only when they win landmarks."""
    free = FaceSpace(pool.centres, FitSettings(penalty=0, threshold=1.0)).fit(faces[0])
    dear = FaceSpace(pool.centres, FitSettings(penalty=10)).fit(faces[0])
    assert dear.support == 40
    assert free.objective < dear.objective


@pytest.mark.parametrize("settings", [{"threshold": 0.0}, {"threshold": float("nan")}, {"supports": (10, -3)}])
def test_settings_that_no_fit_can_have_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(RarError, match=r"^the robust start .* not (0.0|nan|-3)$"):
        FitSettings(**settings)


@pytest.mark.parametrize("s_d", [np.full((68, 2), 20.0), np.random.default_rng(0).uniform(0, CROP, (68, 2))])
def test_a_detection_that_is_no_face_gives_a_finite_shape_near_it(space: FaceSpace, s_d: Array) -> None:
    shape = space.fit(s_d).shape
    assert np.isfinite(shape).all()
    assert np.abs(shape - CROP / 2).max() < CROP


# The layer ----------------------------------------------------------------------------------------------------------


def layer(pool: Path | str, **parameters: object) -> Any:
    settings = {"landmarks": 68, "basis_size": 100, "crop_size": CROP, "pool": str(pool), **parameters}
    return python_layer("initialisation.InitialisationLayer", ["s_d"], ["s_hat_0"], **settings)


def start(s_d: Array, pool: Path | str, **parameters: object) -> Array:
    """s_hat_0 of the layer."""
    return np.array(forward(layer(pool, **parameters), {"s_d": s_d}).blobs["s_hat_0"].data)


@pytest.fixture(scope="module")
def s_d(faces: Array) -> Array:
    return detected(faces, np.random.default_rng(5))[0][:3].astype(np.float32)


@pytest.fixture(scope="module")
def file(prepared: Path) -> Path:
    return prepared / "shape_pool.h5"


def test_robust_layer_equals_the_fit(s_d: Array, file: Path, pool: ShapePool) -> None:
    expected = FaceSpace(pool.centres.astype(np.float32), FitSettings(samples=20)).fit(s_d[1]).shape
    np.testing.assert_allclose(start(s_d, file, fit={"samples": 20})[1], expected, atol=1e-3)


def test_direct_and_mean(s_d: Array, file: Path, pool: ShapePool) -> None:
    np.testing.assert_array_equal(start(s_d, file, mode="direct"), s_d)
    mean = np.broadcast_to(pool.mean_shape * CROP, s_d.shape)
    np.testing.assert_allclose(start(s_d, file, mode="mean"), mean, rtol=1e-5)


def test_random_is_a_basis_shape_on_the_mean_and_repeats_itself(s_d: Array, file: Path, pool: ShapePool) -> None:
    shapes = start(s_d, file, mode="random", seed=3)
    np.testing.assert_array_equal(shapes, start(s_d, file, mode="random", seed=3))
    assert (shapes != start(s_d, file, mode="random", seed=4)).any()
    assert len(np.unique(shapes[:, 0, 0])) == len(s_d)
    mean = pool.mean_shape * CROP
    basis = affine_apply(similarity_fit(pool.centres, np.broadcast_to(mean, pool.centres.shape)), pool.centres)
    for shape in shapes:
        assert np.abs(basis - shape).max((1, 2)).min() < 1e-3


def test_the_path_of_the_pool_may_name_a_variable(s_d: Array, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA", str(file.parent))
    np.testing.assert_array_equal(start(s_d, "$DATA/shape_pool.h5", mode="mean"), start(s_d, file, mode="mean"))


def test_weights_carry_the_basis(s_d: Array, file: Path, tmp_path: Path) -> None:
    trained = forward(layer(file), {"s_d": s_d})
    trained.save(str(tmp_path / "w.caffemodel"))
    deployed = layer_net(layer(""), {"s_d": s_d}, caffe.TEST)
    deployed.copy_from(str(tmp_path / "w.caffemodel"))
    deployed.blobs["s_d"].data[...] = s_d
    deployed.forward()
    np.testing.assert_array_equal(deployed.blobs["s_hat_0"].data, trained.blobs["s_hat_0"].data)


@pytest.mark.parametrize("mode", ["robust", "mean", "random"])
def test_without_weights_or_a_pool_there_is_no_start(s_d: Array, mode: str) -> None:
    with pytest.raises(RarError, match="no basis shapes"):
        start(s_d, "", mode=mode)


def test_a_missing_or_broken_pool_is_named(s_d: Array, tmp_path: Path) -> None:
    with pytest.raises(RarError, match=r"absent\.h5 is no shape pool"):
        start(s_d, tmp_path / "absent.h5")
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"no HDF5")
    with pytest.raises(RarError, match=r"broken\.h5 is no shape pool"):
        start(s_d, broken)


def test_an_ill_pool_is_refused(s_d: Array, pool: ShapePool, tmp_path: Path) -> None:
    path = tmp_path / "pool.h5"

    def write(centres: Array) -> None:
        with h5py.File(path, "w") as opened:
            opened["centres"], opened["mean_shape"] = centres, pool.mean_shape

    write(pool.centres[:7])
    with pytest.raises(RarError, match=r"holds shapes \(7, 68, 2\), the net wants \(100, 68, 2\)"):
        start(s_d, path)
    write(np.where(np.arange(100)[:, None, None] == 4, np.nan, pool.centres))
    with pytest.raises(RarError, match="not finite"):
        start(s_d, path)


@pytest.mark.parametrize("wrong", [{"mode": "oracle"}, {"fit": {"sample": 3}}])
def test_wrong_settings_are_refused(s_d: Array, file: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(RarError, match="InitialisationLayer"):
        start(s_d, file, **wrong)
