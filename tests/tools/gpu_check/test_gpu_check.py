"""The check on a CPU: its dry run from end to end, and what it does with failures and time that runs out."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

from layers.common.errors import RarError
from tools.gpu_check import handover, summary
from tools.gpu_check.__main__ import main
from tools.gpu_check.stages import KILLED, Check, Stage
from tools.gpu_check.training import Wanted, seconds_an_iteration
from tools.model.weight_file import read_weights


def test_dry_run(prepared: Path, tmp_path: Path) -> None:
    """Tests, bench and a training of `tiny`; a minute and a half on a quiet machine."""
    out = tmp_path / "out"
    words = ["--dry-run", "--preset", "tiny", "--data", str(prepared), "--out", str(out), "--minutes", "9"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    text = (out / "summary.md").read_text()
    for stage in ("machine", "tests", "bench", "speed of training", "training"):
        assert f"| {stage} | passed |" in text, text
    names = {path.name for path in out.iterdir()}
    assert names >= {"summary.md", "log.txt", "bench.json", "log.csv", "weights.caffemodel.h5.00"} and len(names) <= 8
    assert all(path.stat().st_size <= handover.PIECE for path in out.iterdir())
    with (out / "log.csv").open() as log:
        rows = [row for row in csv.DictReader(log) if row["phase"] == "warm_up"]
    assert float(rows[-1]["learning_rate"]) < 0.1 * float(rows[0]["learning_rate"])
    joined = tmp_path / "joined.h5"
    joined.write_bytes(b"".join(path.read_bytes() for path in sorted(out.glob("weights*"))))
    with h5py.File(joined) as file:
        assert "conv8" in file["data"]


def test_a_stage_that_fails_and_one_that_hangs(tmp_path: Path) -> None:
    check = Check(tmp_path, 60, say=lambda _: None)
    check.run(Stage("nonsense", ("no-such-command",), 20))
    check.run(Stage("sleeper", ("run", "sh", "-c", "echo asleep; sleep 60"), 5))
    assert [one.status for one in check.outcomes] == [2, KILLED]
    assert check.outcomes[1].output == ("asleep",) and check.outcomes[1].seconds < 15
    text = summary.write(check, "tiny").read_text()
    assert "| nonsense | failed with status 2 |" in text and "| sleeper | ran out of time |" in text


def test_only_whole_snapshots_are_handed_over(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    snapshot = next(trained.glob("rar_iter_*.caffemodel"))
    (run / "rar_iter_20.caffemodel").write_bytes(snapshot.read_bytes())
    assert handover.newest(run, "rar") is None  # its state is not written yet
    (run / "rar_iter_20.solverstate").write_bytes(b"state")
    assert handover.newest(run, "rar") == run / "rar_iter_20.caffemodel"
    (piece,) = handover.hand_over(run / "rar_iter_20.caffemodel", tmp_path, run)
    layers = read_weights(snapshot).layers.items()
    wanted = {name for name, blobs in layers if blobs and not name.endswith("_samples")}
    with h5py.File(piece) as file:
        assert set(file["data"]) == wanted
    (run / "rar_iter_20.caffemodel").write_bytes(snapshot.read_bytes()[:1000])
    with pytest.raises(RarError, match="rar_iter_20"):
        handover.hand_over(run / "rar_iter_20.caffemodel", tmp_path, run)
    assert piece.is_file()


def test_the_pieces_are_few(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = next(trained.glob("rar_iter_*.caffemodel"))
    monkeypatch.setattr(handover, "PIECE", 100_000)
    monkeypatch.setattr(handover, "PIECES", 100)
    many = handover.hand_over(snapshot, tmp_path, tmp_path)
    assert [path.name[-2:] for path in many] == [f"{number:02d}" for number in range(len(many))]
    whole = (tmp_path / handover.NAME).read_bytes()
    assert len(many) > 1 and b"".join(path.read_bytes() for path in many) == whole
    monkeypatch.setattr(handover, "PIECES", 1)
    with pytest.raises(RarError, match="do not go into 1 files"):
        handover.hand_over(snapshot, tmp_path, tmp_path)


def test_time_of_an_iteration(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("phase,iteration,seconds\nwarm_up,20,9\nwarm_up,40,10\nwarm_up,60,11\n")
    assert seconds_an_iteration(log, "warm_up") == pytest.approx(0.05)
    with pytest.raises(RarError, match="too few rows of rar"):
        seconds_an_iteration(log, "rar")


def test_command_lines(tmp_path: Path) -> None:
    first = Wanted("vgg19", "warm_up", tmp_path, tmp_path / "s.h5", "0").words(tmp_path / "r", 500)
    assert " ".join(first).endswith(f"--gpus 0 --vgg19 {tmp_path}/s.h5 --warm-up-iterations 500 --iterations 1")
    second = Wanted("vgg19", "rar", tmp_path, None, "").words(tmp_path / "r", 500)
    assert "--gpus" not in second and second[-2:] == ("--iterations", "500")
