"""Snapshots, complete or absent, known by their checksums; the log, cut back to them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from caffe.proto import caffe_pb2

from layers.common.errors import RarError
from tests.tools.train.runs import read_log
from tools.model.run_record import RunRecord, read_record
from tools.train.log import TrainingLog
from tools.train.snapshots import KEEP, Snapshots


class FakeSolver:
    """Writes snapshots as Caffe does, of nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.iter = folder, 0
        self.net = SimpleNamespace(params={"conv": [SimpleNamespace(data=np.zeros(1), count=1)]})

    def snapshot(self) -> None:
        layer = caffe_pb2.LayerParameter(name="conv", blobs=[caffe_pb2.BlobProto(data=[self.iter])])
        stem = self.folder / f"rar_iter_{self.iter}"
        stem.with_suffix(".caffemodel").write_bytes(caffe_pb2.NetParameter(layer=[layer]).SerializeToString())
        stem.with_suffix(".solverstate").write_bytes(b"state")


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(RunRecord(tmp_path, {}, []), "rar")


def read_again(snapshots: Snapshots) -> Snapshots:
    """As the next process finds them."""
    record = read_record(snapshots.folder)
    assert record is not None
    return Snapshots(record, "rar")


def take(snapshots: Snapshots, *iterations: int) -> None:
    solver: Any = FakeSolver(snapshots.folder)
    for iteration in iterations:
        solver.iter = iteration
        snapshots.take(solver)


def test_the_last_snapshots_are_kept(snapshots: Snapshots) -> None:
    assert snapshots.latest() is None
    take(snapshots, 10, 20, 100, 110)
    latest = snapshots.latest()
    assert latest is not None and latest.iteration == 110
    states = sorted(snapshots.folder.glob("*.solverstate"))
    assert [path.stem for path in states] == ["rar_iter_100", "rar_iter_110"]
    assert len(states) == KEEP == len(list(snapshots.folder.glob("*.caffemodel")))


@pytest.mark.parametrize("lost", ["caffemodel", "solverstate"])
def test_a_snapshot_that_has_lost_a_file_is_passed_over(snapshots: Snapshots, lost: str) -> None:
    take(snapshots, 10, 20)
    (snapshots.folder / f"rar_iter_20.{lost}").unlink()
    latest = snapshots.latest()
    assert latest is not None and latest.iteration == 10


def test_files_that_are_not_in_the_index_do_not_count(snapshots: Snapshots) -> None:
    take(snapshots, 10)
    for kind in ("caffemodel", "solverstate"):
        (snapshots.folder / f"rar_iter_30.{kind}").write_bytes(b"half of it")
    latest = snapshots.latest()
    assert latest is not None and latest.iteration == 10


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": "rar-run/1"}', '{"format": "rar-run/1", "training": {}, "code": 3}', "\0" * 9]
)
def test_a_damaged_record_is_named(snapshots: Snapshots, text: str) -> None:
    (snapshots.folder / "run.json").write_text(text)
    with pytest.raises(RarError, match=r"run\.json is damaged .*delete it, and the training goes on"):
        read_record(snapshots.folder)


@pytest.mark.parametrize("damage", [b"", b"something else", None])
@pytest.mark.parametrize("suffix", [".caffemodel", ".solverstate"])
def test_a_damaged_snapshot_is_named_and_the_older_one_is_taken(
    snapshots: Snapshots, capsys: pytest.CaptureFixture[str], damage: bytes | None, suffix: str
) -> None:
    take(snapshots, 10, 20)
    path = snapshots.folder / f"rar_iter_20{suffix}"
    flipped = bytearray(path.read_bytes())
    flipped[-1] ^= 1
    path.write_bytes(flipped if damage is None else damage)
    latest = read_again(snapshots).latest()
    assert latest is not None and latest.iteration == 10
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: ") and line.endswith("taking the snapshot before it, if there is one")


def test_the_end_of_a_phase_killed_anywhere_is_the_end(snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before every step that touches the disk: then the phase has ended, or goes on from its last state."""

    class Killed(BaseException):
        """Instead of the next call."""

    calls = 0

    def mortal(real: Any, at: int) -> Any:
        def call(*words: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                raise Killed
            return real(*words, **options)

        return call

    ends = []
    for at in range(1, 20):
        for file in snapshots.folder.glob("*"):
            file.unlink()
        snapshots.record.snapshots.clear()
        snapshots.record.finished.clear()
        take(snapshots, 10, 20)
        last, calls = snapshots.latest(), 0
        assert last is not None
        with monkeypatch.context() as patch:
            for owner, name in ((RunRecord, "save"), (Path, "replace"), (Path, "unlink")):
                patch.setattr(owner, name, mortal(getattr(owner, name), at))
            try:
                snapshots.finish(last)
                break
            except Killed:
                pass
        found = read_again(snapshots)
        ended = found.finished()
        ends.append(ended)
        newest = found.latest()
        assert ended or newest is not None and newest.iteration == 20
        assert ended == found.result.is_file()
    assert len(ends) > 4 and ends == sorted(ends)


@pytest.mark.parametrize("content", [b"", b"garbage", b"of a longer training"])
def test_other_weights_in_the_place_of_the_result_are_set_aside(
    snapshots: Snapshots, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    take(snapshots, 10, 20)
    snapshots.result.write_bytes(content)
    assert not read_again(snapshots).finished()
    assert f"{snapshots.result}: not a file of this training" in capsys.readouterr().err
    last = snapshots.latest()
    assert last is not None
    snapshots.finish(last)
    assert read_again(snapshots).finished()
    snapshots.result.write_bytes(content)
    assert not read_again(snapshots).finished()
    assert (snapshots.folder / "rar.caffemodel.set_aside").read_bytes() == content


def test_weights_that_are_not_finite_are_not_saved(snapshots: Snapshots) -> None:
    solver: Any = FakeSolver(snapshots.folder)
    solver.net.params["conv"][0].data[0] = np.nan
    with pytest.raises(RarError, match="the weights of conv are not finite at iteration 0"):
        snapshots.take(solver)
    assert snapshots.latest() is None and not list(snapshots.folder.glob("*.caffemodel"))


def test_phases_do_not_mix(tmp_path: Path) -> None:
    record = RunRecord(tmp_path, {}, [])
    take(Snapshots(record, "rar"), 10)
    assert Snapshots(record, "warm_up").latest() is None


def test_the_log_is_cut_back_to_the_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    first = TrainingLog(path, "warm_up", 0, ["loss"])
    first.write(20, 5.0, 0.1, {"loss": 3.0})
    log = TrainingLog(path, "rar", 0, ["loss", "nme"])
    for iteration in (20, 40, 60):
        log.write(iteration, iteration / 10, 0.1, {"loss": 1 / iteration, "nme": 4.0})
    resumed = TrainingLog(path, "rar", 40, ["loss", "nme"])
    resumed.write(60, 1.0, 0.05, {"loss": 0.5, "nme": 3.0})
    rows = read_log(tmp_path)
    assert [(row["phase"], row["iteration"], row["seconds"]) for row in rows] == [
        ("warm_up", "20", "5.0"), ("rar", "20", "2.0"), ("rar", "40", "4.0"), ("rar", "60", "5.0"),
    ]  # fmt: skip
    assert rows[0]["nme"] == "" and rows[3]["nme"] == "3"


HEAD = "phase,iteration,seconds,learning_rate,loss\r\n"
ROW = "rar,20,2.0,0.1,0.5\r\n"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (HEAD + ROW + "rar,40,4.0", 1),
        (HEAD + ROW + "rar,40,4.0,0.05,0.2", 1),
        (HEAD + ROW + "ra", 1),
        (HEAD + ROW + "\0" * 30, 1),
        (HEAD + ROW + "rar,forty,4.0,0.1,0.5\r\n" + ROW.replace("20", "40"), 2),
        (HEAD + ROW + "rar,40,nan,0.1,0.5\r\n", 1),
        (HEAD + ROW.replace("\r\n", ",1,2\r\n"), 0),
        (HEAD + ROW.replace("0.5", '"0.5') + ROW.replace("20", "40"), 1),
        ("\0" * 50, 0),
        (ROW, 0),
        (HEAD[:20], 0),
        ("", 0),
    ],
)
def test_a_log_that_was_cut_is_repaired(tmp_path: Path, text: str, kept: int) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text, newline="")
    log = TrainingLog(path, "rar", 100, ["loss"])
    log.write(120, 1.0, 0.05, {"loss": 0.25})
    rows = read_log(tmp_path)
    assert len(rows) == kept + 1
    assert rows[-1]["iteration"] == "120" and all(row["loss"] for row in rows)
    assert all(None not in (*row, *row.values()) for row in rows)
