"""Commands of tools.many in the environment that has Dask, and what they listen on."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.build import venv
from tools.build.environment import PROJECT, caffe_environment

PYTHON = venv.python("many")
PATIENCE = 300  # s, on a machine that has other work
LISTEN = "0A"  # in /proc/net/tcp


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, **caffe_environment(), **variables}


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    env = environment(**variables)
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)


@contextmanager
def running(command: list[str], **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The command, started; killed in the end, and its workers with it."""
    process = subprocess.Popen(
        command, cwd=PROJECT, env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()  # its workers end with it
        process.communicate()


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


def command(name: str, *words: str | Path) -> list[str]:
    """rar-caffe many-NAME WORDS, in that environment."""
    return [str(PYTHON), "-m", "tools.cli", f"many-{name}", *map(str, words)]


@contextmanager
def scheduler(listen: str, certificates: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running scheduler and its address."""
    words = command("scheduler", "--listen", listen, "--port", "0", "--certificates", certificates)
    with running(words, **variables) as process:
        assert process.stdout is not None
        yield process, next(line.split()[-1] for line in process.stdout if line.startswith("Scheduler at: "))


@contextmanager
def workers_of(scheduler: str, listen: str, certificates: Path) -> Iterator[subprocess.Popen[str]]:
    """One worker, which has joined."""
    words = command("worker", scheduler, "--listen", listen, "--certificates", certificates, "--workers", "1")
    with running(words) as process:
        assert process.stdout is not None
        assert "1 processes on" in process.stdout.readline()
        yield process


def family(pid: int) -> list[int]:
    """The process and those that descend from it."""
    children = [int(pid) for tasks in Path(f"/proc/{pid}/task").glob("*/children") for pid in tasks.read_text().split()]
    return [pid, *(other for child in children for other in family(child))]


def listening(pid: int) -> set[tuple[str, int]]:
    """Address and port of every TCP socket that the process and its descendants listen on, as Linux lists them."""
    return {place for member in family(pid) for place in _listening(Path(f"/proc/{member}"))}


def _listening(process: Path) -> Iterator[tuple[str, int]]:
    links = [str(link.readlink()) for link in (process / "fd").iterdir() if link.is_symlink()]
    own = {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:[")}
    for table in ("tcp", "tcp6"):
        for row in (process / "net" / table).read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == LISTEN and fields[9] in own:
                address, port = fields[1].split(":")
                words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
                yield str(ipaddress.ip_address(b"".join(words))), int(port, 16)
