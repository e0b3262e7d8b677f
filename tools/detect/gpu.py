"""Caffe on a GPU, asked for beforehand: Caffe itself ends the process when it cannot have one."""

from __future__ import annotations

import subprocess

import caffe

from layers.common.errors import RarError

CPU_ONLY = "CPU-only Caffe"  # in the last words of a Caffe that was built without CUDA


def check_gpu(number: int) -> None:
    """RarError unless Caffe can use the GPU of this number."""
    asked = subprocess.run(
        ["caffe", "device_query", "-gpu", str(number)], capture_output=True, text=True, errors="replace", check=False
    )
    if asked.returncode:
        built = CPU_ONLY in asked.stderr
        why = (
            "this Caffe was built for the CPU alone: make caffe CUDA=1" if built else "no such GPU here: see nvidia-smi"
        )
        raise RarError(f"cannot use GPU {number}, {why}, or leave --gpu out")


def use_gpu(number: int) -> None:
    """Let Caffe work on this GPU; every thread has a mode of its own."""
    caffe.set_device(number)
    caffe.set_mode_gpu()
