"""A run knows what it is: what differs is refused in a line, what is damaged is named, what was moved goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layers.common.errors import RarError
from layers.common.files import alone, file_entry
from layers.common.shape_pool import FILE as POOL
from tests.conftest import prepare_drawn
from tests.killing import Killed, stamped
from tests.tools.small import LOG_EVERY, SMALL, write_project
from tests.tools.train.runs import RunThere, assert_same_run, read_log, train
from tools.model.presets import Preset
from tools.model.run_record import read_record
from tools.train.identity import differences

Here = Callable[..., None]


def stopped(project: Path, run_there: RunThere, at: str = "10 SIGKILL") -> Path:
    """The folder of a run that was ended in its second phase, with snapshots of iterations 4 and 8."""
    done = train(run_there, project, INTERRUPT=at)
    assert done.returncode in (-9, 130), done.stderr[-2000:]
    return project / "out"


@pytest.fixture(scope="session")
def killed(small_project: Path, tmp_path_factory: pytest.TempPathFactory, run_there: RunThere) -> Path:
    """Such a folder, only to be copied."""
    return stopped(shutil.copytree(small_project, tmp_path_factory.mktemp("killed") / "project"), run_there)


@pytest.fixture
def out(project: Path, killed: Path) -> Path:
    """A copy of it in the project."""
    return Path(shutil.copytree(killed, project / "out"))


def assert_ended(out: Path, lost: int = 0) -> None:
    """The training has ended, its record is of the files that are there, its log is whole but for one row."""
    record = read_record(out)
    assert record is not None
    assert record.finished == {name: file_entry(out / name) for name in ("warm_up.caffemodel", "rar.caffemodel")}
    expected = [n for n in range(LOG_EVERY, SMALL.end_to_end.iterations + 1, LOG_EVERY) if n != lost]
    assert [int(row["iteration"]) for row in read_log(out) if row["phase"] == "rar"] == expected


def test_the_record_says_all_of_it(finished: Path, prepared: Path) -> None:
    record = read_record(finished)
    assert record is not None
    training = record.training
    assert (training["preset"], training["seed"], training["solvers"], training["start"]) == ("tiny", 0, 1, None)
    assert training["settings"]["steps"] == SMALL.steps
    assert training["settings"]["end_to_end"]["iterations"] == SMALL.end_to_end.iterations
    assert len(training["data"]) == 64
    assert {"commit", "version", "python", "numpy", "caffe"} <= record.code[0].keys()
    assert record.finished == {name: file_entry(finished / name) for name in ("warm_up.caffemodel", "rar.caffemodel")}
    listed = [name for entry in record.snapshots["rar"] for name in entry["files"]]
    assert sorted(listed) == ["rar_iter_8.caffemodel", "rar_iter_8.solverstate"]


@pytest.mark.parametrize(
    ("options", "preset", "words"),
    [
        (("--preset", "tiny+steps=2"), SMALL, "steps 3, now 2"),
        (("--preset", "tiny+weighting=uniform"), SMALL, 'weighting "gaussian", now "uniform"'),
        (("--seed", "1"), SMALL, "seed 0, now 1"),
        (("--iterations", "13"), SMALL, "end_to_end.iterations 12, now 13"),
        (("--warm-up-iterations", "3"), SMALL, "warm_up.iterations 4, now 3"),
        ((), replace(SMALL, lstm_lr=1.0), "lstm_lr 800.0, now 1.0"),
        (("--seed", "2", "--iterations", "5"), SMALL, "end_to_end.iterations 12, now 5; seed 0, now 2"),
    ],
)
@pytest.mark.parametrize("ended", [False, True])
def test_another_training_is_refused(
    here: Here, finished: Path, killed: Path, options: tuple[str, ...], preset: Preset, words: str, ended: bool
) -> None:
    """Whether it was begun or has ended; and nothing of it is touched."""
    shutil.copytree(finished if ended else killed, "out")
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    with pytest.raises(RarError) as error:
        here(*options, preset=preset)
    assert str(error.value) == (
        f"out holds another training ({words}): give what it was begun with to go on, or another --out to begin anew"
    )
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before


def test_other_data_and_another_start_are_refused(here: Here, killed: Path, drawn_faces: Path, tmp_path: Path) -> None:
    shutil.copytree(killed, "out")
    other = prepare_drawn(drawn_faces, tmp_path / "other", "--copies 1 --occluded 0 --sets train --seed 3")
    with pytest.raises(RarError, match=r"another training \(other data "):
        here("--data", str(other))
    with pytest.raises(RarError, match=r"another training \(with --warm-up where there was none, or without it\)"):
        here("--warm-up", "out/warm_up.caffemodel")


def test_another_warm_up_is_refused_and_one_that_has_gone_is_not_missed(
    project: Path, finished: Path, run_there: RunThere
) -> None:
    """The weights to start from are needed once."""
    shutil.copy(finished / "warm_up.caffemodel", project / "start.caffemodel")
    options = "--preset tiny --data $DATA --out out --warm-up start.caffemodel"
    command = f"exec /usr/bin/python3 -m tests.tools.small {options}"

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        return run_there(project, "sh", "-c", command, GLOG_minloglevel="2", **variables)

    assert run(INTERRUPT="6 SIGKILL").returncode == -9
    shutil.copy(finished / "rar.caffemodel", project / "start.caffemodel")
    other = run()
    assert other.returncode == 1
    assert "(other weights to start from): give what it was begun with" in other.stderr.splitlines()[-1]
    (project / "start.caffemodel").unlink()
    assert run().returncode == 0


def test_a_run_that_has_finished_nothing_protects_nothing(here: Here, prepared: Path) -> None:
    """A wrong option, mended, is no other training."""
    with pytest.raises(RarError, match="no weights at nowhere"):
        here("--warm-up", "nowhere")
    here("--warm-up-iterations", "1", "--iterations", "1")
    assert Path("out/rar.caffemodel").is_file()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def foreign(path: Path) -> None:
    path.write_bytes(path.with_name(path.name.replace("_8", "_4")).read_bytes())


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("rar_iter_8.caffemodel", empty),
        ("rar_iter_8.caffemodel", flip),
        ("rar_iter_8.caffemodel", Path.unlink),
        ("rar_iter_8.solverstate", empty),
        ("rar_iter_8.solverstate", foreign),
    ],
)
def test_a_damaged_snapshot_is_named_and_the_older_one_taken(
    here: Here, out: Path, capsys: pytest.CaptureFixture[str], name: str, damage: Callable[[Path], object]
) -> None:
    damage(out / name)
    here()
    said = capsys.readouterr().err
    assert f"out/{name}: " in said and "rar: going on from iteration 4" in said
    assert_ended(out)


def test_with_half_a_snapshot_the_end_is_the_same(out: Path, finished: Path, run_there: RunThere) -> None:
    cut(out / "rar_iter_8.caffemodel")
    again = train(run_there, out.parent)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "rar: going on from iteration 4" in again.stderr
    assert_same_run(out, finished)


def test_no_snapshot_is_whole(here: Here, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The phase begins anew, from a warm-up that is whole."""
    for state in out.glob("*.solverstate"):
        empty(state)
    here()
    said = capsys.readouterr().err
    assert "warm_up: done already" in said and "going on" not in said
    assert_ended(out)


@pytest.mark.parametrize("damage", [cut, empty, flip])
def test_a_damaged_result_is_not_done_already(
    here: Here, finished: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], object]
) -> None:
    out = Path(shutil.copytree(finished, "out"))
    damage(out / "rar.caffemodel")
    here()
    said = capsys.readouterr().err
    assert "out/rar.caffemodel: " in said and "rar: going on from iteration 8" in said
    assert_ended(out)


def test_a_run_that_was_moved_goes_on_with_what_moved(
    out: Path, finished: Path, run_there: RunThere
) -> None:
    """Not with what lies at its old place, which a solver's state names."""
    moved = out.rename(out.parent / "mo ved")
    shutil.copytree(moved, out)
    for weights in out.glob("*.caffemodel"):
        weights.write_bytes(b"")
    done = train_into(run_there, out.parent, moved)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "rar: going on from iteration 8" in done.stderr
    assert_same_run(moved, finished)


def train_into(run_there: RunThere, project: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = f'exec /usr/bin/python3 -m tests.tools.small --preset tiny --out "{out}" --data $DATA'
    return run_there(project, "sh", "-c", command, GLOG_minloglevel="2")


def test_a_cut_log_is_repaired(here: Here, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = out / "log.csv"
    log.write_bytes(log.read_bytes()[:-7])
    here()
    assert "log.csv: damaged rows, left out: 1" in capsys.readouterr().err
    assert_ended(out, lost=8)


def test_one_process_for_a_folder(here: Here, project: Path) -> None:
    holder = "import sys; from pathlib import Path; from layers.common.files import alone\n"
    holder += "with alone(Path('out')): print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", holder], stdin=-1, stdout=-1, cwd=project) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(RarError, match="another run is writing to out: wait for its end, or give another --out"):
            here()
        process.kill()
    with alone(Path("out")):
        pass


@pytest.mark.slow
def test_killed_twenty_times_at_any_moment(project: Path, finished: Path, prepared: Path) -> None:
    """While it starts, reads, trains, writes a snapshot or ends a phase: the end is the same, to the last bit."""
    out = project / "out"
    command = [sys.executable, "-m", "tests.tools.small", "--preset", "tiny", "--data", str(prepared), "--out", "out"]

    def phases() -> set[Hashable]:
        return stamped(*(path for name in ("warm_up", "rar") if (path := out / f"{name}.caffemodel").exists()))

    def begin() -> None:
        shutil.rmtree(out, ignore_errors=True)

    killed = Killed(command, begin, phases, cwd=project, DATA=str(prepared))
    killed.often(5, lambda: assert_same_run(out, finished))


# Runs that were begun before there was a record -----------------------------------------------------------------------


def as_before(out: Path) -> Path:
    """The folder as an older version would have left it."""
    record = read_record(out)
    assert record is not None
    for phase, snapshots in record.snapshots.items():
        index: dict[str, Any] = {"complete": [entry["iteration"] for entry in snapshots]}
        (out / f"{phase}.json").write_text(json.dumps(index))
    (out / "run.json").unlink()
    return out


def test_an_older_run_is_adopted(out: Path, finished: Path, run_there: RunThere) -> None:
    as_before(out)
    again = train(run_there, out.parent)
    assert again.returncode == 0, again.stderr[-2000:]
    said = [line for line in again.stderr.splitlines() if "adopted" in line]
    assert said == [
        "out: begun before runs had a run.json; adopted as preset tiny, seed 0, which nothing here can confirm"
    ]
    assert "warm_up: done already" in again.stderr and "rar: going on from iteration 8" in again.stderr
    assert_same_run(out, finished)
    assert read_record(out) is not None and not list(out.glob("rar.json"))


@pytest.mark.parametrize("name", ["rar_iter_8.caffemodel", "rar_iter_8.solverstate"])
def test_of_an_older_run_what_cannot_be_read_is_left_out(
    here: Here, out: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    empty(as_before(out) / name)
    here()
    said = capsys.readouterr().err
    assert f"left out: out/{name} is " in said and "rar: going on from iteration 4" in said
    assert_ended(out)


def test_an_older_run_with_garbage_for_weights(
    here: Here, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = as_before(Path(shutil.copytree(finished, "out")))
    (out / "rar.caffemodel").write_bytes(b"garbage")
    here()
    assert "left out: out/rar.caffemodel is no caffemodel" in capsys.readouterr().err
    assert_ended(out)
    assert (out / "rar.caffemodel.set_aside").read_bytes() == b"garbage"


def test_an_older_run_of_another_preset_is_refused(here: Here, killed: Path) -> None:
    as_before(shutil.copytree(killed, Path("out")))
    other = replace(SMALL, stages=(replace(SMALL.stages[0], channels=4), *SMALL.stages[1:]))
    write_project(Path.cwd(), other)
    with pytest.raises(RarError, match=r"rar_iter_8\.caffemodel is of another net or kind of data \(conv1_1 is"):
        here(preset=other)


# Data that do not fit -------------------------------------------------------------------------------------------------


def test_data_that_the_preset_does_not_take(here: Here, drawn_faces: Path, tmp_path: Path) -> None:
    larger = prepare_drawn(drawn_faces, tmp_path / "larger", "--copies 1 --crop-size 96 --sets train")
    with pytest.raises(RarError, match=r"larger/train holds crops of 96 px, and preset tiny takes 64: prepare"):
        here("--data", str(larger))
    with pytest.raises(RarError, match=r"has 68 landmarks, and preset tiny has 5: give data or a preset of the same"):
        here(preset=replace(SMALL, scheme="5", landmarks=5))
    with pytest.raises(RarError, match=r"shape_pool\.h5 holds shapes .*train the preset with \+basis_size=100"):
        here(preset=replace(SMALL, basis_size=70))
    assert not Path("out").exists()


@pytest.mark.parametrize("name", ["train/images.lmdb/data.mdb", "train/landmarks.h5", "val/landmarks.h5", POOL])
@pytest.mark.parametrize("damage", [cut, flip])
def test_damaged_data_are_named(
    here: Here, prepared: Path, tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    data = Path(shutil.copytree(prepared, tmp_path / "data"))
    damage(data / name)
    with pytest.raises(RarError, match=f"{name}: .*: prepare the data again"):
        here("--data", str(data))


def test_what_differs_is_said_in_words() -> None:
    then = {"seed": 0, "settings": {"steps": 15, "warm_up": {"base_lr": 0.1}, "stages": [1, 2]}, "data": "a", "gone": 1}
    now = {"seed": 0, "settings": {"steps": 8, "warm_up": {"base_lr": 0.2}, "stages": [1], "new": 1}, "data": "b"}
    assert differences(then, then) == []
    assert differences(then, now) == [
        "steps 15, now 8",
        "warm_up.base_lr 0.1, now 0.2",
        "stages [1, 2], now [1]",
        "other data (faces, crops, augmentation or shape pool)",
    ]
