"""`./rar-caffe` from anywhere: another folder, another Python first on PATH, spaces, no home, nothing installed."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.conftest import import_packages
from tools import PROJECT
from tools.build import venv
from tools.build.cache import root, writable
from tools.build.environment import usable_cores
from tools.build.errors import BuildError
from tools.cli import doctor, launch
from tools.cli.__main__ import Lazy
from tools.cli.__main__ import main as group
from tools.cli.table import COMMANDS, PLAIN
from tools.common.version import version
from tools.evaluate.results import Results, write_results

Done = subprocess.CompletedProcess[str]
LAUNCHER = PROJECT / "rar-caffe"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with a space, and a package `tools` and a module `click` of its own."""
    folder = tmp_path / "my folder"
    (folder / "tools").mkdir(parents=True)
    (folder / "tools" / "__init__.py").write_text("raise SystemExit('the wrong tools')\n")
    (folder / "click.py").write_text("raise SystemExit('the wrong click')\n")
    return folder


def launched(folder: Path, *words: str | Path, **variables: str) -> Done:
    """The launcher run in `folder` with little in its environment; NAME="" unsets."""
    kept = {name: os.environ[name] for name in ("RAR_CACHE", "XDG_CACHE_HOME", "HOME") if name in os.environ}
    env = {**kept, "PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(
        [str(LAUNCHER), *map(str, words)],
        cwd=folder,
        env={name: value for name, value in env.items() if value},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_version(elsewhere: Path) -> None:
    done = launched(elsewhere, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"RAR-Caffe {version()} (commit ")


def test_a_command_where_other_packages_have_our_names(elsewhere: Path, make_results: Callable[..., Results]) -> None:
    write_results(elsewhere / "their results.json", make_results({"helen": 3}))
    done = launched(elsewhere, "evaluate", "300w", "--results", "their results.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("helen")


def test_any_python_first_on_path(elsewhere: Path, tmp_path: Path) -> None:
    """One that cannot do anything, as an old or a broken one: the launcher is started by it and leaves it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text('#!/bin/sh\nexec /usr/bin/python3 -S "$@"\n')
    (tmp_path / "bin" / "python3").chmod(0o755)
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    done = launched(elsewhere, "--version", PATH=path, PYTHONSTARTUP="/nowhere", VIRTUAL_ENV="/nowhere")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_home(elsewhere: Path) -> None:
    assert launched(elsewhere, "packages", HOME="").returncode == 0


@pytest.mark.parametrize("home", ["", "/"])
def test_an_empty_home_is_none(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAR_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    if home:
        with pytest.raises(BuildError, match="no home folder; set RAR_CACHE"):
            root()
    else:
        assert root() == Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / "rar-caffe"
    monkeypatch.setenv("HOME", "/some where")
    assert root() == Path("/some where/.cache/rar-caffe")


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match="file/cache cannot be written to .*set RAR_CACHE to a folder that can"):
        writable(tmp_path / "file" / "cache")


def test_a_cache_whose_name_has_a_space(elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "a cache").symlink_to(root())
    done = launched(elsewhere, "run", "python3", "-c", "import caffe", RAR_CACHE=str(tmp_path / "a cache"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("limit", [100, 300, 600, 1000])
def test_too_little_memory_is_one_line(limit: int, elsewhere: Path) -> None:
    """OpenBLAS alone would wait for more without end."""
    words = ["sh", "-c", f'ulimit -v {1024 * limit}; exec "$0" evaluate 300w --results none.json', str(LAUNCHER)]
    done = subprocess.run(words, cwd=elsewhere, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: the limit on memory is {limit} MB (ulimit -v): raise it to 1280 MB or more\n"


def holds_ctrl_c_back(process: subprocess.Popen[bytes]) -> bool:
    """The launcher's last act; before its first one Ctrl-C meets the start of a Python that is not ours."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk:"))
    return bool(int(blocked.split()[1], 16) & 1 << signal.SIGINT - 1)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 1.0])
def test_ctrl_c_while_it_starts_leaves_no_trace(seconds: float, elsewhere: Path) -> None:
    with subprocess.Popen([LAUNCHER, "train", "--preset", "tiny"], cwd=elsewhere, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not holds_ctrl_c_back(process):
            time.sleep(0.001)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1].decode()
    assert process.returncode in (-signal.SIGINT, 1, 130) and "Traceback" not in said and said.count("\n") <= 2


def test_ctrl_c_in_a_command_is_one_line_and_status_130(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def pressed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(group, "get_command", lambda *_: pressed)
    done = CliRunner(mix_stderr=False).invoke(group, ["pressed"])
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_are_the_null_device(closed: str, elsewhere: Path) -> None:
    """Else the first files that are opened get their numbers, and what C libraries print goes into them."""
    seen = elsewhere / "seen"
    look = "import os, sys; open(sys.argv[1], 'w').write(' '.join(os.readlink(f'/proc/self/fd/{n}') for n in range(3)))"
    words = ["sh", "-c", f'exec "$0" run python3 -c "$1" "$2" {closed}', str(LAUNCHER), look, str(seen)]
    done = subprocess.run(words, cwd=elsewhere, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert seen.read_text().split().count(os.devnull) >= closed.count("&")


def test_a_missing_python_is_one_line_with_the_remedy(elsewhere: Path) -> None:
    done = launched(elsewhere, "detect", "a.jpg", RAR_PYTHON="/no/python")
    assert done.returncode == 1
    assert done.stderr == "error: no Python at /no/python: run sudo apt-get install python3, or set RAR_PYTHON\n"


def test_a_link_to_the_launcher(elsewhere: Path) -> None:
    (elsewhere / "rar").symlink_to(LAUNCHER)
    done = subprocess.run([elsewhere / "rar", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("RAR-Caffe ")


def test_before_anything_is_built(elsewhere: Path) -> None:
    """A cache without Caffe: help as far as it goes, and what would be done."""
    empty = {"RAR_CACHE": str(elsewhere / "no cache")}
    done = launched(elsewhere, "train", "--help", **empty)
    assert done.returncode == 0, done.stderr
    assert "rar-caffe train --preset compact" in done.stdout and "rar-caffe build" in done.stdout
    assert "train a preset" in launched(elsewhere, "--help", **empty).stdout
    assert "not built yet" in launched(elsewhere, "doctor", **empty).stdout
    assert not (elsewhere / "no cache").exists()


def test_help_of_every_command(elsewhere: Path) -> None:
    shown = launched(elsewhere, "--help").stdout
    for name in (*COMMANDS, *PLAIN):
        assert f"\n  {name} " in shown, name


@pytest.mark.parametrize("name", list(COMMANDS))
def test_examples_are_of_options_that_exist(name: str) -> None:
    packages = COMMANDS[name].python
    if packages and not venv.is_made(packages):
        pytest.skip(f"packages {packages} are not here: ./rar-caffe packages {packages}")
    call = f"from tests.tools.cli.test_launch import check_examples; check_examples({name!r})"
    if packages:
        subprocess.run([venv.python(packages), "-c", call], cwd=PROJECT, check=True)
    else:
        check_examples(name)


def check_examples(name: str) -> None:
    """In the Python of the command `name`: its examples can be read."""
    command = COMMANDS[name]
    assert command.examples and command.summary
    if command.python == "many":
        import_packages("many")
    for example in command.examples:
        words = shlex.split(example)
        assert words[0] == name
        context = click.Context(group)
        found, rest = Lazy("rar-caffe").get_command(context, name), words[1:]
        while isinstance(found, click.Group):
            found, rest = found.get_command(context, rest[0]), rest[1:]
        assert found, example
        found.make_context(name, list(rest), resilient_parsing=True)


@pytest.mark.parametrize("name", list(PLAIN))
def test_help_of_those_without_click(name: str, tmp_path: Path) -> None:
    done = launched(tmp_path, name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower().startswith("usage: ")


def test_an_unknown_command(tmp_path: Path) -> None:
    done = launched(tmp_path, "detekt")
    assert done.returncode == 2
    assert "No such command 'detekt'" in done.stderr


def test_env_is_for_a_shell(tmp_path: Path) -> None:
    done = launched(tmp_path, "env", "--preset", "compact")
    script = done.stdout + 'echo "$DATA" "$TEST_SET"; caffe --version'
    shown = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[0] == f"{PROJECT / 'data' / '300w_96'} helen"


def test_run_gives_a_program_caffe_and_a_script_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WORD = 'found'\n")
    (tmp_path / "script.py").write_text("import beside, caffe, tools\nprint(beside.WORD)\n")
    done = launched(tmp_path, "run", "python3", "script.py")
    assert (done.returncode, done.stdout) == (0, "found\n"), done.stderr
    assert launched(tmp_path, "run", "no-such-program").stderr.startswith("error: cannot run no-such-program (No such")


def test_packages_are_named_by_what_is_in_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAR_CACHE", str(tmp_path))
    folder = venv.folder("onnx")
    assert folder.parent == tmp_path / "venv"
    shutil.copytree(PROJECT / "requirements", tmp_path / "requirements")
    (tmp_path / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text().replace("line-length = 120", ""))
    assert venv.folder("onnx", tmp_path) == folder, "a changed lint setting is no reason to fetch packages again"
    with venv.requirements("onnx", tmp_path).open("a") as file:
        file.write("another==1.0\n")
    assert venv.folder("onnx", tmp_path) != folder
    assert venv.folder("web", tmp_path) == venv.folder("web")


@pytest.mark.parametrize("group", sorted(set(venv.groups()) - {"lock"}))
def test_packages_are_fixed_with_checksums_as_pyproject_asks(group: str) -> None:
    text = venv.requirements(group).read_text()
    for wanted in venv.groups()[group]:
        assert f"\n{wanted} \\\n    --hash=sha256:" in text, "run ./rar-caffe lock"


def test_given_boxes_need_no_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(venv, "ensure", lambda group, say: fetched.append(group))
    launch.prepared_python(COMMANDS["detect"], ["detect", "--boxes", "b.csv", "a.jpg"])
    launch.prepared_python(COMMANDS["web"], ["web"])
    assert fetched == ["web", "finder"]


def test_doctor_names_what_is_there_and_what_shadows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main() == 0
    shown = capsys.readouterr().out
    assert f"{usable_cores()} cores to use" in shown and "Debian packages all there" in shown
    for word in ("CPU features", "BLAS", "built from", "GPU", "nvcc", "cuDNN", "finder", "cache"):
        assert word in shown
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").touch()
    assert doctor.shadowing(f"{tmp_path}:/nowhere") == ["numpy"]
