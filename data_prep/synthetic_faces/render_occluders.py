"""Things in front of the face: hands, medical masks, phones, cups, strands of hair, microphones."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from data_prep.synthetic_faces.appearance import Appearance, muted
from data_prep.synthetic_faces.canvas import Picture, Region, smooth_polygon
from data_prep.synthetic_faces.model import Array

_MASK_COLOURS = np.array([(225, 205, 170), (236, 236, 236), (40, 40, 40), (190, 160, 215)])
_FINGERS = (0.55, 0.64, 0.61, 0.47)  # lengths


def _capsule(start: Array, end: Array, radius: float) -> Array:
    """Outline of a finger-like shape."""
    along = end - start
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    turn = np.linspace(-np.pi / 2, np.pi / 2, 9)
    side = np.array([-along[1], along[0]])
    cap = np.cos(turn)[:, None] * along + np.sin(turn)[:, None] * side
    return np.asarray(np.concatenate([end + radius * 0.86 * cap, start - radius * cap]))


def _hand(picture: Picture, points: Array, size: float, look: Appearance, rng: Generator) -> None:
    """A hand that comes from below and covers a part of the face with its fingers."""
    skin = look.skin * rng.uniform(0.85, 1.08) if rng.random() < 0.8 else muted(rng, 60, 220)
    target = points[rng.choice([2, 5, 8, 11, 14, 57, 33, 36, 45])]
    angle = rng.uniform(0.1, 0.9) * np.pi
    along = np.array([np.cos(angle), np.sin(angle)])  # from the fingertips to the wrist
    side = np.array([-along[1], along[0]])
    palm, thick, spread = target + along * size * rng.uniform(0.35, 0.75), size * 0.105, rng.uniform(0.02, 0.12)
    fingers = []
    for place, length in zip((-1.5, -0.5, 0.5, 1.5), _FINGERS, strict=True):
        base, reach = palm + side * place * thick * 1.75, size * length * rng.uniform(0.75, 1)
        fingers.append(_capsule(base, base + (side * place * spread - along) * reach, thick))
    thumb = palm + side * thick * 5.4 - along * size * 0.28
    fingers.append(_capsule(palm + side * thick * 3.2 + along * thick, thumb, thick * 1.1))
    wrist = palm + along * size * 1.6
    across, narrow = side * thick * 3.5, side * thick * 2.8
    back = np.stack([palm + across, palm - across, wrist - narrow, wrist + narrow])
    Region(picture, [*fingers, back], size * 0.035).darken(0.75)
    shade = look.light.ambient + 0.75 * look.light.key
    for shape in (smooth_polygon(back, 6), *fingers):
        Region(picture, [shape], 0.5).paint(skin * 0.62 * shade)
        middle = shape.mean(0)
        Region(picture, [middle + (shape - middle) * 0.93], thick * 0.22).paint(skin * shade)


def _mask(picture: Picture, points: Array, look: Appearance, rng: Generator) -> None:
    """A medical mask from the nose's bridge to the jaw, with straps to the ears."""
    colour = _MASK_COLOURS[rng.integers(len(_MASK_COLOURS))] * 0.96
    down = points[8] - points[27]
    left, right = 0.4 * points[1] + 0.6 * points[2], 0.4 * points[15] + 0.6 * points[14]
    nose = 0.7 * points[28] + 0.3 * points[29]
    cheeks = 0.5 * (points[[46, 41]] + points[[14, 2]]) + 0.04 * down
    shape = np.stack([left, *(points[3:14] + 0.04 * down), right, cheeks[0], nose, cheeks[1]])
    ties = ((0, left), (0, points[4]), (16, right), (16, points[12]))
    straps = [np.stack([points[ear], end]) for ear, end in ties]
    Region(picture, straps, stroke=2).paint(colour * 0.9)
    region = Region(picture, [smooth_polygon(shape, 4)], 0.5)
    region.paint(colour, region.grain(rng, "mottle", 0.02) * region.round_light(look.light, 0.75))
    # pleats run from cheek to cheek, bent by the nose
    middle = nose + 0.2 * down
    pleat = np.stack([left + 0.1 * down, 0.5 * (left + middle), middle, 0.5 * (right + middle), right + 0.1 * down])
    # towards the chin the mask is narrower
    pleats = [middle + (pleat - middle) * (0.92 - 0.9 * drop) + down * drop for drop in (0.03, 0.16, 0.29)]
    Region(picture, pleats, 0.5, stroke=2).darken(0.8)


def _box(picture: Picture, points: Array, size: float, rng: Generator, tall: float) -> None:
    """A phone beside the face (tall) or a cup at the mouth."""
    phone = tall > 1.5
    target = points[rng.choice([1, 3, 13, 15] if phone else [57, 51, 66])]
    wide, angle = size * rng.uniform(0.32, 0.5), rng.normal(0, 0.3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = [(-1, -1), (-0.9, -1.04), (0.9, -1.04), (1, -1), (0.96, 1), (0.86, 1.04), (-0.86, 1.04), (-0.96, 1)]
    shape = (np.array(corners) * (wide / 2, wide * tall / 2)) @ turn.T + target + (0, 0.25 * wide * tall)
    colour = muted(rng, chroma=0.35)
    Region(picture, [shape + size * 0.03], size * 0.03).darken(0.7)
    region = Region(picture, [shape], 0.6)
    region.paint(colour, np.linspace(1.1, 0.75, region.mask.shape[1], dtype=np.float32)[None, :])
    middle = shape.mean(0)
    panel = Region(picture, [middle + (shape - middle) * (0.86, 0.9)], 0.6)
    panel.paint(colour * (rng.uniform(0.3, 1.2) if phone else 0.92), strength=0.9)


def _strands(picture: Picture, points: Array, size: float, look: Appearance, rng: Generator) -> None:
    """Loose hair across the face."""
    colour = look.hair if look.hair_style != "bald" else rng.uniform(15, 90, 3)
    root = points[27] + (points[27] - points[8]) * rng.uniform(0.5, 0.62) + rng.normal(0, 0.07 * size, 2)
    end = points[rng.choice([2, 4, 12, 14])] + rng.normal(0, 0.1 * size, 2)
    t = np.linspace(0, 1, 14)[:, None]
    for tone in rng.uniform(0.6, 1.25, 3):
        paths = []
        for _ in range(int(rng.integers(2, 9))):
            middle = (root + end) / 2 + rng.normal(0, 0.16 * size, 2)
            start, stop = root + rng.normal(0, 0.06 * size, 2), end + rng.normal(0, 0.12 * size, 2)
            paths.append((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * stop)
        Region(picture, paths, stroke=int(rng.integers(1, 4))).paint(colour * tone, strength=0.9)


def _microphone(picture: Picture, points: Array, size: float, look: Appearance, rng: Generator) -> None:
    """A microphone at the mouth."""
    target = points[[8, 57]].mean(0) + rng.normal(0, 0.1 * size, 2)
    angle = rng.uniform(0.3, np.pi - 0.3)
    along = np.array([np.cos(angle), np.sin(angle)])
    tone = rng.uniform(20, 120)
    Region(picture, [_capsule(target + along * size * 1.3, target, size * 0.07)], 0.5).paint(np.full(3, tone * 0.5))
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    head = Region(picture, [target + np.stack([np.cos(turn), np.sin(turn)], -1) * size * 0.15], 0.5)
    head.paint(np.full(3, tone), head.grain(rng, "grain", 0.2) * head.round_light(look.light))


def draw(picture: Picture, points: Array, look: Appearance, rng: Generator, hard: bool) -> str:
    """Perhaps put something in front of the face with landmarks `points` (68, 2); its kind, "" for none."""
    if rng.random() > (0.55 if hard else 0.22):
        return ""
    size = float(np.linalg.norm(points[8] - points[27]))
    painters = {
        "hand": lambda: _hand(picture, points, size, look, rng),
        "mask": lambda: _mask(picture, points, look, rng),
        "phone": lambda: _box(picture, points, size, rng, tall=2.0),
        "cup": lambda: _box(picture, points, size, rng, tall=1.1),
        "strands": lambda: _strands(picture, points, size, look, rng),
        "microphone": lambda: _microphone(picture, points, size, look, rng),
    }
    kind = str(rng.choice(list(painters), p=[0.3, 0.16, 0.12, 0.1, 0.2, 0.12]))
    painters[kind]()
    return kind
