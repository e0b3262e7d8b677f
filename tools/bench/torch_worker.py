"""The CNN's twin in PyTorch, with Caffe's weights: the same requests as tools/bench/worker.py. Imports only PyTorch.

argv: JSON with arrays (file of tools.bench.tasks.export), layout (contiguous_format or channels_last), training,
batch, gpu, tf32, bf16 (products in it, by autocast; CPU).
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def step(kind: str, parameters: list[torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function of one of Caffe's layers."""
    if kind == "Convolution":
        return lambda x: functional.conv2d(x, *parameters, padding=parameters[0].shape[2] // 2)
    if kind == "Deconvolution":
        return lambda x: functional.conv_transpose2d(x, *parameters, stride=2, padding=1)
    if kind == "Pooling":
        return lambda x: functional.max_pool2d(x, 2)
    if kind == "ReLU":
        return functional.relu_
    raise SystemExit(f"the twin has no {kind} layer")


class Twin:
    """The CNN; `run` is one pass."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = wanted["tf32"]
        device = torch.device("cuda" if wanted["gpu"] else "cpu")
        memory = getattr(torch, wanted["layout"])
        arrays = np.load(wanted["arrays"])
        self.gpu, self.training = wanted["gpu"], wanted["training"]
        self.precision = partial(torch.autocast, "cpu", torch.bfloat16, enabled=wanted["bf16"])

        def tensor(name: str) -> torch.Tensor:
            made = torch.from_numpy(arrays[name]).to(device)
            return made.contiguous(memory_format=memory) if made.dim() == 4 else made

        self.steps, self.parameters = [], []
        for layer in arrays["layers"]:
            kind, name = str(layer).split()
            own = [nn.Parameter(tensor(f"{name}/{i}")) for i in range(2) if f"{name}/{i}" in arrays]
            self.parameters += own
            self.steps.append(step(kind, list(own)))
        self.image = tensor("data").repeat(wanted["batch"], 1, 1, 1).contiguous(memory_format=memory)
        self.wanted = torch.from_numpy(arrays["conv8"]).to(device)
        with torch.no_grad():
            found = self._forward()[:1]
        self.difference = float((found - self.wanted).abs().max() / self.wanted.abs().max())
        self.gradient = torch.randn_like(found.expand(wanted["batch"], -1, -1, -1).contiguous(memory_format=memory))

    def _forward(self) -> torch.Tensor:
        x = self.image
        with self.precision():
            for run in self.steps:
                x = run(x)
        return x.float()  # as ours

    def run(self) -> None:
        if self.training:
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad.zero_()
            self._forward().backward(self.gradient)
        else:
            with torch.inference_mode():
                self._forward()
        if self.gpu:
            torch.cuda.synchronize()


def main() -> None:
    """Answers `run` (ms), `peak` (MiB), `version` and `difference`: the largest from Caffe, over the largest value."""
    twin = Twin(json.loads(sys.argv[1]))
    twin.run()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)["do"]
        if request == "run":
            begin = time.perf_counter()
            twin.run()
            reply = 1e3 * (time.perf_counter() - begin)
        elif request == "difference":
            reply = twin.difference
        elif request == "version":
            reply = torch.__version__
        else:
            reply = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
