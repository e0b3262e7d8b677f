"""An ONNX graph under construction: its nodes, its constants and its weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tools.onnx.value import Value, onnx_type

Names = Sequence[int | str | None]
OPSET, IR_VERSION = 18, 8  # onnxruntime 1.14 and newer


class Graph:
    """Nodes and constants in the order they are made; names start with the `scope`, the Caffe layer being translated.

    half: weights are stored in 16 bits and widened to 32 when the model is loaded.
    """

    def __init__(self, *, half: bool = False) -> None:
        self.scope = ""
        self.half = half
        self._initializers: dict[str, TensorProto] = {}
        self._nodes: list[NodeProto] = []
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._weights: dict[str, Value] = {}
        self._counts: Counter[str] = Counter()

    def input(self, name: str, dtype: DTypeLike, shape: Names) -> Value:
        """A tensor given from outside; a dimension may be a name."""
        self._inputs.append(helper.make_tensor_value_info(name, onnx_type(dtype), shape))
        return Value(self, name, np.dtype(dtype))

    def output(self, name: str, value: Value, shape: Names) -> None:
        """Hand `value` out as `name`."""
        self._nodes.append(helper.make_node("Identity", [value.name], [name], name=name))
        self._outputs.append(helper.make_tensor_value_info(name, onnx_type(value.dtype), shape))

    def constant(self, value: ArrayLike, dtype: DTypeLike = np.int64) -> Value:
        """A small constant; equal ones are stored once."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._stored(f"constant_{len(self._constants)}", array)
        return self._constants[key]

    def weight(self, name: str, array: np.ndarray) -> Value:
        """Learnt weights, float32; those that several layers share, by name, are stored once."""
        if name not in self._weights:
            stored = self._stored(name, array.astype(np.float16 if self.half else np.float32))
            self._weights[name] = stored.cast(np.float32) if self.half else stored
        return self._weights[name]

    def op(self, kind: str, *inputs: Value, dtype: DTypeLike | None = None, **attributes: Any) -> Value:
        """A node with one output, of the first input's type unless `dtype` says otherwise."""
        return self.op_many(kind, inputs, (inputs[0].dtype if dtype is None else dtype,), **attributes)[0]

    def op_many(
        self, kind: str, inputs: Sequence[Value], dtypes: Sequence[DTypeLike], **attributes: Any
    ) -> list[Value]:
        """A node with an output for every type named."""
        outputs = [Value(self, self._fresh(kind), np.dtype(dtype)) for dtype in dtypes]
        names = [value.name for value in outputs]
        self._nodes.append(helper.make_node(kind, [value.name for value in inputs], names, name=names[0], **attributes))
        return outputs

    def repeat(self, count: int, start: Value, body: Callable[[Value, Value], Value]) -> Value:
        """body(i, state) `count` times over, i = 0 ... count - 1 of shape (1,), from the state `start`."""
        outer, self._nodes = self._nodes, []
        i = Value(self, self._fresh("i"), np.dtype(np.int64))
        go_on = Value(self, self._fresh("go_on"), np.dtype(bool))
        state = Value(self, self._fresh("state"), start.dtype)
        result = body(i.unsqueeze(0), state)
        still = self.op("Identity", go_on)
        inside, self._nodes = self._nodes, outer
        inputs = [_scalar_info(i), _scalar_info(go_on), _info(state)]
        graph = helper.make_graph(inside, self._fresh("body"), inputs, [_scalar_info(still), _info(result)])
        return self.op("Loop", self.constant(count), self.constant(True, bool), start, dtype=start.dtype, body=graph)

    def model(self, name: str) -> ModelProto:
        """The finished model, without nodes and constants that no output needs."""
        nodes, needed = _needed(self._nodes, {output.name for output in self._outputs})
        stored = [tensor for key, tensor in self._initializers.items() if key in needed]
        graph = helper.make_graph(nodes, name, self._inputs, self._outputs, stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _stored(self, name: str, array: np.ndarray) -> Value:
        self._initializers[name] = numpy_helper.from_array(array, name)
        return Value(self, name, array.dtype)

    def _fresh(self, kind: str) -> str:
        base = f"{self.scope}/{kind}"
        self._counts[base] += 1
        return f"{base}_{self._counts[base]}"


def _info(value: Value) -> ValueInfoProto:
    return helper.make_tensor_value_info(value.name, onnx_type(value.dtype), None)


def _scalar_info(value: Value) -> ValueInfoProto:
    return helper.make_tensor_value_info(value.name, onnx_type(value.dtype), [])


def _needed(nodes: Sequence[NodeProto], wanted: set[str]) -> tuple[list[NodeProto], set[str]]:
    """The nodes that the tensors `wanted` need, in their order, and the names of all tensors these read."""
    kept: list[NodeProto] = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= _read(node)
    return kept[::-1], wanted


def _read(node: NodeProto) -> set[str]:
    bodies = [attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH]
    return set(node.input).union(*(_read(inner) for body in bodies for inner in body.node))
