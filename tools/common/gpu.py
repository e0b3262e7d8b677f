"""Caffe on GPUs, tried in another process first: Caffe ends the process that cannot have one."""

from __future__ import annotations

import re
import subprocess

from layers.common.errors import RarError
from layers.quiet import caffe

CPU_ONLY = "CPU-only Caffe"  # in the last words of a Caffe that was built without CUDA


def why_not(number: int) -> str | None:
    """Why Caffe cannot use this GPU, with the remedy; None when it can."""
    asked = subprocess.run(
        ["caffe", "device_query", "-gpu", str(number)], capture_output=True, text=True, errors="replace", check=False
    )
    if not asked.returncode:
        return None
    built = CPU_ONLY in asked.stderr
    return "this Caffe was built for the CPU alone: make caffe CUDA=1" if built else "no such GPU here: see nvidia-smi"


def check_gpu(number: int) -> None:
    """RarError when Caffe cannot use this GPU. Nothing of CUDA is begun in this process."""
    if why := why_not(number):
        raise RarError(f"cannot use GPU {number}, {why}, or leave it out and use the CPU")


def use_gpu(number: int) -> None:
    """Let Caffe work on this GPU in this thread; RarError when it cannot."""
    check_gpu(number)
    caffe.set_device(number)
    caffe.set_mode_gpu()


def gpu_numbers(text: str) -> tuple[int, ...]:
    """The GPUs of a list such as "0" or "0,2"; none for an empty one. RarError for anything else, and for repeats."""
    words = [word for word in re.split(r"[\s,]+", text) if word]
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise RarError(f"{text!r} is no list of GPUs: give their numbers, as 0 or 0,1")
    return tuple(map(int, words))
