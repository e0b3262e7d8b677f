"""Caffe on a GPU, tried in another process first: Caffe ends the process that cannot have one."""

from __future__ import annotations

import subprocess

import caffe

from layers.common.errors import RarError

CPU_ONLY = "CPU-only Caffe"  # in the last words of a Caffe that was built without CUDA


def use_gpu(number: int) -> None:
    """Let Caffe work on this GPU in this thread; RarError when it cannot."""
    asked = subprocess.run(
        ["caffe", "device_query", "-gpu", str(number)], capture_output=True, text=True, errors="replace", check=False
    )
    if asked.returncode:
        built = CPU_ONLY in asked.stderr
        why = (
            "this Caffe was built for the CPU alone: make caffe CUDA=1" if built else "no such GPU here: see nvidia-smi"
        )
        raise RarError(f"cannot use GPU {number}, {why}, or leave --gpu out")
    caffe.set_device(number)
    caffe.set_mode_gpu()
