"""`rar-caffe ablations`: what is trained and tested from what, for every seed, and the tables that follow.

Training and testing are recorded and not done; their words go through the real commands' own parsers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layers.common.errors import RarError
from tools.cli import ablations
from tools.evaluate.results import Results, write_results
from tools.test import faces
from tools.train import __main__ as training

COMMANDS = {"train": training.main, "test": faces.main}
Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path, make_results: Callable[..., Results], monkeypatch: pytest.MonkeyPatch) -> Run:
    """run("--seeds", "2", ...): the options of every step, in order, "command" among them."""
    steps: list[dict[str, Any]] = []
    warm = tmp_path / "warm.caffemodel"
    warm.write_bytes(b"weights")

    def recorded(command: str, *words: object) -> None:
        options = COMMANDS[command].make_context(command, [str(word) for word in words]).params
        steps.append({**options, "command": command})
        if command == "train":
            options["out"].mkdir(parents=True, exist_ok=True)
            (options["out"] / "rar.caffemodel").write_bytes(b"weights")
        else:
            name, seed = options["name"], options["trained_seed"]
            made = make_results({"helen": 3}, error=2.0 if "+" in name else 1.5, name=name)
            results = dataclasses.replace(made, model=dataclasses.replace(made.model, seed=seed))
            write_results(Path(options["out"]), results)

    monkeypatch.setattr(ablations, "step", recorded)
    monkeypatch.setattr(ablations, "compare", lambda *words, **options: None)  # it wants the faces themselves

    def run(*words: str) -> list[dict[str, Any]]:
        steps.clear()
        given = ["--preset", "tiny", "--run", str(tmp_path / "run"), "--data", str(tmp_path), "--warm-up", str(warm)]
        ablations.main([*given, *words], standalone_mode=False)
        return steps

    return run


def test_every_variant_and_seed_from_one_warm_up(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, warm = "policy=random", tmp_path / "warm.caffemodel"
    steps = run("--seeds", "2", "--change", change, "--iterations", "7", "--new-steps")
    trained = [step for step in steps if step["command"] == "train"]
    places = ["run", "run/seed_1", f"run+{change}", f"run+{change}/seed_1"]
    assert [step["out"] for step in trained] == [tmp_path / place for place in places]
    assert [(step["name"], step["seed"]) for step in trained] == [
        (name, seed) for name in ("tiny", f"tiny+{change}") for seed in (0, 1)
    ]
    assert all(step["warm_up"] == warm and step["new_steps"] and step["iterations"] == 7 for step in trained)
    tested = [step for step in steps if step["command"] == "test"]
    assert [step["trained_seed"] for step in tested] == [0, 1, 0, 1]
    assert [Path(step["out"]).parent for step in tested] == [tmp_path / place for place in places]
    assert [Path(step["weights"]).parent for step in tested] == [tmp_path / place for place in places]
    output = capsys.readouterr().out
    assert "full (2 seeds)" in output and f"{change} (2 seeds)" in output
    assert f"tiny+{change} - tiny: +0.833 [+0.833, +0.833], n = 3 faces, 2 seeds: worse" in output


def test_one_seed_takes_the_full_model_as_it_is(run: Run, tmp_path: Path, make_results: Callable[..., Results]) -> None:
    write_results(tmp_path / "run" / "results.json", make_results({"helen": 3}, name="tiny"))
    steps = run("--change", "steps=2")
    assert [(step["command"], step["name"]) for step in steps] == [("train", "tiny+steps=2"), ("test", "tiny+steps=2")]
    assert not steps[0]["new_steps"] and steps[1]["trained_seed"] is None


def test_a_change_that_is_none_is_refused_before_anything_is_trained(run: Run) -> None:
    with pytest.raises(RarError, match="a preset has no setting 'polcy'"):
        run("--change", "policy=random", "--change", "polcy=random")
