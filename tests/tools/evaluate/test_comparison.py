"""`python3 -m tools.evaluate compare`: pairs by face and seed, and what cannot be paired."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from layers.common.errors import RarError
from tests.tools.conftest import EYES
from tools.evaluate.__main__ import main
from tools.evaluate.results import Results, write_results

Put = Callable[..., Path]
COUNT = 40


@pytest.fixture
def put(tmp_path: Path, make_results: Callable[..., Results]) -> Put:
    """put("file", name="model", seed=None, errors=per cent of the faces' last shapes): a results file."""
    made = make_results({"helen": COUNT})

    def write(file: str, name: str, errors: np.ndarray, seed: int | None = None, **changes: Any) -> Path:
        faces = []
        for face, error in zip(made.faces, errors, strict=True):
            stages = face.stages.copy()
            stages[-1] = face.ground_truth + np.array([error / 100 * EYES, 0])
            faces.append(dataclasses.replace(face, stages=stages))
        model = dataclasses.replace(made.model, name=name, seed=seed)
        path = tmp_path / f"{file}.json"
        write_results(path, dataclasses.replace(made, model=model, faces=tuple(faces), **changes))
        return path

    return write


def run(*arguments: str | Path) -> str:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)], catch_exceptions=False).output


def rows(output: str, label: str) -> list[list[str]]:
    """The cells of a label's rows in the tables: its figures, and how it differs from the first."""
    lines = [line for line in output.splitlines() if line.startswith(f"{label} ")]
    return [line.split()[1:] for line in lines if not line.startswith(f"{label} - ")]


def test_two_models_are_paired_by_face(put: Put) -> None:
    """Errors of 1 to 40 per cent: an interval over unpaired faces would never show 0.1."""
    rng = np.random.default_rng(0)
    base = np.arange(1.0, COUNT + 1)
    gain = 0.1 + rng.normal(scale=0.05, size=COUNT)
    output = run(put("a", "tiny", base), put("b", "tiny+policy=random", base - gain))
    figures, against = rows(output, "tiny+policy=random")
    assert rows(output, "tiny")[0] == ["1", "20.500", "-", "75.00"]
    assert figures == ["1", f"{(base - gain).mean():.3f}", "-", "75.00"]
    assert against[0] == "1" and float(against[1]) == pytest.approx(-gain.mean(), abs=2e-3)
    assert -0.13 < float(against[2]) < float(against[1]) < float(against[3]) < -0.07
    assert output.splitlines()[-1].startswith(f"tiny+policy=random - tiny: -{gain.mean():.3f} [")
    assert output.splitlines()[-1].endswith("n = 40 faces, 1 seed: better")


def test_seeds_are_paired_by_their_number(put: Put) -> None:
    """Seed 1 is 2 harder for both: by seed the difference is 0.5 throughout, whatever the order of the files."""
    base = np.linspace(3, 9, COUNT)
    files = [put(f"a{seed}", "tiny", base + 2 * seed, seed) for seed in (0, 1)]
    files += [put(f"b{seed}", "tiny+steps=9", base + 2 * seed + 0.5, seed) for seed in (1, 0, 2)]
    output = run(*files)
    assert rows(output, "tiny")[0][:3] == ["2", "7.000", "1.414"]
    figures, against = rows(output, "tiny+steps=9")
    assert figures[:3] == ["3", "8.500", "2.000"]
    assert against[:4] == ["2", "0.500", "0.500", "0.500"]
    assert output.splitlines()[-1].endswith("2 seeds: worse")


def test_failures_are_tested_by_mcnemar(put: Put) -> None:
    low, high = np.full(COUNT, 5.0), np.full(COUNT, 5.0)
    high[:6] = 12
    low[5:7] = 12
    against = rows(run(put("a", "tiny", low), put("b", "tiny+steps=9", high)), "tiny+steps=9")[1]
    assert against[5:] == ["0.219", "5", "1"]


def test_files_of_one_model_can_be_told_apart(put: Put, tmp_path: Path) -> None:
    base = np.linspace(3, 9, COUNT)
    files = [put("a", "tiny", base), put("b", "tiny", base + 1)]
    assert rows(run(*files), "tiny")[0][:2] == ["2", "6.500"]
    last = run("--apart", *files).splitlines()[-1]
    assert last.startswith(f"tiny [{files[1]}] - tiny [{files[0]}]: +1.000 [+1.000, +1.000]")


def test_what_cannot_be_paired_is_named(put: Put, make_results: Callable[..., Results], tmp_path: Path) -> None:
    base = np.linspace(3, 9, COUNT)
    first = put("a", "tiny", base)
    fewer = tmp_path / "fewer.json"
    write_results(fewer, make_results({"helen": COUNT - 1}, name="tiny+steps=9"))
    boxes = dataclasses.replace(make_results({"helen": 1}).data, boxes="gt")
    with pytest.raises(RarError, match="fewer.json is of other faces than .*a.json"):
        run(first, fewer)
    with pytest.raises(RarError, match="other.json and .*a.json are of crops by other boxes"):
        run(first, put("other", "tiny+steps=9", base, data=boxes))
    with pytest.raises(RarError, match="no seed in common \\(0; 7\\)"):
        run(put("a", "tiny", base, 0), put("b", "tiny+steps=9", base, 7))
    with pytest.raises(RarError, match="with the same seed"):
        run(put("a", "tiny", base, 3), put("b", "tiny", base, 3))
    with pytest.raises(RarError, match="b.json does not say its seed, other files of tiny do"):
        run(put("a", "tiny", base, 3), put("b", "tiny", base))
    with pytest.raises(RarError, match="given twice"):
        run(first, first)
    with pytest.raises(RarError, match="no face of the subset ibug"):
        run("--subset", "ibug", first)
