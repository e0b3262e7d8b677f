"""A process that holds one task and runs it when told to: a JSON request a line on stdin, a JSON answer on stdout."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from layers.quiet import caffe
from tools.bench.tasks import difference, export, open_task
from tools.model.presets import preset


def resident() -> float:
    """Memory of this process now, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def timed(task: Any) -> float:
    """One run, ms."""
    begin = time.perf_counter()
    task.run()
    return 1e3 * (time.perf_counter() - begin)


def answer(task: Any, request: dict[str, Any]) -> Any:
    """Do what is asked of the task.

    `run` (ms), `repeat` (its runs), `layers`, `export`, `difference`, `peak` or `memory` (MiB).
    """
    if request["do"] == "run":
        return timed(task)
    if request["do"] == "repeat":
        end = time.perf_counter() + request["seconds"]
        runs = [timed(task)]
        while time.perf_counter() < end:
            runs.append(timed(task))
        return runs
    if request["do"] == "layers":
        return task.layers()
    if request["do"] == "export":
        return export(task, Path(request["path"]))
    if request["do"] == "difference":
        return difference(task, Path(request["path"]))
    if request["do"] == "memory":
        return resident()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main() -> None:
    """argv: JSON with task, preset, batch, data, gpu and changes to the preset."""
    wanted = json.loads(sys.argv[1])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not belong among the answers
    if wanted["gpu"]:
        caffe.set_device(0)
        caffe.set_mode_gpu()
    chosen = replace(preset(wanted["preset"]), **wanted["changes"])
    task = open_task(wanted["task"], chosen, wanted["batch"], Path(wanted["data"]))
    task.run()
    print(json.dumps("ready"), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(task, json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main()
