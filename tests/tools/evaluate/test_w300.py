"""Table 1 from results files: numbers known in advance, partial subsets told apart, every output format."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from layers.common import paper
from layers.common.errors import RarError
from tools.evaluate.__main__ import main
from tools.evaluate.results import Results, write_results
from tools.evaluate.w300 import COMPLETE, UNIONS

MakeResults = Callable[..., Results]
WHOLE = {"helen": 330, "lfpw": 224, "ibug": 135}


@pytest.fixture
def write(tmp_path: Path, make_results: MakeResults) -> Callable[..., Path]:
    """write("file name", subsets, ...) -> path of a results file."""

    def write(file: str, *arguments: object, **keywords: object) -> Path:
        path = tmp_path / file
        write_results(path, make_results(*arguments, **keywords))
        return path

    return write


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["300w", *map(str, arguments)])


def cells(output: str, label: str) -> list[str]:
    """The numbers of the first row of a printed table whose label starts so."""
    line = next(line for line in output.splitlines() if line.startswith(label))
    return line.removeprefix(label).split()[-5:]


# Typed from the paper, Table 1: Helen, LFPW, Common set, Challenging set, Full set.
PRINTED = """
RCPR 5.67 5.93 6.18 17.26 8.35
SDM - - 5.57 15.40 7.50
CFAN 5.44 5.53 5.50 - -
LBF - - 4.95 11.98 6.32
CFSS 4.87 4.63 4.73 9.98 5.76
TCDCN - - 4.80 8.60 5.54
RAR 4.30 3.99 4.12 8.35 4.94
"""


def test_the_papers_rows(write: Callable[..., Path]) -> None:
    output = run("--results", write("r.json", {"helen": 2})).output
    for line in PRINTED.split("\n")[1:-1]:
        method, *values = line.split()
        assert cells(output, f"{method} (paper)") == values
    assert output.count("(paper)") == 7  # none beside our outer-corner numbers


def test_the_papers_columns_by_arithmetic() -> None:
    """Full follows from Common and Challenging; Common follows from Helen and LFPW only when these are exchanged."""
    printed = {method: np.array(values, dtype=float) for method, values in paper.TABLE_1.items()}
    for method in ("LBF", "CFSS", "TCDCN", "RAR", "SDM", "RCPR"):
        _, _, common, challenging, full = printed[method]
        assert (554 * common + 135 * challenging) / 689 == pytest.approx(full, abs=0.011)
    for method in ("CFSS", "RAR"):
        helen, lfpw, common, _, _ = printed[method]
        assert abs((330 * helen + 224 * lfpw) / 554 - common) > 0.04
        assert (330 * lfpw + 224 * helen) / 554 == pytest.approx(common, abs=0.006)


def test_the_protocols_counts() -> None:
    assert COMPLETE == WHOLE
    assert {name: sum(WHOLE[part] for part in parts) for name, parts in UNIONS.items()} == {
        "common": 554, "challenging": 135, "full": 689,
    }  # fmt: skip


def test_whole_subsets_and_their_unions(write: Callable[..., Path]) -> None:
    """Every face 1.5 px off: 2.50 % of 60 px, 1.50 % of 100 px."""
    result = run("--results", write("r.json", WHOLE))
    assert result.exit_code == 0
    assert result.output.splitlines()[-6:] == [
        f"{name} {count} faces NME_pupil 2.50 NME_corner 1.50 FR10 0.0"
        for name, count in (*WHOLE.items(), ("common", 554), ("challenging", 135), ("full", 689))
    ]
    assert cells(result.output, "vgg19 (ours)") == ["2.50"] * 5
    assert "*" not in result.output.replace("**", "")


def test_error_by_stage(write: Callable[..., Path]) -> None:
    output = run("--results", write("r.json", WHOLE)).output
    stages = {name: cells(output, name)[0] for name in ("S_d", "S_hat_0", "S_hat_1", "S_hat_2", "S_hat_3")}
    assert stages == {"S_d": "12.50", "S_hat_0": "10.00", "S_hat_1": "7.50", "S_hat_2": "5.00", "S_hat_3": "2.50"}


def test_failures_and_unions_weigh_faces(tmp_path: Path, make_results: MakeResults) -> None:
    """One of three Helen faces fails; challenging is iBUG alone; no LFPW, hence neither common nor full."""
    good, bad = make_results({"helen": 2, "ibug": 1}), make_results({"helen": 3}, error=9.0)
    path = tmp_path / "r.json"
    faces = (*good.faces, *bad.faces[2:])
    write_results(path, Results(good.scheme, good.model, good.data, good.steps, faces))
    lines = run("--results", path).output.splitlines()
    assert lines[-3:] == [
        "helen 3 faces NME_pupil 6.67 NME_corner 4.00 FR10 33.3",
        "ibug 1 faces NME_pupil 2.50 NME_corner 1.50 FR10 0.0",
        "challenging 1 faces NME_pupil 2.50 NME_corner 1.50 FR10 0.0",
    ]


def test_a_partial_subset_is_flagged_and_so_are_its_unions(write: Callable[..., Path]) -> None:
    output = run("--results", write("r.json", WHOLE | {"helen": 329})).output
    assert cells(output, "vgg19 (ours)") == ["2.50*", "2.50", "2.50*", "2.50", "2.50*"]
    for note in ("329 faces of helen, the paper's has 330", "553 faces of common", "688 faces of full"):
        assert f"* not comparable with the paper: vgg19 has {note}" in output
    assert "faces of lfpw, the paper" not in output


def test_what_the_table_states(write: Callable[..., Path]) -> None:
    output = " ".join(run("--results", write("r.json", {"helen": 330})).output.split())
    facts = [
        "data 300w (helen 330)", "boxes detector with margin 1.4", "T = 3", "sha256 0123456789ab",
        "commit c0ffeec0ffee", "per cent of the inter-pupil distance", "the paper prints inter-pupil only",
        "look exchanged",
    ]  # fmt: skip
    assert [fact for fact in facts if fact not in output] == []


def test_synthetic_faces_are_not_put_beside_the_paper(write: Callable[..., Path]) -> None:
    output = run("--results", write("r.json", {"helen": 4}, raw="synthetic")).output
    assert "synthetic faces, not comparable with the paper" in output
    assert "(paper)" not in output
    assert "*" not in output
    assert output.splitlines()[-1] == "helen 4 faces NME_pupil 2.50 NME_corner 1.50 FR10 0.0"


def test_two_models_share_a_table(write: Callable[..., Path]) -> None:
    first = write("a.json", {"helen": 330}, name="full")
    second = write("b.json", {"helen": 330}, error=3.0, name="attentionless")
    output = run("--results", first, "--results", second).output
    assert cells(output, "full (ours)")[0] == "2.50"
    assert cells(output, "attentionless (ours)")[0] == "5.00"
    assert output.splitlines()[-4:] == [
        f"{first}:", "helen 330 faces NME_pupil 2.50 NME_corner 1.50 FR10 0.0",
        f"{second}:", "helen 330 faces NME_pupil 5.00 NME_corner 3.00 FR10 0.0",
    ]  # fmt: skip


def test_models_of_one_name_are_told_apart(write: Callable[..., Path]) -> None:
    paths = [write(name, {"helen": 1}) for name in ("a.json", "b.json")]
    output = run("--results", paths[0], "--results", paths[1]).output
    for path in paths:
        assert f"vgg19 [{path}] (ours)" in output


def test_csv_markdown_and_latex(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write("r.json", WHOLE | {"helen": 329}, name="vgg19_128")
    options = [word for name in ("csv", "markdown", "latex") for word in (f"--{name}", tmp_path / f"out/t.{name}")]
    assert run("--results", path, *options).exit_code == 0
    rows = list(csv.DictReader((tmp_path / "out/t.csv").open()))
    assert {"table": "table1_pupil", "row": "RAR (paper)", "column": "full", "value": "4.94", "mark": ""} in rows
    ours = {"table": "table1_corner", "row": "vgg19_128 (ours)", "column": "helen", "value": "1.50", "mark": "*"}
    assert ours in rows
    assert {"table": "stages_vgg19_128", "row": "S_hat_0", "column": "lfpw", "value": "10.00", "mark": ""} in rows
    assert not [row for row in rows if row["row"].startswith("SDM") and row["column"] == "helen"]
    markdown = (tmp_path / "out/t.markdown").read_text()
    assert r"| vgg19\_128 (ours) | 2.50\* | 2.50 | 2.50\* | 2.50 | 2.50\* |" in markdown
    latex = (tmp_path / "out/t.latex").read_text()
    assert r"vgg19\_128 (ours) & 2.50* & 2.50 & 2.50* & 2.50 & 2.50* \\" in latex
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 4


def test_other_landmarks_and_other_data_are_refused(write: Callable[..., Path]) -> None:
    real, drawn = write("a.json", {"helen": 1}), write("b.json", {"test": 1}, raw="synthetic")
    result = run("--results", real, "--results", drawn)
    assert isinstance(result.exception, RarError)
    assert "different data" in str(result.exception)
    content = json.loads(real.read_text())
    content["scheme"], content["faces"] = "29", [_cut(face, 29) for face in content["faces"]]
    real.write_text(json.dumps(content))
    assert "29-point shapes" in str(run("--results", real).exception)


def _cut(face: dict[str, Any], landmarks: int) -> dict[str, Any]:
    face |= {key: face[key][:landmarks] for key in ("ground_truth", "s_d", "peak")}
    face |= {key: [row[:landmarks] for row in face[key]] for key in ("stages", "confidence")}
    return face | {"centres": [0] * len(face["centres"])}


def test_a_bad_file_is_one_line_and_caffe_is_not_needed(write: Callable[..., Path]) -> None:
    path = write("r.json", {"helen": 2})
    path.write_text(path.read_text()[:-20])
    code = "import sys; sys.modules['caffe'] = None; sys.argv[0] = 'evaluate'; " \
           "import runpy; runpy.run_module('tools.evaluate', run_name='__main__')"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, "300w", "--results", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {path} is not JSON or is cut short")
