"""A cut-down `tiny` in a folder of its own, for the tests that train; run as a program, tools.train on that preset."""

from __future__ import annotations

import os
import runpy
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import caffe

from layers.base import RarLayer
from tools.model import presets, prototxt
from tools.model.presets import TINY, Phase, Preset
from tools.train import phase

SMALL = replace(
    TINY,
    stages=TINY.stages[:2],
    reduction=8,
    deconv6=8,
    deconv7=8,
    steps=3,
    warm_up=Phase(base_lr=0.01, iterations=4, clip_gradients=10, snapshot=4, test_interval=4),
    end_to_end=Phase(base_lr=0.001, iterations=12, clip_gradients=10, snapshot=4, test_interval=8),
)
LOG_EVERY = 2

INTERRUPT_LAYER = """
layer {
  name: "interrupt"
  type: "Python"
  top: "interrupt"
  python_param { module: "tests.tools.small" layer: "InterruptLayer" }
}
"""


class InterruptLayer(RarLayer):
    """Sends its own process a signal: with INTERRUPT="9 SIGKILL" in the ninth forward pass of training."""

    def prepare(self, bottom: Any, top: Any) -> None:
        at, name = os.environ.get("INTERRUPT", "0 SIGINT").split()
        self.at, self.signal, self.passes = int(at), signal.Signals[name], 0

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [()]

    def forward(self, bottom: Any, top: Any) -> None:
        self.passes += 1
        if self.passes == self.at and self.phase == caffe.TRAIN:
            os.kill(os.getpid(), self.signal)


def files(
    preset: Preset, folder: Path, made: Callable[[Preset, Path], Iterator[tuple[Path, str]]] = prototxt.files
) -> Iterator[tuple[Path, str]]:
    """As prototxt.files, an InterruptLayer in the end-to-end net of `tiny`."""
    for path, text in made(preset, folder):
        interrupted = path.name == "train_val.prototxt" and preset.name == SMALL.name
        yield path, text + INTERRUPT_LAYER if interrupted else text


def write_project(folder: Path, preset: Preset = SMALL) -> Path:
    """prototxt/ of the preset in `folder`, and the runs/ it writes to."""
    for path, text in files(preset, Path("prototxt", preset.name)):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    (folder / "runs" / preset.name).mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    presets.PRESETS["tiny"] = SMALL
    prototxt.files = files
    prototxt.PROTOTXT = Path("prototxt").absolute()
    phase.LOG_EVERY = LOG_EVERY
    runpy.run_module("tools.train", run_name="__main__", alter_sys=True)
