"""Many pictures by real worker processes: all of them once, whatever is killed, and one line for what does not fit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.images import read_upright
from tests.conftest import packages
from tests.killing import Killed, stamped
from tests.tools.many.commands import PATIENCE, PYTHON, command, listening, run, running, scheduler, until, workers_of
from tests.tools.small import SMALL, write_project
from tools.detect import Detector
from tools.model.presets import TINY

NAME = "tiny+steps=3+reduction=8+deconv6=8+deconv7=8"  # a variant: workers know it by its name alone
PRESET = replace(TINY, steps=3, reduction=8, deconv6=8, deconv7=8, warm_up=SMALL.warm_up, end_to_end=SMALL.end_to_end)
PICTURES, CHUNK = 100, 4
BAD = {"cut.png": "truncated", "none.png": "unreadable", "unboxed.png": "no face in the list of boxes"}

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Work:
    """A list of pictures with their boxes, and weights."""

    folder: Path
    weights: Path
    boxes: dict[str, list[list[float]]]

    def command(self, out: Path, *options: str) -> list[str]:
        words = ["--preset", NAME, "--weights", self.weights, "--list", self.folder / "list.txt", "--out", out]
        words += ["--boxes", self.folder / "boxes.json", "--chunk", CHUNK, *options]
        return [str(PYTHON), "-m", "tools.many", *map(str, words)]


@pytest.fixture(scope="session", autouse=True)
def many() -> None:
    packages("many")


@pytest.fixture(scope="session")
def work(drawn_faces: Path, tmp_path_factory: pytest.TempPathFactory, run_there: Callable[..., Any]) -> Work:
    """Drawn faces under many names, the first with two boxes; a cut picture, a missing one, and one without a box."""
    folder = tmp_path_factory.mktemp("many")
    project = write_project(folder / "project", PRESET)
    done = run_there(project, "caffe", "train", "-solver", "prototxt/tiny/solver.prototxt")
    assert done.returncode == 0, done.stderr[-2000:]
    drawn = sorted(drawn_faces.rglob("*.png")) or sorted(drawn_faces.rglob("*.jpg"))
    boxes: dict[str, list[list[float]]] = {"cut.png": [[1, 1, 9, 9]], "none.png": [[1, 1, 9, 9]]}
    for i in range(PICTURES):
        source = drawn[i % len(drawn)]
        (folder / f"{i}{source.suffix}").symlink_to(source)
        height, width = read_upright(source).shape[:2]
        boxes[f"{i}{source.suffix}"] = [[width * 0.2, height * 0.2, width * 0.8, height * 0.8]]
    boxes[f"0{drawn[0].suffix}"] *= 2
    (folder / "cut.png").write_bytes(drawn[0].read_bytes()[:2000])
    (folder / "unboxed.png").symlink_to(drawn[0])
    (folder / "boxes.json").write_text(json.dumps(boxes))
    names = [*boxes, "unboxed.png"]
    (folder / "list.txt").write_text("\n".join(str(folder / name) for name in names) + "\n\n")
    return Work(folder, project / "runs/tiny/rar_iter_12.caffemodel", boxes)


def workers(parent: int) -> list[int]:
    """The worker processes of a run, as Linux lists the children of its threads."""
    children = [pid for file in Path(f"/proc/{parent}/task").glob("*/children") for pid in file.read_text().split()]
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def parts(out: Path) -> list[Path]:
    return sorted((out / "faces").glob("*.parquet"))


def rows(out: Path) -> Rows:
    """What is in a result folder's tables, by the name of the picture."""
    code = (
        "import json, sys, pyarrow.parquet as pq\n"
        "print(json.dumps({k: pq.read_table(f'{sys.argv[1]}/{k}').to_pylist() for k in ('faces', 'errors')}))"
    )
    read = run([str(PYTHON), "-c", code, str(out)])
    assert read.returncode == 0, read.stderr
    tables: Rows = json.loads(read.stdout)
    for table in tables.values():
        table.sort(key=lambda row: (row["image"], row.get("face")))
    return tables


@pytest.fixture(scope="session")
def undisturbed(work: Work, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    done = run(work.command(out, "--workers", "2"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}: {PICTURES + 1} faces in {PICTURES} of {PICTURES + 3} pictures\n"
    return out


def test_every_picture_is_there_once_as_the_detector_alone_finds_it(work: Work, undisturbed: Path) -> None:
    tables = rows(undisturbed)
    faces = [(row["image"], row["face"]) for row in tables["faces"]]
    wanted = {str(work.folder / name): boxes for name, boxes in work.boxes.items() if name not in BAD}
    assert faces == sorted((name, i + 1) for name, boxes in wanted.items() for i in range(len(boxes)))
    assert {Path(row["image"]).name: True for row in tables["errors"]} == dict.fromkeys(BAD, True)
    for row in tables["errors"]:
        assert BAD[Path(row["image"]).name] in row["reason"]
    detector = Detector(NAME, work.weights)
    for row in tables["faces"][::20]:
        face = detector.detect(read_upright(Path(row["image"])), wanted[row["image"]])[row["face"] - 1]
        for column in ("box", "points", "confidence", "s_d", "centres"):
            np.testing.assert_allclose(row[column], np.ravel(getattr(face, column)), atol=0.02, err_msg=column)


def test_the_manifest_and_the_parts_say_what_they_are(work: Work, undisturbed: Path) -> None:
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    assert (manifest["pictures"], manifest["chunk"], manifest["preset"]) == (PICTURES + 3, CHUNK, NAME)
    assert len(parts(undisturbed)) == -(-(PICTURES + 3) // CHUNK)
    code = "import sys, pyarrow.parquet as pq; print(pq.read_schema(sys.argv[1]).metadata[b'weights_sha256'].decode())"
    read = run([str(PYTHON), "-c", code, str(parts(undisturbed)[0])])
    assert read.stdout.strip() == manifest["weights_sha256"]


def killed_in_the_middle(command: list[str], out: Path, whole: int, victim: Callable[[int], int]) -> dict[Path, int]:
    """Start the command, kill a process of it a few parts later; the parts that were there, with their times."""
    begun = len(parts(out))
    with running(command) as process:
        until(lambda: len(parts(out)) >= begun + 3)
        before = {path: path.stat().st_mtime_ns for path in parts(out)}
        children = workers(process.pid)
        os.kill(victim(process.pid), signal.SIGKILL)
        process.wait(PATIENCE)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    assert len(before) < whole, "it was killed in the middle"
    return before


def test_whatever_is_killed_nothing_is_lost_or_repeated(work: Work, undisturbed: Path, tmp_path: Path) -> None:
    """The whole run first; then, in the run that goes on with it, a worker."""
    command, whole = work.command(tmp_path, "--workers", "2"), len(parts(undisturbed))
    before = killed_in_the_middle(command, tmp_path, whole, lambda run: run)
    assert len(parts(tmp_path)) < whole
    torn = parts(tmp_path)[0]  # as by a power cut
    torn.write_bytes(torn.read_bytes()[:-10])
    left = tmp_path / "faces" / ".part-0000009.parquet.1.part"
    left.touch()
    before |= killed_in_the_middle(command, tmp_path, whole, lambda run: workers(run)[0])
    assert not left.exists()
    assert rows(tmp_path) == rows(undisturbed)
    del before[torn]
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_killed_twenty_times_at_any_moment(work: Work, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def finished() -> set[Hashable]:
        return stamped(*parts(out))

    def begin() -> None:
        shutil.rmtree(out, ignore_errors=True)

    def check() -> None:
        assert rows(out) == rows(undisturbed)
        assert len(parts(out)) == len(parts(undisturbed))

    Killed(work.command(out, "--workers", "2"), begin, finished).often(9, check)


def test_a_picture_that_kills_is_named_and_the_rest_is_done(work: Work, undisturbed: Path, tmp_path: Path) -> None:
    shutil.copy(work.folder / "cut.png", tmp_path / "killer.png")
    lines = (work.folder / "list.txt").read_text().splitlines()[: 3 * CHUNK - 1]
    (tmp_path / "list.txt").write_text("\n".join([*lines[:4], str(tmp_path / "killer.png"), *lines[4:]]))
    out = tmp_path / "out"
    command = work.command(out, "--workers", "1")
    command[command.index("--list") + 1] = str(tmp_path / "list.txt")
    done = run(command, DASK_DISTRIBUTED__WORKER__PRELOAD="tests.tools.many.killing_picture")
    assert done.returncode == 0, done.stderr
    tables, wanted = rows(out), rows(undisturbed)
    there = [row for table in wanted.values() for row in table if row["image"] in lines]
    killer = {"image": str(tmp_path / "killer.png"), "reason": "the process that worked on it died or hung"}
    assert killer in tables["errors"]
    assert [row for table in tables.values() for row in table if row != killer] == there


def test_a_run_here_is_by_itself(work: Work, tmp_path: Path) -> None:
    """It listens on the loopback address alone, and a peer without its certificate, which nobody has, gets nothing."""
    with running(work.command(tmp_path / "out", "--workers", "2")) as process:
        until(lambda: parts(tmp_path / "out"))
        places = listening(process.pid)
        assert {host for host, _ in places} == {"127.0.0.1"} and len(places) == 8
        ports = [str(port) for _, port in places]
        done = run([str(PYTHON), "-m", "tests.tools.many.peer", "bare", str(tmp_path), "127.0.0.1", *ports])
    assert json.loads(done.stdout) == {port: {"identity": False, "ran": False} for port in ports}
    assert not any((tmp_path / port).exists() for port in ports)


def bare_worker(address: str, certificates: Path) -> list[str]:
    """Dask's own worker, which knows nothing of the project."""
    files = {"ca-file": "ca.pem", "cert": "peer.pem", "key": "peer-key.pem"}
    shown = [word for name, file in files.items() for word in (f"--tls-{name}", str(certificates / file))]
    return [str(PYTHON.with_name("dask")), "worker", address, "--host", "127.0.0.1", "--nthreads", "1", *shown]


def test_workers_of_a_scheduler_do_the_same(work: Work, undisturbed: Path, tmp_path: Path) -> None:
    """First by one with several threads and one without Caffe and the project: a line each, nothing is written."""
    ours = tmp_path / "certificates"
    assert run(command("certificates", "--out", ours)).returncode == 0
    with scheduler("127.0.0.1", ours) as (_, address):
        words = work.command(tmp_path, "--scheduler", address, "--certificates", str(ours))
        with running(bare_worker(address, ours), OMP_NUM_THREADS="2"):
            done = run(words)
            assert done.returncode == 1
            line = done.stderr.splitlines()[-1]
            assert line.startswith("error: the worker tls://127.0.0.1:") and "several threads" in line
        with running(bare_worker(address, ours), PYTHONPATH=""):
            done = run(words)
            assert done.returncode == 1
            assert done.stderr.splitlines()[-1].startswith("error: a worker has no module tools: start the workers")
        assert parts(tmp_path) == []
        with workers_of(address, "127.0.0.1", ours):
            done = run(words)
            assert done.returncode == 0, done.stderr
    assert rows(tmp_path) == rows(undisturbed)


def test_no_scheduler_is_one_line(work: Work, tmp_path: Path) -> None:
    done = run(work.command(tmp_path, "--scheduler", "tcp://127.0.0.1:9"))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: no Dask scheduler at tcp://127.0.0.1:9")
    assert len(done.stderr.splitlines()) == 1


def test_without_dask_it_says_what_to_run(work: Work, tmp_path: Path) -> None:
    done = run([sys.executable, *work.command(tmp_path)[1:]])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: this Python has no dask: run `make many`, then this by `make detect-many`\n"
