"""A tensor of an ONNX graph under construction; it does arithmetic as numpy's arrays do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from onnx import helper


def onnx_type(dtype: DTypeLike) -> int:
    """ONNX's number for a type of numpy's."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


class Builder(Protocol):
    """What a tensor asks of the graph that it belongs to; see Graph in graph.py."""

    def constant(self, value: ArrayLike, dtype: DTypeLike = np.int64) -> Value: ...

    def op(self, kind: str, *inputs: Value, dtype: DTypeLike | None = None, **attributes: Any) -> Value: ...

    def op_many(
        self, kind: str, inputs: Sequence[Value], dtypes: Sequence[DTypeLike], **attributes: Any
    ) -> list[Value]: ...

    def repeat(self, count: int, start: Value, body: Callable[[Value, Value], Value]) -> Value: ...


class Value:
    """A tensor of a graph. Numbers and arrays beside it become constants of its type."""

    __array_ufunc__ = None  # so that array + value comes here

    def __init__(self, graph: Builder, name: str, dtype: np.dtype[Any]) -> None:
        self.graph, self.name, self.dtype = graph, name, dtype

    def op(self, kind: str, *others: Operand, dtype: DTypeLike | None = None, **attributes: Any) -> Value:
        """A node of which this is the first input."""
        return self.graph.op(kind, self, *(self._like(other) for other in others), dtype=dtype, **attributes)

    def _like(self, other: Any) -> Value:
        return other if isinstance(other, Value) else self.graph.constant(other, self.dtype)

    def __add__(self, other: Operand) -> Value:
        return self.op("Add", other)

    def __sub__(self, other: Operand) -> Value:
        return self.op("Sub", other)

    def __rsub__(self, other: Operand) -> Value:
        return self._like(other).op("Sub", self)

    def __mul__(self, other: Operand) -> Value:
        return self.op("Mul", other)

    def __truediv__(self, other: Operand) -> Value:
        return self.op("Div", other)

    def __mod__(self, other: Operand) -> Value:
        return self.op("Mod", other)

    def __matmul__(self, other: Operand) -> Value:
        return self.op("MatMul", other)

    def __neg__(self) -> Value:
        return self.op("Neg")

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other: Operand) -> Value:
        return self.op("Less", other, dtype=bool)

    def __ge__(self, other: Operand) -> Value:
        return self.op("GreaterOrEqual", other, dtype=bool)

    def equals(self, other: Operand) -> Value:
        return self.op("Equal", other, dtype=bool)

    def where(self, yes: Value, no: Operand) -> Value:
        """`yes` where this is true, else `no`."""
        return self.graph.op("Where", self, yes, yes._like(no), dtype=yes.dtype)

    def cast(self, dtype: DTypeLike) -> Value:
        return self.op("Cast", dtype=dtype, to=onnx_type(dtype))

    def clip(self, low: float, high: float) -> Value:
        return self.op("Clip", low, high)

    def _reduce(self, kind: str, axis: int, keep: bool) -> Value:
        return self.op(kind, self.graph.constant([axis]), keepdims=int(keep))

    def sum(self, axis: int, *, keep: bool = False) -> Value:
        return self._reduce("ReduceSum", axis, keep)

    def mean(self, axis: int, *, keep: bool = False) -> Value:
        return self._reduce("ReduceMean", axis, keep)

    def max(self, axis: int, *, keep: bool = False) -> Value:
        return self._reduce("ReduceMax", axis, keep)

    def log_sum_exp(self, axis: int, *, keep: bool = False) -> Value:
        return self._reduce("ReduceLogSumExp", axis, keep)

    def argmax(self, axis: int, *, keep: bool = False) -> Value:
        return self.op("ArgMax", dtype=np.int64, axis=axis, keepdims=int(keep))

    def argmin(self, axis: int, *, keep: bool = False) -> Value:
        return self.op("ArgMin", dtype=np.int64, axis=axis, keepdims=int(keep))

    def argsort(self, length: int) -> Value:
        """Indices that sort the last axis, `length` long, ascending."""
        count = self.graph.constant([length])
        return self.graph.op_many("TopK", [self, count], [self.dtype, np.int64], axis=-1, largest=0)[1]

    def reshape(self, *shape: int) -> Value:
        """0 keeps a dimension, -1 is what is left."""
        return self.op("Reshape", self.graph.constant(shape))

    def transpose(self, *order: int) -> Value:
        return self.op("Transpose", perm=order)

    def unsqueeze(self, *axes: int) -> Value:
        return self.op("Unsqueeze", self.graph.constant(axes))

    def take(self, indices: ArrayLike | Value, axis: int) -> Value:
        """numpy.take: the axis gives way to the axes of `indices`."""
        chosen = indices if isinstance(indices, Value) else self.graph.constant(indices)
        return self.op("Gather", chosen, axis=axis)

    def pick(self, index: Value) -> Value:
        """Row index[n] of every element n of the batch: (N, R, ...) and index (N, 1) give (N, ...)."""
        return self.op("GatherND", index, batch_dims=1)

    def expand(self, shape: Value) -> Value:
        return self.op("Expand", shape)

    def shape(self) -> Value:
        return self.op("Shape", dtype=np.int64)


Operand = Value | float | np.ndarray


def concat(values: Sequence[Value], axis: int) -> Value:
    """numpy.concatenate."""
    return values[0].graph.op("Concat", *values, axis=axis)


def stack(values: Sequence[Value], axis: int) -> Value:
    """numpy.stack."""
    return concat([value.unsqueeze(axis) for value in values], axis)
