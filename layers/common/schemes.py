"""Landmark schemes: what each index means. Augmentation, metrics and drawing read them from here and nowhere else.

Those that come with the project are files in layers/common/scheme_files. A user's own travels with what needs it, as
`Scheme.stored` or its text: in the manifest and the sets of prepared data, the nets' layers, the note beside weights,
results files. Whoever reads one of these calls `scheme`, and the scheme is known by its name from then on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from layers.common.errors import RarError
from layers.common.json_types import parsed
from layers.common.scheme_file import Indices, Scheme, describe, parse, read_scheme

__all__ = ["FIVE_OF_68", "SCHEMES", "SCHEME_5", "SCHEME_29", "SCHEME_68", "SCHEME_98", "Indices", "Scheme",
           "made_known", "scheme", "stored", "stored_text"]  # fmt: skip

FILES = Path(__file__).with_name("scheme_files")

SCHEME_68 = read_scheme(FILES / "68.json")  # 300-W
SCHEME_29 = read_scheme(FILES / "29.json")  # COFW
SCHEME_5 = read_scheme(FILES / "5.json")  # MTFL, AFLW
SCHEME_98 = read_scheme(FILES / "98.json")  # WFLW

# Scheme 5's points on a shape of scheme 68: each is the mean of these landmarks.
FIVE_OF_68: tuple[Indices, ...] = (*SCHEME_68.pupils, (30,), (48,), (54,))

SCHEMES = {scheme.name: scheme for scheme in (SCHEME_68, SCHEME_29, SCHEME_5, SCHEME_98)}  # with the project
_own: dict[str, Scheme] = {}  # users', read in this process


def scheme(name: str | int | dict[str, Any]) -> Scheme:
    """The scheme called `name`, or that a stored one describes, as an object or as its text, which makes it known.

    RarError when there is none of that name, when the description is wrong, and when another is known by its name.
    """
    if isinstance(name, str) and name.startswith("{"):
        try:
            name = parsed(name)
        except ValueError as error:
            raise RarError(f"a stored landmark scheme is damaged ({error}): write it again") from None
    if isinstance(name, dict):
        return made_known(parse(name))
    known = {**SCHEMES, **_own}
    if str(name) not in known:
        raise RarError(
            f"no landmark scheme {name!r}: choose one of {', '.join(known)}; one of your own is known by the data or "
            "weights that are of it, or give its file: +scheme=FILE.json"
        )
    return known[str(name)]


def made_known(given: Scheme) -> Scheme:
    """The scheme, known by its name from now on in this process; RarError when another one has that name."""
    known = {**SCHEMES, **_own}.get(given.name, given)
    if known != given:
        raise RarError(f"two different landmark schemes are called {given.name!r}: give yours another name")
    if given.name not in SCHEMES:
        _own[given.name] = known
    return known


def stored(given: Scheme | str) -> str | dict[str, Any]:
    """What a JSON file says of a scheme, or of the known one of that name: its name, or all of a user's own."""
    found = scheme(given) if isinstance(given, str) else given
    return found.name if found.name in SCHEMES else describe(found)


def stored_text(given: Scheme) -> str:
    """`stored` as a text, for where no object can be."""
    kept = stored(given)
    return kept if isinstance(kept, str) else json.dumps(kept)
