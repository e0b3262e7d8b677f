"""Complex tensors, which ONNX lacks: a landmark is x + iy here, as in layers.common.face_fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from tools.onnx.value import Builder, Value, stack


@dataclass(frozen=True)
class Complex:
    """Real and imaginary part, of one shape and type."""

    re: Value
    im: Value

    @classmethod
    def constant(cls, graph: Builder, array: np.ndarray, dtype: DTypeLike) -> Complex:
        return cls(graph.constant(array.real, dtype), graph.constant(array.imag, dtype))

    @classmethod
    def of_points(cls, points: Value) -> Complex:
        """(..., L, 2) -> (..., L)."""
        return cls(points.take(0, axis=-1), points.take(1, axis=-1))

    def points(self) -> Value:
        """(..., L) -> (..., L, 2)."""
        return stack([self.re, self.im], axis=-1)

    def each(self, change: Callable[[Value], Value]) -> Complex:
        """The same done to both parts."""
        return Complex(change(self.re), change(self.im))

    def __add__(self, other: Complex) -> Complex:
        return Complex(self.re + other.re, self.im + other.im)

    def __sub__(self, other: Complex) -> Complex:
        return Complex(self.re - other.re, self.im - other.im)

    def __mul__(self, other: Complex) -> Complex:
        return Complex(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)

    def __matmul__(self, other: Complex) -> Complex:
        return Complex(self.re @ other.re - self.im @ other.im, self.re @ other.im + self.im @ other.re)

    def squared(self) -> Value:
        """|z|^2."""
        return self.re * self.re + self.im * self.im

    def conjugate(self) -> Complex:
        return Complex(self.re, -self.im)

    def inverse(self) -> Complex:
        """1 / z."""
        squared = self.squared()
        return self.conjugate().each(lambda part: part / squared)

    def at_least(self, smallest: float) -> Complex:
        """`smallest` where |z| is not above it."""
        large = self.squared() >= smallest**2
        return Complex(large.where(self.re, smallest), large.where(self.im, 0))
