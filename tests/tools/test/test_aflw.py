"""From made-up MTFL faces to the last line: a 5-point net, and a 68-point net on 5-point annotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from data_prep import prepare_mtfl
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from layers.common.shape_pool import read_shape_pool
from tests.data_prep.mtfl_files import write_mtfl
from tools.evaluate import aflw
from tools.evaluate.__main__ import main as evaluate
from tools.evaluate.results import read_results
from tools.model import network
from tools.model.caffe_net import net_from
from tools.model.presets import preset
from tools.report.ship import __main__ as ship
from tools.report.ship.protocols import protocol
from tools.test import faces as test_faces

FIVE = "tiny+landmarks=5+scheme=5+basis_size=4+steps=2"
ALL = "tiny+basis_size=2+steps=2"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small MTFL, prepared."""
    root = tmp_path_factory.mktemp("mtfl")
    write_mtfl(root / "raw")
    options = "--crop-size 64 --copies 2 --centres 4 --workers 0 --any-count"
    arguments = ["--raw", str(root / "raw"), "--out", str(root / "data"), *options.split()]
    prepare_mtfl.main(arguments, standalone_mode=False)
    return root / "data"


def untrained(name: str, basis: np.ndarray, path: Path) -> Path:
    """Weights of a preset's net as it starts, with basis shapes."""
    net = net_from(network.deploy(preset(name)))
    (pool,) = [blobs[0] for blobs in net.params.values() if blobs[0].data.shape == basis.shape]
    pool.data[...] = basis
    net.save(str(path))
    return path


@pytest.mark.parametrize("name", [FIVE, ALL])
def test_the_whole_way(name: str, data: Path, tmp_path: Path) -> None:
    basis = read_shape_pool(data / "shape_pool.h5").centres
    if name == ALL:
        basis = np.random.default_rng(0).normal(size=(2, 68, 2))
    weights, out = untrained(name, basis, tmp_path / "w.caffemodel"), tmp_path / "r.json"
    options = ["--preset", name, "--weights", str(weights), "--data", str(data), "--sets", "aflw", "--out", str(out)]
    test_faces.main(options, standalone_mode=False)
    results = read_results(out, other_truth=True)
    landmarks = preset(name).landmarks
    assert (results.scheme, results.truth, results.data.raw) == (str(landmarks), "5", "mtfl")
    with PreparedSet(data / "aflw") as faces:
        for row, face in enumerate(results.faces):
            assert face.stages.shape == (3, landmarks, 2)
            np.testing.assert_allclose(face.ground_truth, faces.image_shape[row], atol=1e-3)
    shown = CliRunner().invoke(evaluate, ["aflw", "--results", str(out)])
    assert shown.exception is None
    assert shown.output.splitlines()[-1].startswith("aflw 2 faces NME_pupil ")


def test_a_five_point_model_ships(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ship, "LARGEST_CHANGE", 50.0)  # of an untrained net, whose maps have no clear peak
    run, out = tmp_path / "run", tmp_path / "model"
    run.mkdir()
    weights = untrained(FIVE, read_shape_pool(data / "shape_pool.h5").centres, run / "rar.caffemodel")
    words = ["--preset", FIVE, "--data", str(data)]
    test_faces.main(
        [*words, "--weights", str(weights), "--sets", "aflw", "--out", str(run / "results_aflw.json")],
        standalone_mode=False,
    )
    (run / "log.csv").write_text("phase,iteration,seconds,loss_conv8\nwarm_up,2,3600,8\nrar,4,1800,7\n")
    ship.main([*words, "--run", str(run), "--out", str(out), "--commands", "make it"], standalone_mode=False)
    card = (out / "README.md").read_text()
    [score] = aflw.evaluate_all([run / "shipped.json"])
    assert f"| stage | aflw ({score.faces} faces), pupil |" in card and "outer eye corners" not in card
    assert f"\nnme_pupil_aflw: {round(100 * score.final.mean(), 2)}\n" in card
    assert f"| Ŝ_2 | {100 * score.final.mean():.2f} |" in card and "follows TCDCN" in card


def test_a_model_without_a_protocol_does_not_ship() -> None:
    with pytest.raises(RarError, match="preset cofw_128 has 29 points: models of 68 and 5 ship"):
        protocol(preset("cofw_128"))
