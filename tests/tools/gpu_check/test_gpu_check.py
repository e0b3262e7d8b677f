"""The check on a CPU: its dry run from end to end, and what it does with failures and time that runs out."""

from __future__ import annotations

import csv
import tarfile
import time
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

from layers.common.errors import RarError
from tools.gpu_check import handover, summary
from tools.gpu_check.__main__ import main
from tools.gpu_check.stages import KILLED, Check, Stage
from tools.gpu_check.training import PHASES, Chain, Wanted, seconds_an_iteration, train_all
from tools.model.weight_file import read_weights

OTHER = "tiny+cnn_lr=0"


def test_dry_run(prepared: Path, tmp_path: Path) -> None:
    """Tests, bench and two trainings side by side, both phases of each; two minutes on a quiet machine."""
    out = tmp_path / "out"
    words = ["--dry-run", "--preset", "tiny", "--preset", OTHER, "--phase", "both", "--data", str(prepared)]
    done = CliRunner().invoke(main, [*words, "--out", str(out), "--minutes", "9"])
    assert done.exit_code == 0, done.output
    text = (out / "summary.md").read_text()
    trainings = [f"{phase} of {name}" for phase in ("warm_up", "rar") for name in ("tiny", OTHER)]
    for stage in ("machine", "tests", "bench", *(f"speed of {one}" for one in trainings), *trainings):
        assert f"| {stage} | passed |" in text, text
    names = ["tiny", "tiny_cnn_lr_0"]
    weights = {f"{name}.caffemodel.h5.00" for name in names}
    assert {path.name for path in out.iterdir()} == {"summary.md", "results.tar.gz", *weights}
    assert all(path.stat().st_size <= handover.PIECE for path in out.iterdir())
    with tarfile.open(out / "results.tar.gz") as tar:
        tar.extractall(tmp_path / "results")
    assert (tmp_path / "results/bench/results.json").is_file() and (tmp_path / "results/log.txt").is_file()
    for name in names:
        for phase in ("warm_up", "rar"):
            with (tmp_path / "results" / name / phase / "log.csv").open() as log:
                rows = [row for row in csv.DictReader(log) if row["phase"] == phase]
            assert float(rows[-1]["learning_rate"]) < 0.2 * float(rows[0]["learning_rate"])
        with h5py.File(out / f"{name}.caffemodel.h5.00") as file:
            assert {"conv8", "r_lstm_input_0"} <= set(file["data"])


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Of a minute."""
    for name in ("out", "work"):
        (tmp_path / name).mkdir()
    return Check(tmp_path / "out", tmp_path / "work", 60, "tiny", say=lambda _: None)


def test_a_stage_that_fails_and_one_that_hangs(check: Check) -> None:
    check.run(Stage("nonsense", ("no-such-command",), 20))
    check.run(Stage("sleeper", ("run", "sh", "-c", "echo asleep; sleep 60"), 5))
    assert [one.status for one in check.outcomes] == [2, KILLED]
    assert check.outcomes[1].output == ("asleep",) and check.outcomes[1].seconds < 15
    text = summary.write(check).read_text()
    assert "| nonsense | failed with status 2 |" in text and "| sleeper | ran out of time |" in text


def test_a_stage_that_dies_and_leaves_a_child_is_over_at_once(check: Check) -> None:
    found = check.run(Stage("orphan", ("run", "sh", "-c", "sleep 50 & echo $!; echo it broke; exit 3"), 40))
    assert (found.status, found.output[-1]) == (3, "it broke") and found.seconds < 15
    limit = time.monotonic() + 10
    while not ended(int(found.output[0])):
        assert time.monotonic() < limit, "the child still runs"
        time.sleep(0.05)


def ended(pid: int) -> bool:
    """Whether a process is gone, or dead and not yet waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_training_that_fails_is_seen_at_once_and_the_other_goes_on(
    prepared: Path, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    check.seconds = 400
    nothing = check.work / "nothing"
    nothing.mkdir()
    trainings = [
        Wanted("tiny", PHASES["both"], nothing, None, ""),
        Wanted(OTHER, PHASES["warm_up"], prepared, None, "", most=60),
    ]
    train_all(check, trainings)
    outcomes = {one.name: one for one in check.outcomes}
    failed = outcomes["speed of warm_up of tiny"]
    assert failed.status == 1 and failed.seconds < 60 and "prepare the data" in failed.output[-1]
    assert set(outcomes) == {failed.name, f"speed of warm_up of {OTHER}", f"warm_up of {OTHER}"}
    assert outcomes[f"warm_up of {OTHER}"].status == 0
    assert failed.output[-1] in summary.write(check).read_text()


def test_time_that_runs_out_stops_a_training_with_its_state_saved(
    prepared: Path, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    check.seconds = 400
    chain = Chain(check, Wanted("tiny", PHASES["warm_up"], prepared, None, ""), 1)
    run = chain.folder / "warm_up"
    words = chain.wanted.words("warm_up", None, run, 100_000)

    def out_of_time() -> float:
        return 0.0 if (run / "log.csv").is_file() and (run / "log.csv").read_text().count("\n") > 1 else 100.0

    monkeypatch.setattr(check, "left", out_of_time)
    status, output = chain.train("warm_up", words, run, 1.0, handing=False)
    assert status == KILLED and output[-1].startswith("stopped at iteration ")
    chain.give("warm_up", run)
    assert [path.name for path in check.out.glob("tiny*")] == ["tiny.caffemodel.h5.00"]


def test_what_goes_wrong_in_one_training_stays_there(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("half a row")

    chain = Chain(check, Wanted("tiny", PHASES["both"], check.work, None, ""), 1)
    monkeypatch.setattr(summary, "write", broken)
    chain.give("warm_up", check.work)
    assert "not handed over: half a row" in check.log.read_text()
    monkeypatch.setattr(chain, "phase", broken)
    chain.run()
    assert [(one.name, one.status) for one in check.outcomes] == [("warm_up of tiny", 1)]
    assert "half a row" in check.outcomes[0].output[0]


def test_only_whole_snapshots_are_handed_over(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    snapshot = next(trained.glob("rar_iter_*.caffemodel"))
    (run / "rar_iter_20.caffemodel").write_bytes(snapshot.read_bytes())
    assert handover.newest(run, "rar") is None  # its state is not written yet
    (run / "rar_iter_20.solverstate").write_bytes(b"state")
    assert handover.newest(run, "rar") == run / "rar_iter_20.caffemodel"
    (piece,) = handover.hand_over(run / "rar_iter_20.caffemodel", tmp_path, run, "tiny")
    layers = read_weights(snapshot).layers.items()
    wanted = {name for name, blobs in layers if blobs and not name.endswith("_samples")}
    with h5py.File(piece) as file:
        assert set(file["data"]) == wanted
    (run / "rar_iter_20.caffemodel").write_bytes(snapshot.read_bytes()[:1000])
    with pytest.raises(RarError, match="rar_iter_20"):
        handover.hand_over(run / "rar_iter_20.caffemodel", tmp_path, run, "tiny")
    assert piece.is_file()


def test_the_pieces_are_few(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = next(trained.glob("rar_iter_*.caffemodel"))
    monkeypatch.setattr(handover, "PIECE", 100_000)
    many = handover.hand_over(snapshot, tmp_path, tmp_path, "tiny", 100)
    assert [path.name[-2:] for path in many] == [f"{number:02d}" for number in range(len(many))]
    whole = (tmp_path / "tiny.caffemodel.h5").read_bytes()
    assert len(many) > 1 and b"".join(path.read_bytes() for path in many) == whole
    with pytest.raises(RarError, match="do not go into 1 files"):
        handover.hand_over(snapshot, tmp_path, tmp_path, "tiny", 1)


def test_time_of_an_iteration(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("phase,iteration,seconds\nwarm_up,20,9\nwarm_up,40,10\nwarm_up,60,11\n")
    assert seconds_an_iteration(log, "warm_up") == pytest.approx(0.05)
    with pytest.raises(RarError, match="too few rows of rar"):
        seconds_an_iteration(log, "rar")


def test_command_lines(tmp_path: Path) -> None:
    start, run = tmp_path / "s.h5", tmp_path / "r"
    first = Wanted("vgg19", ("warm_up",), tmp_path, start, "0").words("warm_up", start, run, 500)
    assert " ".join(first).endswith(f"--gpus 0 --vgg19 {tmp_path}/s.h5 --warm-up-iterations 500 --iterations 1")
    second = Wanted("vgg19", ("rar",), tmp_path, None, "").words("rar", None, run, 500)
    assert "--gpus" not in second and second[-2:] == ("--iterations", "500")


@pytest.mark.parametrize("names", [["tiny", "tiny"], ["no_such_preset"]])
def test_presets_that_do_not_do(names: list[str], tmp_path: Path) -> None:
    words = [word for name in names for word in ("--preset", name)]
    done = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, RarError) and not (tmp_path / "out").exists()
