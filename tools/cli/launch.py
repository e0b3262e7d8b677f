"""Gets ready what a subcommand needs, then runs it. Standard library only: it works before anything is installed."""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from layers.common.errors import RarError, run_command
from tools import PROJECT
from tools.build import lock, system_packages, venv
from tools.build.__main__ import main as build
from tools.build.cache import Cache, root
from tools.build.environment import CaffeNotBuilt, caffe_environment
from tools.build.errors import BuildError
from tools.build.progress import Progress
from tools.cli import doctor
from tools.cli.table import COMMANDS, PLAIN, Command
from tools.common.endings import VIDEOS
from tools.common.stopping import hold_back

HELP = {"--help", "-h"}
LEAST_MEMORY = 1280 << 20  # bytes of addresses that Caffe and what it needs take before they do anything
TESTED = ("finder", "many", "onnx", "web", "browser", "video")  # groups of packages that tests need


def main() -> None:
    """Run `rar-caffe` with the words of the command line."""
    words = sys.argv[1:]
    name = words[0] if words else "--help"
    for own, function in OWN.items():
        if name == own:
            sys.exit(function(words[1:]))
    run_subcommand(name, words)


def run_subcommand(name: str, words: Sequence[str]) -> None:
    """Take this process's place: tools.cli, by the right Python, with the right environment."""
    command = COMMANDS.get(name)
    if command is None or HELP & set(words):
        show(name, words)
        return
    check_memory()
    python = prepared_python(command, words)
    env = dict(os.environ)
    if command.caffe or command.python:
        env |= built_environment()
    hand_over(python, words, env)


def check_memory() -> None:
    """RarError where a limit leaves too little to begin with: OpenBLAS would ask for more without end."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if 0 <= limit < LEAST_MEMORY:
        least = LEAST_MEMORY >> 20
        raise RarError(f"the limit on memory is {limit >> 20} MB (ulimit -v): raise it to {least} MB or more")


def show(name: str, words: Sequence[str]) -> None:
    """Help, the version or a complaint, of click where it is there, as well as can be where not."""
    env = dict(os.environ)
    try:
        env |= caffe_environment()
        ready = True
    except CaffeNotBuilt:
        ready = False
    command = COMMANDS.get(name)
    group = command.python if command else ""
    lacking = f"packages {group}" if group and not venv.is_made(group) else "" if ready or not command else "build"
    if importlib.util.find_spec("click") and not lacking:
        hand_over(venv.python(group) if group else Path(sys.executable), words, env)
    if command:
        print(f"rar-caffe {name}: {command.summary}\n\nExamples:")
        print(*(f"  rar-caffe {example}" for example in command.examples), sep="\n")
        print(f"\nIts options are shown after: rar-caffe {lacking or 'build'}")
        sys.exit(0)
    print(__doc__.splitlines()[0] if name not in HELP else "Usage: rar-caffe COMMAND [ARGS]...\n")
    for key, summary in {**{key: one.summary for key, one in COMMANDS.items()}, **PLAIN}.items():
        print(f"  {key:<15} {summary}")
    sys.exit(0 if name in HELP else 2)


def hand_over(python: Path, words: Sequence[str], env: dict[str, str]) -> None:
    """Become `python -m tools.cli WORDS`. A folder `tools` where the user is must not be taken for ours."""
    paths = [str(PROJECT), *(part for part in env.get("PYTHONPATH", "").split(os.pathsep) if part)]
    env["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    env["PYTHONSAFEPATH"] = "1"
    env.setdefault("GLOG_minloglevel", "2")  # Caffe's log is thousands of lines a net
    sys.stdout.flush()
    sys.stderr.flush()
    hold_back()
    os.execve(python, [str(python), "-m", "tools.cli", *words], env)


def prepared_python(command: Command, words: Sequence[str]) -> Path:
    """The Python that runs a command, what it needs fetched. Given boxes make a face finder needless."""
    boxed = any(word.partition("=")[0] == "--boxes" for word in words)
    videos = ["video"] * (command.videos and any(Path(word).suffix.lower() in VIDEOS for word in words))
    for group in filter(None, (command.python, *videos, *(() if boxed else command.groups))):
        venv.ensure(group, say)
    return venv.python(command.python) if command.python else Path(sys.executable)


def built_environment() -> dict[str, str]:
    """The variables to run Caffe with; it is built now when it is not there."""
    try:
        return caffe_environment()
    except CaffeNotBuilt:
        say("Caffe is not built here yet: building it, which takes minutes and is done once")
    stdout, sys.stdout = sys.stdout, sys.stderr  # the folder, which `build` prints, is no result of this command
    try:
        status = build([])
    finally:
        sys.stdout = stdout
    if status:
        sys.exit(status)
    return caffe_environment()


def packages(words: Sequence[str]) -> int:
    """`rar-caffe packages [GROUP ...]`: make the environments of the groups, or list them."""
    known = venv.groups()
    if HELP & set(words) or not words:
        print("Usage: rar-caffe packages GROUP ...\n\nFetches a group of packages from PyPI. Groups:\n")
        for group, wanted in known.items():
            print(f"  {group:<9} {'there  ' if venv.is_made(group) else 'absent '} {' '.join(wanted)}")
        return 0
    for group in words:
        print(venv.ensure(group, say))
    return 0


def fix_packages(words: Sequence[str]) -> int:
    """`rar-caffe lock [GROUP ...]`: fix every package of the groups, with checksums, after a change of pins."""
    if HELP & set(words):
        print("Usage: rar-caffe lock [GROUP]...\n\nWrites requirements/GROUP.txt from pyproject.toml.")
        return 0
    for group in words or [known for known in venv.groups() if known != lock.RESOLVER]:
        lock.lock(group, say)
        print(venv.requirements(group))
    return 0


def print_environment(words: Sequence[str]) -> int:
    """`rar-caffe env`: lines of `export NAME=value` for a shell."""
    parser = argparse.ArgumentParser(
        prog="rar-caffe env",
        description="What to export so that `caffe` and `python3 -m tools...` work by hand.",
        epilog='Example: eval "$(./rar-caffe env)"',
    )
    parser.add_argument("--preset", default="vgg19", help="whose prepared data $DATA is (default: vgg19)")
    parser.add_argument("--data", help="the prepared data themselves")
    parser.add_argument("--test-set", default="helen", help="which set of them `caffe test` reads (default: helen)")
    options = parser.parse_args(words)
    settings = built_environment()
    from tools.model.places import prepared_folder  # it needs numpy, which is there once Caffe is

    data = options.data or prepared_folder(options.preset)
    for name, value in {**settings, "DATA": str(data), "TEST_SET": options.test_set}.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def run(words: Sequence[str]) -> int:
    """`rar-caffe run PROGRAM [ARGS]`: become a program that finds Caffe and this project."""
    if not words or words[0] in HELP:
        print("Usage: rar-caffe run PROGRAM [ARGS]...\n\nExample: rar-caffe run caffe time -model NET.prototxt")
        return 0 if words else 2
    env = {**os.environ, **built_environment()}
    env.pop("PYTHONSAFEPATH", None)  # scripts may import what lies beside them
    program = sys.executable if words[0] in ("python", "python3") else words[0]
    try:
        os.execvpe(program, [program, *words[1:]], env)
    except OSError as error:
        raise RarError(f"cannot run {program} ({error.strerror}): give a program that is there") from None


def self_test(words: Sequence[str]) -> int:
    """`rar-caffe self-test [PYTEST'S OPTIONS]`: all tests that this machine can run, what they need fetched first."""
    if HELP & set(words):
        print("Usage: rar-caffe self-test [OPTIONS OF PYTEST]...\n\nExample: rar-caffe self-test tests/layers -x")
        return 0
    env = {**os.environ, **built_environment()}
    progress = Progress(Cache(root()).log("self-test"))
    for group in TESTED:
        attempt(f"packages {group}", partial(venv.ensure, group, say))
    attempt("chromium", lambda: system_packages.ensure(progress, ["chromium"]))
    vgg19 = [sys.executable, "-m", "tools.model.vgg19"]
    attempt("VGG-19", lambda: subprocess.run(vgg19, env=env, check=True, stdout=subprocess.DEVNULL, cwd=PROJECT))
    return subprocess.run([sys.executable, "-m", "pytest", *words], env=env, cwd=PROJECT, check=False).returncode


def attempt(what: str, do: Callable[[], object]) -> None:
    """Get something that only some tests need; without it those skip, and say so."""
    try:
        do()
    except (BuildError, OSError, subprocess.CalledProcessError) as error:
        say(f"no {what}, so the tests that need it skip: {error}")


def lint(words: Sequence[str]) -> int:
    """`rar-caffe lint`: ruff, mypy, and hadolint for the Dockerfile, as continuous integration runs them."""
    if words:
        print("Usage: rar-caffe lint")
        return 0 if HELP & set(words) else 2
    env = {**os.environ, **built_environment()}
    programs = venv.ensure("lint", say) / "bin"
    hadolint = [str(programs / "hadolint"), "tools/bundle/files/Dockerfile"]
    checks = [[str(programs / "ruff"), "check", "."], [str(programs / "mypy")], hadolint]
    return max(subprocess.run(check, env=env, cwd=PROJECT, check=False).returncode for check in checks)


def docs(words: Sequence[str]) -> int:
    """`rar-caffe docs`: the documentation as a web site in site/; a broken link is an error."""
    if words:
        print("Usage: rar-caffe docs\n\nWrites site/index.html and all other pages.")
        return 0 if HELP & set(words) else 2
    python = venv.ensure("docs", say) / "bin" / "python"
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [str(python), "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(command, env=env, cwd=PROJECT, check=False)
    if not done.returncode:
        print(PROJECT / "site" / "index.html")
    return done.returncode


def say(text: str) -> None:
    """A line for the person, beside a command's output."""
    print(f"rar-caffe: {text}", file=sys.stderr, flush=True)


OWN: dict[str, Callable[[Sequence[str]], int]] = {
    "build": build,
    "packages": packages,
    "env": print_environment,
    "run": run,
    "doctor": doctor.main,
    "self-test": self_test,
    "lock": fix_packages,
    "lint": lint,
    "docs": docs,
}


if __name__ == "__main__":
    run_command(main)
