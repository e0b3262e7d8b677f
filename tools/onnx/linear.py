"""Symmetric positive definite systems of equations, which ONNX has no operator for; such need no pivoting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.onnx.value import Value, concat

LARGEST_BLOCK = 10  # unknowns eliminated at once: fewer passes over the system, but more small steps


def solve(matrix: Value, right: Value, size: int) -> Value:
    """x (..., size, 1) with matrix x = right, by Gauss and Jordan, a block of unknowns at a time.

    matrix: (..., size, size), symmetric positive definite; right: (..., size, 1).
    """
    block = max(width for width in range(1, LARGEST_BLOCK + 1) if size % width == 0)
    eye = matrix.graph.constant(np.eye(size), matrix.dtype)

    def step(i: Value, system: Value) -> Value:
        return eliminate(system, i * block + np.arange(block), eye, lambda pivot: inverse(pivot, block))

    return matrix.graph.repeat(size // block, concat([matrix, right], -1), step).take([size], axis=-1)


def inverse(matrix: Value, size: int) -> Value:
    """Of a small matrix (..., size, size)."""
    eye = matrix.graph.constant(np.eye(size), matrix.dtype)
    system = concat([matrix, eye.expand(matrix.shape())], -1)
    for i in range(size):
        system = eliminate(system, matrix.graph.constant([i]), eye, lambda pivot: pivot.op("Reciprocal"))
    return system.take(np.arange(size, 2 * size), axis=-1)


def eliminate(system: Value, chosen: Value, eye: Value, invert: Callable[[Value], Value]) -> Value:
    """The system [A, B] with the columns `chosen` of A made those of the identity by steps on its rows."""
    rows, columns = system.take(chosen, axis=-2), system.take(chosen, axis=-1)
    return system - (columns - eye.take(chosen, axis=-1)) @ (invert(rows.take(chosen, axis=-1)) @ rows)
