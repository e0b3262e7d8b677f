"""The words that the layers' parameters take, and with them the settings of a preset."""

from __future__ import annotations

WEIGHTINGS = ("gaussian", "uniform", "ones")
POLICIES = ("argmax", "sample", "stochastic", "random", "fixed")
DRAWING = ("sample", "stochastic", "random")  # policies that draw, and so must know which face it is
STARTS = ("robust", "mean", "random", "direct")
