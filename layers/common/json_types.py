"""JSON that a person or another program may have changed: read, and held against the types that are due."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

WORDS = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number", bool: "true/false"}


@dataclass(frozen=True)
class Each:
    """An object of any keys, or a list, whose every value is of `kind`."""

    container: type
    kind: Any


@dataclass(frozen=True)
class Maybe:
    """A value of `kind`, or null, or no such key."""

    kind: Any


def parsed(text: str | bytes) -> Any:
    """What json.loads reads; ValueError also for what is nested too deep for it, and for a key that stands twice."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} stands twice in an object")
    return found


def check(value: Any, kind: Any, place: str = "the file") -> None:
    """ValueError, with the place, unless a JSON value is of a kind.

    kind: a type (int is a number too where float is due; true is none), several of them, an object's kinds by key
    (others may be there), Each or Maybe.
    """
    if isinstance(kind, Maybe):
        if value is not None:
            check(value, kind.kind, place)
    elif isinstance(kind, dict):
        check(value, dict, place)
        for key, inner in kind.items():
            if key not in value and not isinstance(inner, Maybe):
                raise ValueError(f"{place} lacks {key!r}")
            check(value.get(key), inner, key if place == "the file" else f"{place}, {key}")
    elif isinstance(kind, Each):
        check(value, kind.container, place)
        entries = value.items() if kind.container is dict else enumerate(value)
        for key, one in entries:
            check(one, kind.kind, f"{place}, {key}")
    else:
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not any(_is(value, one) for one in kinds):
            raise ValueError(f"{place} is not {' or '.join(WORDS[one] for one in kinds)}")


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)
