"""A gradient checker for Caffe layers in Python, after the manner of Caffe's own for C++, and for plain functions.

The scalar that is differentiated is sum_k <w_k, top_k> with random w, so that every element of every top counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layers.common.shapes import FloatArray
from layers.quiet import caffe
from tools.model.caffe_net import net_from


@dataclass(frozen=True)
class GradientChecker:
    """Central differences against a layer's backward.

    step, threshold, seed: those of Caffe's checker by default. An element fails when
    |analytic - numeric| > threshold max(|analytic|, |numeric|, 1): blobs are float32, so small gradients are compared
    absolutely. For plain float64 functions use a small step and threshold.
    """

    step: float = 1e-2
    threshold: float = 1e-3
    seed: int = 1701

    def check_net(
        self,
        net: Any,
        inputs: dict[str, FloatArray],
        tops: list[str],
        *,
        zero: tuple[str, ...] = (),
        smooth: dict[str, NDArray[np.bool_]] | None = None,
    ) -> None:
        """Check d(tops)/d(inputs) of a net with `force_backward: true`; AssertionError naming the first bad element.

        inputs: values of the Input blobs by name. zero: inputs whose gradient the layer defines as zero (a weighting, a
        choice): they must receive exactly that, whatever was there before.
        smooth: per input, the elements to check; leave out those at a kink of max or abs.
        """
        generator = np.random.default_rng(self.seed)
        inputs = {name: data.copy() for name, data in inputs.items()}
        weights: dict[str, FloatArray] = {}

        def value() -> float:
            for name, data in inputs.items():
                net.blobs[name].data[...] = data
            net.forward()
            return sum(float((weights[top] * net.blobs[top].data.astype(np.float64)).sum()) for top in tops)

        for name, data in inputs.items():
            net.blobs[name].data[...] = data
            net.blobs[name].diff[...] = generator.normal(size=data.shape)  # what a layer forgets to write must show
        net.forward()
        for top in tops:
            weights[top] = generator.normal(size=net.blobs[top].data.shape).astype(np.float32)
            net.blobs[top].diff[...] = weights[top]
        net.backward()
        analytic = {name: net.blobs[name].diff.astype(np.float64).copy() for name in inputs}
        for name in inputs:
            if name in zero:
                assert not analytic[name].any(), f"{name} has a gradient, and should have none"
                continue
            self._compare(value, inputs[name], analytic[name], name, (smooth or {}).get(name))

    def check_function(
        self, function: Callable[[FloatArray], float], gradient: FloatArray, at: FloatArray, name: str = "x"
    ) -> None:
        """Check the gradient of a scalar function of one array; AssertionError naming the first bad element."""
        point = at.copy()
        self._compare(lambda: function(point), point, gradient, name, None)

    def _compare(
        self,
        value: Callable[[], float],
        point: FloatArray,
        analytic: FloatArray,
        name: str,
        mask: NDArray[np.bool_] | None,
    ) -> None:
        for index in np.ndindex(point.shape):
            if mask is not None and not mask[index]:
                continue
            before = point[index]
            point[index] = before + self.step
            above = value()
            point[index] = before - self.step
            below = value()
            point[index] = before
            numeric = (above - below) / (2 * self.step)
            scale = max(abs(analytic[index]), abs(numeric), 1)
            assert abs(analytic[index] - numeric) <= self.threshold * scale, (
                f"{name}{list(index)}: backward says {analytic[index]:.6g}, differences {numeric:.6g}"
            )


def layer_net(layer: Any, inputs: dict[str, FloatArray], phase: int = caffe.TRAIN) -> Any:
    """A net of Input blobs of the inputs' sizes and one LayerParameter that reads them, ready for `check_net`."""
    proto = caffe.proto.caffe_pb2.NetParameter(name="gradient_check", force_backward=True)
    for name, data in inputs.items():
        feed = proto.layer.add(name=name, type="Input", top=[name])
        feed.input_param.shape.add(dim=data.shape)
    proto.layer.add().CopyFrom(layer)
    return net_from(proto, phase)
