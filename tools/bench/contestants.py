"""Processes that run a task on request, and rounds in which they take turns."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from layers.common.errors import RarError

HERE = Path(__file__).resolve().parent
REST = 0.3  # s


class Contestant:
    """One worker process. `ask` sends it a request and returns its answer; RarError when it has died.

    It starts when it is made, and `with` waits until it is ready: several start side by side (`started`).
    env: what is set over this process's environment; None unsets.
    """

    def __init__(self, name: str, command: list[str], wanted: dict[str, Any], env: Mapping[str, str | None]) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [*command, json.dumps(wanted)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={key: value for key, value in {**os.environ, **env}.items() if value is not None},
        )

    def ask(self, do: str, **details: Any) -> Any:
        self.tell(do, **details)
        return self.answer()

    def tell(self, do: str, **details: Any) -> None:
        """Send a request, and do not wait: `answer` does, so that several work at once."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do, **details}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RarError(
                f"the benchmark's process for {self.name} ended with status {self.process.wait()}, see above"
            )
        return json.loads(line)

    def __enter__(self) -> Contestant:
        self.answer()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def caffe_task(
    name: str,
    task: str,
    preset: str,
    data: Path,
    *,
    batch: int = 1,
    gpu: bool = False,
    tf32: bool = False,
    bf16: bool = False,
    stock: bool = False,
    threads: int | None = None,
    env: Mapping[str, str] | None = None,
    **changes: Any,
) -> Contestant:
    """A task in Caffe, with `changes` to the preset, such as steps=5.

    stock: without oneDNN, cuDNN and the layers' compiled twins. env: variables of its own.
    """
    wanted = {"task": task, "preset": preset, "batch": batch, "data": str(data), "gpu": gpu, "changes": changes}
    command = [sys.executable, "-m", "tools.bench.worker"]
    own = {"CAFFE_DNNL": "0", "CAFFE_CUDNN": "0", "RAR_NUMPY": "1"} if stock else {}
    if threads:
        own |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    precision = {"CAFFE_TF32": str(int(tf32)), "CAFFE_BF16": str(int(bf16))}
    return Contestant(name, command, wanted, precision | own | dict(env or {}))


def torch_task(
    name: str, python: str, arrays: Path, layout: str, **details: bool | int
) -> Contestant:
    """The CNN's twin in the PyTorch of another Python; details: training, batch, gpu, tf32, bf16."""
    wanted = {"arrays": str(arrays), "layout": layout, **details}
    # PyTorch brings its own BLAS and OpenMP; what is set for ours must not come in their way.
    env = dict.fromkeys(("LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONNOUSERSITE", "GOMP_SPINCOUNT"))
    return Contestant(name, [python, str(HERE / "torch_worker.py")], wanted, env)


def started(stack: ExitStack, contestants: Iterable[Contestant]) -> list[Contestant]:
    """The contestants, which start side by side, when all are ready; they end with the stack."""
    found = list(contestants)
    for one in found:
        stack.push(one)
    for one in found:
        one.answer()
    return found


def rounds(contestants: Iterable[Contestant], repeats: int) -> dict[str, list[float]]:
    """Times in ms by name: every contestant once a round, so that a busy moment of the machine meets all alike.

    Between them nothing runs for a while: PyTorch's threads wait at full speed after their work, in others' way.
    """
    times: dict[str, list[float]] = {one.name: [] for one in contestants}
    for _ in range(repeats):
        for one in contestants:
            time.sleep(REST)
            times[one.name].append(one.ask("run"))
    return times


def medians(times: dict[str, list[float]]) -> dict[str, float]:
    """The median of every contestant."""
    return {name: statistics.median(values) for name, values in times.items()}
