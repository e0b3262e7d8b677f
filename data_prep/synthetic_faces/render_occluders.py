"""Things in front of the face: hands, medical masks, phones, cups, strands of hair, microphones."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from data_prep.synthetic_faces import noise
from data_prep.synthetic_faces.appearance import Appearance
from data_prep.synthetic_faces.canvas import Picture, Region, fixed, smooth_polygon
from data_prep.synthetic_faces.model import Array

KINDS = ("hand", "mask", "phone", "cup", "strands", "microphone")


def _capsule(start: Array, end: Array, radius: float) -> Array:
    """Outline of a finger-like shape."""
    along = end - start
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    turn = np.linspace(-np.pi / 2, np.pi / 2, 9)
    side = np.array([-along[1], along[0]])
    cap = np.cos(turn)[:, None] * along + np.sin(turn)[:, None] * side
    return np.asarray(np.concatenate([end + radius * 0.86 * cap, start - radius * cap]))


def _hand(picture: Picture, points: Array, size: float, look: Appearance, rng: Generator) -> None:
    skin = look.skin * rng.uniform(0.85, 1.08) if rng.random() < 0.8 else rng.uniform(60, 220, 3)
    target = points[rng.choice([2, 5, 8, 11, 14, 57, 33, 36, 45])]
    angle = rng.uniform(np.pi * 0.1, np.pi * 0.9)  # the arm comes from below
    along = np.array([np.cos(angle), np.sin(angle)])
    side = np.array([-along[1], along[0]])
    palm = target + along * size * rng.uniform(0.35, 0.75)
    spread = rng.uniform(0.02, 0.12)
    thick = size * 0.105
    parts = []
    for k in range(4):
        offset = (k - 1.5) * thick * 1.75
        length = size * (0.55, 0.64, 0.61, 0.47)[k] * rng.uniform(0.75, 1.0)
        direction = -along + side * (k - 1.5) * spread
        base = palm + side * offset
        parts.append(_capsule(base, base + direction * length, thick))
    parts.append(_capsule(palm + side * thick * 3.2 + along * thick, palm + side * thick * 5.4 - along * size * 0.28, thick * 1.1))
    wrist = palm + along * size * 1.6
    palm_shape = np.array(
        [palm + side * thick * 3.5, palm - side * thick * 3.5, wrist - side * thick * 2.8, wrist + side * thick * 2.8]
    )
    shade = look.light.ambient + 0.75 * look.light.key
    shadow = Region(picture, [*parts, palm_shape], size * 0.035)
    if not shadow.empty:
        shadow.darken(0.75)
    for shape in (smooth_polygon(palm_shape, 6), *parts):
        rim = Region(picture, [shape], 0.5)
        if rim.empty:
            continue
        rim.paint(skin * 0.62 * shade)
        core = Region(picture, [shape.mean(0) + (shape - shape.mean(0)) * 0.93], thick * 0.22)
        if not core.empty:
            core.paint(np.clip(skin * shade, 0, 255))


def _mask(picture: Picture, points: Array, size: float, look: Appearance, rng: Generator) -> None:
    colour = np.array([(225, 205, 170), (236, 236, 236), (40, 40, 40), (190, 160, 215)])[rng.integers(4)] * 0.96
    drop = (points[8] - points[27]) * 0.04
    jaw = points[2:15] + drop
    top = np.array([points[1] * 0.4 + points[2] * 0.6, points[28] * 0.85 + points[29] * 0.15, points[15] * 0.4 + points[14] * 0.6])
    shape = np.concatenate([jaw, top[2:], (points[[46, 28, 41]] + points[[14, 28, 2]]) / 2 + drop, top[:1]])
    for ear, near in ((0, 2), (16, 14)):
        for lift in (0, 2):
            end = points[near] + (points[4 if near == 2 else 12] - points[near]) * 0.5 * lift
            cv2.line(picture, points[ear].astype(int).tolist(), end.astype(int).tolist(), (colour * 0.9).tolist(), 2, cv2.LINE_AA)
    region = Region(picture, [shape], 0.5)
    if region.empty:
        return
    height, width = region.mask.shape[:2]
    folds = 1 + 0.06 * np.sign(np.sin(np.linspace(0, rng.uniform(18, 26), height, dtype=np.float32)))[:, None, None]
    cloth = colour.astype(np.float32) * folds + noise.piece(rng, "mottle", height, width)[..., None] * 3
    region.paint(np.clip(cloth * region.round_light(look.light, 0.75), 0, 255))
    crease = points[[2, 4, 33, 12, 14]] * 0.6 + points[[3, 5, 57, 11, 13]] * 0.4
    for offset in (-0.1, 0.1):
        path = crease[1:4] + (points[8] - points[27]) * offset
        cv2.polylines(picture, [fixed(path)], False, (colour * 0.72).tolist(), 1, cv2.LINE_AA, 4)


def _boxy(picture: Picture, points: Array, size: float, look: Appearance, rng: Generator, tall: float) -> None:
    """A phone (tall box) or a cup (short box with a rim)."""
    target = points[rng.choice([1, 3, 13, 15])] if tall > 1.5 else points[rng.choice([57, 51, 66])]
    wide = size * rng.uniform(0.32, 0.5)
    angle = rng.normal(0, 0.3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    box = np.array([(-1, -1), (-0.9, -1.04), (0.9, -1.04), (1, -1), (0.96, 1), (0.86, 1.04), (-0.86, 1.04), (-0.96, 1)])
    shape = (box * (wide / 2, wide * tall / 2)) @ turn.T + target + (0, 0.25 * wide * tall)
    colour = rng.uniform(10, 240, 3)
    region = Region(picture, [shape], 0.6)
    if region.empty:
        return
    ramp = np.linspace(1.1, 0.75, region.mask.shape[1], dtype=np.float32)[None, :, None]
    region.paint(np.clip(colour.astype(np.float32) * ramp, 0, 255) * np.ones((region.mask.shape[0], 1, 1), np.float32))
    inner = shape.mean(0) + (shape - shape.mean(0)) * (0.82, 0.86)
    panel = Region(picture, [inner], 0.6)
    if not panel.empty:
        panel.paint(colour * rng.uniform(0.3, 1.2) if tall > 1.5 else colour * 0.92, 0.9)


def _strands(picture: Picture, points: Array, size: float, look: Appearance, rng: Generator) -> None:
    colour = look.hair if look.hair_style != "bald" else rng.uniform(15, 90, 3)
    root = points[27] + (points[27] - points[8]) * rng.uniform(0.55, 0.8) + rng.normal(0, 0.2 * size, 2)
    end = points[rng.choice([2, 4, 12, 14])] + rng.normal(0, 0.1 * size, 2)
    for _ in range(int(rng.integers(5, 26))):
        middle = (root + end) / 2 + rng.normal(0, 0.16 * size, 2)
        t = np.linspace(0, 1, 14)[:, None]
        start = root + rng.normal(0, 0.06 * size, 2)
        stop = end + rng.normal(0, 0.12 * size, 2)
        path = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * stop
        tone = (colour * rng.uniform(0.6, 1.25)).tolist()
        cv2.polylines(picture, [fixed(path)], False, tone, int(rng.integers(1, 4)), cv2.LINE_AA, 4)


def _microphone(picture: Picture, points: Array, size: float, look: Appearance, rng: Generator) -> None:
    target = points[[8, 57]].mean(0) + rng.normal(0, 0.1 * size, 2)
    angle = rng.uniform(0.3, np.pi - 0.3)
    along = np.array([np.cos(angle), np.sin(angle)])
    tone = rng.uniform(20, 120)
    handle = Region(picture, [_capsule(target + along * size * 1.3, target, size * 0.07)], 0.5)
    if not handle.empty:
        handle.paint(np.full(3, tone * 0.5))
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    head = Region(picture, [target + np.stack([np.cos(turn), np.sin(turn)], -1) * size * 0.15], 0.5)
    if not head.empty:
        mesh = noise.piece(rng, "grain", *head.mask.shape[:2])[..., None] * 14
        head.paint(np.clip((tone + mesh) * head.round_light(look.light), 0, 255) * np.ones(3, np.float32))


def draw(picture: Picture, points: Array, look: Appearance, rng: Generator, hard: bool) -> str:
    """Perhaps put something in front of the face with landmarks `points` (68, 2); its kind, "" for none."""
    if rng.random() > (0.55 if hard else 0.22):
        return ""
    kind = str(rng.choice(KINDS, p=[0.3, 0.16, 0.12, 0.1, 0.2, 0.12]))
    size = float(np.linalg.norm(points[8] - points[27]))
    if kind == "hand":
        _hand(picture, points, size, look, rng)
    elif kind == "mask":
        _mask(picture, points, size, look, rng)
    elif kind in ("phone", "cup"):
        _boxy(picture, points, size, look, rng, 2.0 if kind == "phone" else 1.1)
    elif kind == "strands":
        _strands(picture, points, size, look, rng)
    else:
        _microphone(picture, points, size, look, rng)
    return kind
