"""All tables from a folder of runs: our rows where there are results, the paper's alone where not, nothing stale."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from layers.common.errors import RarError
from layers.common.files import sha256
from tools.evaluate import paper_tables
from tools.evaluate.results import Model, Results, write_results


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """The command on tmp_path/runs; what it prints."""

    def run() -> str:
        options = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "tables")]
        paper_tables.main(options, standalone_mode=False)
        return capsys.readouterr().out

    return run


def put(results: Results, folder: Path, weights: bytes) -> Path:
    """A results file of weights beside it."""
    folder.mkdir(parents=True)
    path = folder / "rar.caffemodel"
    path.write_bytes(weights)
    model = Model(results.model.name, str(path), sha256(path), "c0ffee")
    write_results(folder / "results.json", dataclasses.replace(results, model=model))
    return path


def test_without_results_the_papers_rows_stand_alone(run: Callable[[], str], tmp_path: Path) -> None:
    output = run()
    words = " ".join(output.split())
    for row in ("RAR (paper) 4.30 3.99", "HPM (paper) 7.46 13.24", "RAR (paper) 7.23", "robust 4.94"):
        assert row in words
    assert output.count("none of ours") == 3
    assert output.splitlines()[-1] == " ".join(str(tmp_path / f"tables/tables.{end}") for end in ("md", "csv", "tex"))
    assert (tmp_path / "tables/tables.csv").read_text().startswith("table,row,column,value,mark\n")


def test_plain_models_fill_table_1_and_variants_table_5(
    run: Callable[[], str], tmp_path: Path, make_results: Callable[..., Results]
) -> None:
    put(make_results({"helen": 330}, name="vgg19"), tmp_path / "runs/a", b"a")
    put(make_results({"helen": 330}, name="vgg19+weighting=ones"), tmp_path / "runs/b", b"b")
    put(make_results({"helen": 5}, raw="synthetic", name="tiny"), tmp_path / "runs/c", b"c")
    output = run()
    table_1, _, table_5 = output.partition("Ablations of vgg19 on helen")
    assert "vgg19 (ours)" in table_1 and "weighting=ones" not in table_1
    assert "\nfull " in table_5 and "\nweighting=ones " in table_5
    assert f"left out: {tmp_path / 'runs/c/results.json'} is on synthetic faces, not the paper's" in output


def test_a_stale_file_is_named_and_left_out(
    run: Callable[[], str], tmp_path: Path, make_results: Callable[..., Results]
) -> None:
    weights = put(make_results({"helen": 330}, name="vgg19"), tmp_path / "runs/a", b"a")
    weights.write_bytes(b"trained further")
    output = run()
    assert f"stale: {tmp_path / 'runs/a/results.json'} was measured before {weights} changed" in output
    assert "vgg19 (ours)" not in output


def test_a_file_that_holds_no_results_is_named(run: Callable[[], str], tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/results.json").write_text("{}")
    with pytest.raises(RarError, match=r"runs/results\.json is no results file"):
        run()
