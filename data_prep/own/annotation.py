"""What every reader of annotations hands on, and how its points are put in the order of a scheme."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layers.common.errors import RarError
from layers.common.schemes import SCHEMES, Scheme


@dataclass(frozen=True)
class Annotation:
    """One annotated face, as its file has it.

    image: the picture, as the file names it. where: its place in the file, for messages. points: x and y by the
    landmark's number or name. box: x0 y0 x1 y1, or None. hidden: the landmarks that the file calls hidden; None where
    it does not tell. fields: what else is said of the face, as text. several: the picture whose second face, say, it
    is, where `image` is no picture; "" for none.
    """

    image: str
    where: str
    points: dict[str, tuple[float, float]]
    box: tuple[float, float, float, float] | None = None
    hidden: frozenset[str] | None = None
    fields: dict[str, str] = field(default_factory=dict)
    several: str = ""


def scheme_by_number(faces: list[Annotation]) -> Scheme:
    """The built-in scheme with as many landmarks as the faces have; RarError, naming the remedy, when there is none."""
    counts = sorted({len(face.points) for face in faces})
    if len(counts) == 1 and str(counts[0]) in SCHEMES:
        return SCHEMES[str(counts[0])]
    found = " or ".join(map(str, counts))
    raise RarError(f"{found} points a face and no scheme: describe yours by --scheme FILE.json (docs/own-data.md)")


class Order:
    """From the numbers or names of an annotation's points to the order of the scheme.

    Numbers count from 0 where one of the faces has a landmark 0, else from 1.
    """

    def __init__(self, scheme: Scheme, faces: Iterable[Annotation]) -> None:
        keys = {key for face in faces for key in face.points}
        self.scheme = scheme
        self.numbered = bool(keys) and all(key.isdecimal() for key in keys)
        self.first = 0 if self.numbered and any(int(key) == 0 for key in keys) else 1

    def shape(self, face: Annotation) -> NDArray[np.float64]:
        """The landmarks (L, 2); RarError, without the file's name, when one is missing, unknown or no number."""
        keys = self._keys(face)
        shape = np.array([face.points[key] for key in keys], np.float64)
        for number in np.flatnonzero(~np.isfinite(shape).all(axis=1)):
            raise RarError(f"landmark {keys[number]} has no place: mark it, or leave the face out")
        return shape

    def flags(self, face: Annotation) -> NDArray[np.uint8] | None:
        """(L,), 1 where the annotation calls a landmark hidden; None where it does not tell."""
        if face.hidden is None:
            return None
        return np.array([key in face.hidden for key in self._keys(face)], np.uint8)

    def _keys(self, face: Annotation) -> list[str]:
        if self.numbered:
            by_number = {int(key): key for key in face.points}
            wanted: list[int | str] = list(range(self.first, self.first + self.scheme.landmarks))
            found = [by_number.get(int(number)) for number in wanted]
        else:
            wanted = list(self.scheme.names)
            found = [name if name in face.points else None for name in self.scheme.names]
        absent = [str(number) for number, key in zip(wanted, found, strict=True) if key is None]
        if absent or len(face.points) != len(found):
            count = f"{len(face.points)} points, and scheme {self.scheme.name} has {self.scheme.landmarks} landmarks"
            missing = f": {', '.join(absent[:3])}{' ...' if len(absent) > 3 else ''} missing" if absent else ""
            raise RarError(f"{count}{missing}")
        return [key for key in found if key is not None]
