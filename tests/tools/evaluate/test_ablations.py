"""Variants side by side: Table 5 and the attentionless model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from layers.common.errors import RarError
from tools.evaluate.__main__ import main
from tools.evaluate.results import Results, write_results


@pytest.fixture
def score(tmp_path: Path, make_results: Callable[..., Results]) -> Callable[..., Result]:
    """score({"model name": error in px, ...}) runs the command on one made-up file per model."""

    def score(models: dict[str, float]) -> Result:
        arguments = ["ablations"]
        for number, (name, error) in enumerate(models.items()):
            path = tmp_path / f"{number}.json"
            write_results(path, make_results({"helen": 3}, error=error, name=name))
            arguments += ["--results", str(path)]
        return CliRunner().invoke(main, arguments, catch_exceptions=False)

    return score


def row(output: str, label: str) -> list[str]:
    return next(line for line in output.splitlines() if line.startswith(f"{label} ")).removeprefix(label).split()


def test_variants_are_rows(score: Callable[..., Result]) -> None:
    """60 px between the pupils; S_d is 5, S_hat_0 4 and S_hat_3 1 times the error off."""
    output = score({"vgg19": 1.5, "vgg19+weighting=ones": 2.4, "vgg19+initialisation=mean": 9.0}).output
    assert row(output, "full") == ["12.50*", "10.00*", "2.50*", "-", "75.00*", "0.00*", "-", "-", "-"]
    ones = ["20.00*", "16.00*", "4.00*", "-", "75.00*", "0.00*", "1.50*", "1.50*", "1.50*"]
    assert row(output, "weighting=ones") == ones, "every face is 1.5 worse, so the interval has no width"
    assert row(output, "initialisation=mean")[5] == "100.00*"
    assert "* not comparable with the paper: vgg19 has 3 faces of helen, the paper's has 330" in output


def test_seeds_are_one_row_paired_by_seed(tmp_path: Path, make_results: Callable[..., Results]) -> None:
    arguments = ["ablations"]
    changed = "vgg19+steps=3"
    for name, error, seed in (("vgg19", 1.5, 0), ("vgg19", 2.1, 1), (changed, 1.8, 1), (changed, 1.2, 0)):
        path, made = tmp_path / f"{name}_{seed}.json", make_results({"helen": 3}, error=error, name=name)
        write_results(path, dataclasses.replace(made, model=dataclasses.replace(made.model, seed=seed)))
        arguments += ["--results", str(path)]
    output = CliRunner().invoke(main, arguments, catch_exceptions=False).output
    assert row(output, "full (2 seeds)")[:5] == ["15.00*", "12.00*", "3.00*", "0.71*", "75.00*"]
    assert row(output, "steps=3 (2 seeds)")[-3:] == ["-0.50*", "-0.50*", "-0.50*"]


def test_the_papers_figures_stand_beside(score: Callable[..., Result]) -> None:
    output = score({"vgg19": 1.5}).output
    assert row(output, "robust") == ["4.94", "6.03", "7.23"]
    assert row(output, "attentionless") == ["5.02", "6.11", "-"]


def test_variants_of_two_presets_do_not_mix(score: Callable[..., Result]) -> None:
    with pytest.raises(RarError, match="variants of tiny and vgg19 do not belong in one table"):
        score({"vgg19": 1.5, "tiny+weighting=ones": 1.5})
