"""From COFW's two files to Table 2, with nets of Caffe: a 29-point one, and a 68-point one whose shapes are mapped.

The files are small ones of the same structure (tests/data_prep/cofw_files.py); the nets are untrained, or trained for
two iterations.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from data_prep import prepare_cofw
from layers.common.prepared import PreparedSet
from layers.common.shape_pool import read_shape_pool
from tests.data_prep.cofw_files import write_cofw
from tests.tools.cli.test_own import step
from tests.tools.test.test_aflw import untrained
from tools.evaluate.__main__ import main as evaluate
from tools.evaluate.results import read_results
from tools.model import network
from tools.model.caffe_net import net_from
from tools.model.presets import preset
from tools.test.__main__ import main as run_test

DIRECT = "tiny+landmarks=29+scheme=29+basis_size=4+steps=2"
MAPPED = "tiny+basis_size=2+steps=2"
TRAIN, TEST = 40, 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small COFW, prepared."""
    root = tmp_path_factory.mktemp("cofw")
    write_cofw(root / "raw", TRAIN, TEST)
    options = "--crop-size 64 --copies 2 --centres 4 --workers 0 --any-count"
    arguments = ["--raw", str(root / "raw"), "--out", str(root / "data"), *options.split()]
    prepare_cofw.main(arguments, standalone_mode=False)
    return root / "data"


@pytest.mark.parametrize("name", [DIRECT, MAPPED])
def test_the_whole_way(name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    basis = read_shape_pool(data / "shape_pool.h5").centres
    if name == MAPPED:
        basis = np.random.default_rng(0).normal(size=(2, 68, 2))
    weights = untrained(name, basis, tmp_path / "w.caffemodel")
    words = ["--preset", name, "--weights", str(weights), "--data", str(data), "--out", str(tmp_path / "run")]
    run_test(words, standalone_mode=False)
    printed = capsys.readouterr().out
    assert "RAR (paper)" in printed and "4.14" in printed, "Table 2 with the paper's rows"
    assert f"has {TEST} faces of cofw, the paper's has 507" in printed
    assert printed.splitlines()[-1].startswith(f"cofw {TEST} faces NME_pupil ")
    assert ("68 points mapped to 29" in printed) == (name == MAPPED)

    results = read_results(tmp_path / "run" / "results_cofw.json", other_truth=True)
    landmarks = preset(name).landmarks
    assert (results.scheme, results.truth, results.data.raw) == (str(landmarks), "29", "cofw")
    assert [face.subset for face in results.faces] == ["train"] * TRAIN + ["cofw"] * TEST
    with PreparedSet(data / "cofw") as faces:
        for row, face in enumerate(results.faces[TRAIN:]):
            assert face.stages.shape == (3, landmarks, 2) and face.hidden is not None
            np.testing.assert_allclose(face.ground_truth, faces.image_shape[row], atol=1e-3)
            np.testing.assert_array_equal(face.hidden, faces.occluded[row])

    file = str(tmp_path / "run" / "results_cofw.json")
    shown = CliRunner().invoke(evaluate, ["where", "--results", file, "--fewest", "1"], catch_exceptions=False)
    by_hidden = shown.output.partition("Error by share of landmarks hidden")[2].partition("Pose of")[0]
    counts = [int(line.rpartition(" % ")[2].split()[0]) for line in by_hidden.splitlines() if " % " in line[:16]]
    assert sum(counts) == TEST and len(counts) > 1


def test_a_29_point_net_trains_on_it_and_is_tested_by_its_protocol(data: Path, tmp_path: Path) -> None:
    """`train` and `test`, each in a process of its own; the protocol is the data's."""
    step("train", "--preset", DIRECT, "--data", data, "--out", tmp_path, "--warm-up-iterations", 2, "--iterations", 2)
    printed = step("test", "--preset", DIRECT, "--data", data, "--run", tmp_path)
    assert printed.splitlines()[-1].startswith(f"cofw {TEST} faces NME_pupil ")


@pytest.mark.parametrize(("name", "landmarks"), [("cofw_128", 29), ("aflw_128", 5)])
def test_the_presets_that_ship_untrained_are_whole_nets(name: str, landmarks: int) -> None:
    chosen = preset(name)
    net = net_from(network.deploy(chosen))
    (basis,) = [part[0] for part in net.params.values() if part[0].data.shape[1:] == (landmarks, 2)]
    basis.data[...] = np.random.default_rng(1).normal(size=basis.data.shape)
    net.blobs["data"].data[...] = np.random.default_rng(0).normal(0, 40, net.blobs["data"].data.shape)
    found = net.forward()
    shapes = [values.shape for values in found.values()]
    assert shapes.count((1, landmarks, 2)) >= 1, shapes
    assert all(np.isfinite(values).all() for values in found.values())
