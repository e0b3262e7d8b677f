"""A Caffe layer as its translator sees it, and the register of translators by layer type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from layers.base import read_parameters
from layers.common.errors import RarError
from tools.onnx.graph import Graph
from tools.onnx.value import Value


@dataclass(frozen=True)
class Layer:
    """One layer of a net.

    proto: its LayerParameter. arrays: its blobs. shapes: of its bottoms, the batch as large as the net was made for.
    """

    graph: Graph
    proto: Any
    arrays: Sequence[np.ndarray]
    shapes: Sequence[tuple[int, ...]]

    @property
    def kind(self) -> str:
        """Caffe's type; for a Python layer its class."""
        return str(self.proto.python_param.layer if self.proto.type == "Python" else self.proto.type)

    def weight(self, index: int, *, transposed: bool = False) -> Value:
        """A blob as a weight of the graph, under the name that layers share it by, if they do."""
        shared = self.proto.param[index].name if index < len(self.proto.param) else ""
        array = self.arrays[index]
        return self.graph.weight(shared or f"{self.proto.name}_{index}", array.T if transposed else array)

    def parameters(self, kind: type) -> Any:
        """param_str of a Python layer as the dataclass `kind`."""
        return read_parameters(kind, self.proto.python_param.param_str, self.kind)

    def refuse(self, what: str) -> NoReturn:
        """RarError that names the layer and what of it has no translation."""
        raise RarError(f"layer {self.proto.name} ({self.kind}) cannot be exported to ONNX: {what}")


Translator = Callable[..., Value | tuple[Value, ...]]
TRANSLATORS: dict[str, Translator] = {}


def translates(kind: str) -> Callable[[Translator], Translator]:
    """Register translator(layer, *bottoms) for a layer type, or a class of Python layer; it returns the tops."""

    def register(translator: Translator) -> Translator:
        TRANSLATORS[kind] = translator
        return translator

    return register


def translate(layer: Layer, bottoms: Sequence[Value]) -> tuple[Value, ...]:
    """The tops of a layer. Where the layer has fewer than its translator gives, the last ones, as our layers do."""
    if layer.kind not in TRANSLATORS:
        layer.refuse("there is no translator for this type in tools/onnx")
    layer.graph.scope = layer.proto.name
    tops = TRANSLATORS[layer.kind](layer, *bottoms)
    tops = tops if isinstance(tops, tuple) else (tops,)
    return tops[len(tops) - len(layer.proto.top) :]
