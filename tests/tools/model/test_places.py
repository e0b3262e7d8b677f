"""Which weights a command uses, and where things are by default."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from layers.common.errors import RarError
from tools import PROJECT
from tools.model.options import data_option, in_run, model_options, model_options_for
from tools.model.places import DEFAULT, chosen_weights, prepared_folder, run_folder, shipped_weights


def test_given_weights_come_first(tmp_path: Path) -> None:
    (tmp_path / "rar.caffemodel").touch()
    assert chosen_weights("vgg19", tmp_path, tmp_path / "mine.caffemodel") == tmp_path / "mine.caffemodel"
    assert chosen_weights(DEFAULT, tmp_path, Path("shipped")).absolute() == shipped_weights(DEFAULT)


def test_then_those_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "c s"
    run.mkdir()
    for name in ("log.csv", "rar.caffemodel"):
        (run / name).touch()
    assert chosen_weights("compact", run) == run / "rar.caffemodel"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "trace", ["log.csv", "warm_up_iter_20.solverstate", "warm_up.caffemodel", "rar_solver.prototxt"]
)
def test_a_run_that_was_begun_and_not_ended_is_an_error(tmp_path: Path, trace: str) -> None:
    (tmp_path / trace).touch()
    with pytest.raises(
        RarError, match="was begun and has no rar.caffemodel: run the same training again to end it, or"
    ):
        chosen_weights("compact", tmp_path)
    with pytest.raises(RarError, match="was begun and has no"):  # whose scheme its weights would have told
        chosen_weights("compact+scheme=twelve", tmp_path)
    assert chosen_weights("compact", tmp_path, Path("shipped"))


def test_then_those_that_come_with_the_project_which_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "detected").mkdir()  # results are no training
    assert chosen_weights("compact+steps=3", tmp_path).absolute() == shipped_weights("compact")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"no training in {tmp_path}: using the weights that come with the project, ")


def test_and_without_any_a_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(RarError, match=f"no weights at {tmp_path}/rar.caffemodel: train first, or give --weights FILE"):
        chosen_weights("tiny", tmp_path)
    with pytest.raises(RarError, match="no preset 'huge'"):
        chosen_weights("huge", tmp_path)


def test_defaults_lie_in_the_project_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert prepared_folder("compact+steps=3") == PROJECT / "data" / "300w_96"
    assert prepared_folder("cofw_128", "cofw") == PROJECT / "data" / "cofw_128"
    assert run_folder("vgg19+steps=8") == PROJECT / "runs" / "vgg19+steps=8"
    monkeypatch.chdir(PROJECT)
    assert run_folder("tiny") == Path("runs/tiny")


def test_options_of_a_command(tmp_path: Path) -> None:
    @click.command()
    @model_options
    @data_option(subset="helen")
    @in_run("--out", "found", "folder")
    def show(name: str, weights: Path, data: Path, out: Path) -> None:
        print(name, weights, data, out)

    def shown(*words: str) -> list[str]:
        return CliRunner().invoke(show, list(words), catch_exceptions=False).output.splitlines()[-1].split()

    run = tmp_path / "run"
    run.mkdir()
    (run / "rar.caffemodel").touch()
    data = prepared_folder("tiny") / "helen"
    # the order in which they are given does not matter
    for words in (("--preset", "tiny", "--run", str(run)), ("--run", str(run), "--preset", "tiny")):
        assert shown(*words) == ["tiny", str(run / "rar.caffemodel"), str(data), str(run / "found")]
    assert shown("--weights", "w.h5", "--out", "o", "--data", "d") == [DEFAULT, "w.h5", "d", "o"]


def test_another_default_preset() -> None:
    @click.command()
    @model_options_for("vgg19_128")
    def show(name: str, weights: Path) -> None:
        print(name)

    assert CliRunner().invoke(show, ["--weights", "shipped"]).output == "vgg19_128\n"
