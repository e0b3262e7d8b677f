"""Translators of Caffe's own layers, as far as the deploy nets use them; what else a layer can do is refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.onnx.layer import Layer, translates
from tools.onnx.value import Value, concat

MAX_POOLING = 0
SUM = 1


def pair(parameter: Any, name: str, default: int) -> tuple[int, int]:
    """A size of a convolution by height and width: repeated, single or absent in the prototxt."""
    values = list(getattr(parameter, name)) or [default]
    return values[0], values[-1]


def spatial(layer: Layer) -> dict[str, Any]:
    """Strides, pads and so on of a convolution or deconvolution."""
    parameter = layer.proto.convolution_param
    if any(parameter.HasField(field) for field in ("kernel_h", "pad_h", "stride_h")):
        layer.refuse("kernel_h, pad_h, stride_h: give kernel_size, pad, stride")
    return {
        "strides": pair(parameter, "stride", 1),
        "pads": pair(parameter, "pad", 0) * 2,
        "dilations": pair(parameter, "dilation", 1),
        "group": parameter.group,
    }


def kernel_and_bias(layer: Layer) -> list[Value]:
    """The layer's weights, its kernel first."""
    return [layer.weight(index) for index in range(len(layer.arrays))]


@translates("Convolution")
def convolution(layer: Layer, bottom: Value) -> Value:
    return layer.graph.op("Conv", bottom, *kernel_and_bias(layer), **spatial(layer))


@translates("Deconvolution")
def deconvolution(layer: Layer, bottom: Value) -> Value:
    return layer.graph.op("ConvTranspose", bottom, *kernel_and_bias(layer), **spatial(layer))


@translates("Pooling")
def pooling(layer: Layer, bottom: Value) -> Value:
    parameter = layer.proto.pooling_param
    if parameter.pool != MAX_POOLING or parameter.pad or parameter.stride_h or not parameter.kernel_size:
        layer.refuse("only max-pooling of a square window without padding")
    size, stride = [parameter.kernel_size] * 2, [parameter.stride] * 2
    return bottom.op("MaxPool", kernel_shape=size, strides=stride, ceil_mode=1)  # Caffe rounds up


@translates("ReLU")
def relu(layer: Layer, bottom: Value) -> Value:
    slope = layer.proto.relu_param.negative_slope
    return bottom.op("LeakyRelu", alpha=slope) if slope else bottom.op("Relu")


@translates("InnerProduct")
def inner_product(layer: Layer, bottom: Value) -> Value:
    parameter = layer.proto.inner_product_param
    if parameter.axis < 0:
        layer.refuse("an axis counted from the back")
    rows = bottom.reshape(*[0] * parameter.axis, -1)
    product = rows @ layer.weight(0, transposed=not parameter.transpose)
    return product + layer.weight(1) if parameter.bias_term else product


@translates("LSTMUnit")
def lstm_unit(layer: Layer, c: Value, gates: Value, cont: Value) -> tuple[Value, Value]:
    parts = layer.graph.op_many("Split", [gates], [gates.dtype] * 4, axis=2, num_outputs=4)
    enter, forget, leave = (part.op("Sigmoid") for part in parts[:3])
    c = cont.unsqueeze(2) * forget * c + enter * parts[3].op("Tanh")
    return c, leave * c.op("Tanh")


@translates("BatchNorm")
def batch_norm(layer: Layer, bottom: Value) -> Value:
    """With the stored statistics, which Caffe keeps as sums and a count."""
    mean, variance, count = layer.arrays
    share = 1 / count[0] if count[0] else 0
    deviation = np.sqrt(variance * share + layer.proto.batch_norm_param.eps)
    column = (-1,) + (1,) * (len(layer.shapes[0]) - 2)
    return bottom * (1 / deviation).reshape(column) - (mean * share / deviation).reshape(column)


@translates("Power")
def power(layer: Layer, bottom: Value) -> Value:
    parameter = layer.proto.power_param
    if parameter.power != 1:
        layer.refuse("a power other than 1")
    scaled = bottom * parameter.scale
    return scaled + parameter.shift if parameter.shift else scaled


@translates("Reduction")
def reduction(layer: Layer, bottom: Value) -> Value:
    parameter = layer.proto.reduction_param
    if parameter.operation != SUM or parameter.axis < 0:
        layer.refuse("a reduction other than the sum from an axis counted from the front")
    axes = layer.graph.constant(range(parameter.axis, len(layer.shapes[0])))
    return bottom.op("ReduceSum", axes, keepdims=0) * parameter.coeff


@translates("Concat")
def concatenation(layer: Layer, *bottoms: Value) -> Value:
    return concat(bottoms, layer.proto.concat_param.axis)


@translates("Tile")
def tile(layer: Layer, bottom: Value) -> Value:
    parameter = layer.proto.tile_param
    repeats = [1] * len(layer.shapes[0])
    repeats[parameter.axis] = parameter.tiles
    return layer.graph.op("Tile", bottom, layer.graph.constant(repeats))


@translates("Reshape")
def reshape(layer: Layer, bottom: Value) -> Value:
    parameter = layer.proto.reshape_param
    if parameter.axis or parameter.num_axes != -1:
        layer.refuse("a reshape of some axes")
    return bottom.reshape(*parameter.shape.dim)  # 0 and -1 mean the same to both


@translates("Flatten")
def flatten(layer: Layer, bottom: Value) -> Value:
    parameter = layer.proto.flatten_param
    if parameter.axis != 1 or parameter.end_axis != -1:
        layer.refuse("a flattening other than all axes but the first")
    return bottom.op("Flatten", axis=1)


@translates("Split")
def split(layer: Layer, bottom: Value) -> tuple[Value, ...]:
    return (bottom,) * len(layer.proto.top)
