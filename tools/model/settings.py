"""The settings of a preset that a variant may change: what each can be, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from layers.common.choices import POLICIES, STARTS, WEIGHTINGS
from layers.common.errors import RarError
from layers.common.gamma import READINGS
from layers.common.schemes import scheme

MOST = 1e6  # of what has no bound of its own: more is a slip of the finger
LEAST = 1e-6  # of what is above 0: Caffe's numbers of 32 bits take far less for 0


def _plain(text: str) -> str:
    """The text of a number; ValueError for a spelling that only Python takes, such as 8_0 for 80."""
    if not text.isascii() or "_" in text or text != text.strip():
        raise ValueError(text)
    return text


class Kind(Protocol):
    """What a setting can be."""

    def read(self, text: str) -> Any:
        """The value that a text stands for; ValueError when it stands for none."""

    def has(self, value: Any) -> bool:
        """Whether a value is one."""

    def __str__(self) -> str:
        """In words: "steps is ..."."""


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int

    def read(self, text: str) -> int:
        return int(_plain(text))

    def has(self, value: Any) -> bool:
        return type(value) is int and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True)
class Real:
    """A number from `low` to `high`."""

    low: float = 0
    high: float = MOST

    def read(self, text: str) -> float:
        return float(_plain(text))

    def has(self, value: Any) -> bool:
        return type(value) in (int, float) and self.low <= value <= self.high  # NaN is not

    def __str__(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Word:
    """One of some words."""

    known: tuple[str, ...]

    def read(self, text: str) -> str:
        return text

    def has(self, value: Any) -> bool:
        return value in self.known

    def __str__(self) -> str:
        return f"one of {', '.join(self.known)}"


@dataclass(frozen=True)
class Switch:
    """0 or 1."""

    def read(self, text: str) -> bool:
        if text not in ("0", "1"):
            raise ValueError(text)
        return text == "1"

    def has(self, value: Any) -> bool:
        return type(value) is bool

    def __str__(self) -> str:
        return "0 or 1"


@dataclass(frozen=True)
class KnownScheme:
    """The name of a landmark scheme that is known."""

    def read(self, text: str) -> str:
        return text

    def has(self, value: Any) -> bool:
        """RarError, which says how one becomes known, for another name."""
        return scheme(value).name == value

    def __str__(self) -> str:
        return "the name of a landmark scheme"


CHANNELS, RATE, WEIGHT, SCALE = Whole(1, 4096), Real(), Real(), Real(LEAST)

SETTINGS: dict[str, Kind] = {
    "crop_size": Whole(16, 1024),
    "batch_size": Whole(1, 1024),
    "pretrained": Switch(),
    "reduction": CHANNELS,
    "deconv6": CHANNELS,
    "deconv7": CHANNELS,
    "sigma": Real(LEAST, 64),
    "window": Whole(1, 63),
    "feature_scale": SCALE,
    "landmarks": Whole(1, 1000),
    "scheme": KnownScheme(),
    "basis_size": Whole(1, 10_000),
    "support": Whole(0, 10_000),
    "inlier_threshold": Real(LEAST, 10),
    "shift_radius": Whole(0, 128),
    "shift_scale": SCALE,
    "steps": Whole(1, 1000),
    "input_scale": SCALE,
    "stage_lr": RATE,
    "cnn_lr": RATE,
    "lstm_lr": RATE,
    "gate_lr": RATE,
    "conv8_weight": WEIGHT,
    "refinement_weight": WEIGHT,
    "reward_weight": WEIGHT,
    "gate_bias": Real(-100, 100),
    "attention_gate_bias": Real(-100, 100),
    "eta": Real(0, 1),
    "temperature": SCALE,
    "initialisation": Word(STARTS),
    "gamma": Word(READINGS),
    "gamma_width": Real(LEAST, 100),
    "weighting": Word(WEIGHTINGS),
    "policy": Word(POLICIES),
    "no_repeat": Switch(),
    "centre_seed": Whole(0, 2**31 - 1),
    "estimator": Word(("straight_through", "counterfactual", "reinforce")),
    "reward": Word(("weighted", "unweighted")),
    "entropy_weight": WEIGHT,
    "attention_scale": Real(),
    "attention_history": Switch(),
    "attention_peak": Switch(),
    "attention_lr": RATE,
    "refinement_lr": RATE,
    "flip_test": Switch(),
}


def changed(text: str) -> tuple[str, Any]:
    """A setting of a variant, "steps=8": its name and its value. RarError for a name or a value that none has."""
    name, _, word = text.partition("=")
    if name not in SETTINGS:
        raise RarError(f"a preset has no setting {name!r}: it has {', '.join(SETTINGS)}")
    try:
        value = SETTINGS[name].read(word)
    except ValueError:
        value = word
    check(name, value)
    return name, value


def check(name: str, value: Any) -> None:
    """RarError unless a setting can have this value."""
    if not SETTINGS[name].has(value):
        shown = value if isinstance(value, int | float) else repr(value)
        raise RarError(f"{name} of a preset is {SETTINGS[name]}, not {shown}")
