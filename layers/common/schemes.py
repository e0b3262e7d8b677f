"""Landmark schemes: what each index means. Augmentation, metrics and drawing read them from here and nowhere else.

Indices are 0-based. "Left" is the left of the image, so `pupils[0]` is the eye with the smaller x on an upright face.
"""

from __future__ import annotations

from dataclasses import dataclass

from layers.common.errors import RarError

Indices = tuple[int, ...]


@dataclass(frozen=True)
class Scheme:
    """One way of annotating a face with L landmarks.

    mirror: landmark i of a mirrored image is landmark mirror[i] of the original, with x reflected.
    pupils: for each eye the landmarks whose mean is the eye centre.
    corners: the two outer eye corners, or None where the scheme has none.
    groups: named facial parts, for drawing and for error by part.
    curves: polylines to draw, as (indices, closed).
    """

    name: str
    landmarks: int
    mirror: Indices
    pupils: tuple[Indices, Indices]
    corners: tuple[int, int] | None
    groups: dict[str, Indices]
    curves: tuple[tuple[Indices, bool], ...]


def _span(first: int, last: int) -> Indices:
    return tuple(range(first, last + 1))


def _mirror(landmarks: int, pairs: tuple[tuple[int, int], ...]) -> Indices:
    table = list(range(landmarks))
    for a, b in pairs:
        table[a], table[b] = b, a
    return tuple(table)


_PAIRS_68 = (
    *((i, 16 - i) for i in range(8)),  # contour
    *((17 + i, 26 - i) for i in range(5)),  # brows
    (31, 35), (32, 34),  # nostrils
    (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46),  # eyes
    (48, 54), (49, 53), (50, 52), (55, 59), (56, 58),  # outer lip
    (60, 64), (61, 63), (65, 67),  # inner lip
)  # fmt: skip

SCHEME_68 = Scheme(
    name="68",
    landmarks=68,
    mirror=_mirror(68, _PAIRS_68),
    pupils=(_span(36, 41), _span(42, 47)),
    corners=(36, 45),
    groups={
        "contour": _span(0, 16),
        "brows": _span(17, 26),
        "nose": _span(27, 35),
        "eyes": _span(36, 47),
        "mouth": _span(48, 67),
    },
    curves=(
        (_span(0, 16), False),
        (_span(17, 21), False),
        (_span(22, 26), False),
        (_span(27, 30), False),
        (_span(31, 35), False),
        (_span(36, 41), True),
        (_span(42, 47), True),
        (_span(48, 59), True),
        (_span(60, 67), True),
    ),
)

# COFW (Burgos-Artizzu et al., 2013), 0-based, left first: outer brow ends 0 1, inner ones 2 3, a brow's upper and lower
# edge 4 5 and 6 7; eyes likewise 8 9, 10 11, 12 13 and 14 15; eye centres 16 17; nostrils 18 19, nose tip 20, nose
# base 21; mouth corners 22 23, upper lip's edges 24 25, lower lip's 26 27; chin 28.
_PAIRS_29 = (
    (0, 1), (2, 3), (4, 6), (5, 7),  # brows
    (8, 9), (10, 11), (12, 14), (13, 15), (16, 17),  # eyes
    (18, 19), (22, 23),  # nostrils, mouth corners
)  # fmt: skip

SCHEME_29 = Scheme(
    name="29",
    landmarks=29,
    mirror=_mirror(29, _PAIRS_29),
    pupils=((16,), (17,)),
    corners=(8, 9),
    groups={
        "brows": _span(0, 7),
        "eyes": _span(8, 17),
        "nose": _span(18, 21),
        "mouth": _span(22, 27),
        "contour": (28,),
    },
    curves=(
        ((0, 4, 2, 5), True),
        ((1, 6, 3, 7), True),
        ((8, 12, 10, 13), True),
        ((9, 14, 11, 15), True),
        ((18, 21, 19), False),
        ((22, 24, 23, 27), True),
        ((22, 25, 23, 26), True),
    ),
)

# MTFL / AFLW: eye centres, nose tip, mouth corners.
SCHEME_5 = Scheme(
    name="5",
    landmarks=5,
    mirror=_mirror(5, ((0, 1), (3, 4))),
    pupils=((0,), (1,)),
    corners=None,
    groups={"eyes": (0, 1), "nose": (2,), "mouth": (3, 4)},
    curves=(((0, 2, 1), False), ((3, 4), False)),
)

# Scheme 5's points on a shape of scheme 68: each is the mean of these landmarks.
FIVE_OF_68: tuple[Indices, ...] = (*SCHEME_68.pupils, (30,), (48,), (54,))

SCHEMES = {scheme.name: scheme for scheme in (SCHEME_68, SCHEME_29, SCHEME_5)}


def scheme(name: str | int) -> Scheme:
    """The scheme called `name` ("68", "29", "5"); RarError when there is none."""
    try:
        return SCHEMES[str(name)]
    except KeyError:
        raise RarError(f"no landmark scheme {name!r}: choose one of {', '.join(SCHEMES)}") from None
