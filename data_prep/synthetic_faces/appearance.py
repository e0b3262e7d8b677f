"""Colours, hair and light of one face. Colours are BGR, 0..255, as OpenCV writes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from data_prep.synthetic_faces.model import Array

SKINS = np.array(
    [(205, 219, 250), (172, 196, 236), (140, 172, 222), (104, 142, 200), (70, 104, 158), (48, 72, 116), (38, 54, 86)]
)
HAIRS = np.array(
    [(24, 22, 24), (28, 36, 52), (38, 58, 88), (60, 96, 140), (110, 160, 205), (34, 62, 130), (150, 150, 152)]
)
IRISES = np.array([(30, 48, 84), (24, 34, 56), (130, 100, 60), (96, 118, 72), (120, 120, 108), (60, 90, 110)])
HAIR_STYLES = ("bald", "buzz", "short", "parted", "fringe", "long", "long_fringe", "afro", "bun")


@dataclass(frozen=True)
class Light:
    """A far lamp: direction towards it in the camera's frame (unit), strengths, and the lamp's tint (BGR factors)."""

    direction: Array
    key: float
    ambient: float
    specular: float
    tint: Array


@dataclass(frozen=True)
class Appearance:
    """How the person looks. `hairline` is the height of the hairline above the eyes in units of the head's frame."""

    skin: Array
    hair: Array
    brow: Array
    lips: Array
    iris: Array
    hair_style: str
    hairline: float
    hair_volume: float
    parting: float
    beard: float
    moustache: float
    gaze: tuple[float, float]
    makeup: float
    wrinkles: float
    glasses: str
    shirt: Array
    light: Light


def _near(rng: Generator, palette: Array, spread: float) -> Array:
    """A colour between two neighbours of the palette, slightly off."""
    place = rng.uniform(0, len(palette) - 1)
    low = int(place)
    colour = palette[low] + (palette[min(low + 1, len(palette) - 1)] - palette[low]) * (place - low)
    return np.asarray(np.clip(colour + rng.normal(0, spread, 3), 8, 252))


def muted(rng: Generator, darkest: float = 15, lightest: float = 240, chroma: float = 0.16) -> Array:
    """A random colour as of cloth, wood or walls: any lightness, little of pure red, green or blue."""
    grey = rng.uniform(darkest, lightest)
    hue = rng.normal(0, chroma, 3)
    return np.asarray(np.clip(grey * (1 + hue - hue.mean()), 0, 255))


def _light(rng: Generator, hard: bool) -> Light:
    azimuth = np.radians(np.clip(rng.normal(0, 45 if hard else 32), -85, 85))
    elevation = np.radians(np.clip(rng.normal(28, 22), -25, 75))
    direction = np.array([np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    ambient = float(rng.uniform(0.28, 0.55) if hard else rng.uniform(0.38, 0.62))
    warm = rng.normal(0, 0.05)
    return Light(
        direction=direction,
        key=float(rng.uniform(0.98, 1.12) - ambient),
        ambient=ambient,
        specular=float(rng.uniform(0.03, 0.22)),
        tint=np.array([1 - warm, 1.0, 1 + warm]),
    )


def sample(rng: Generator, hard: bool) -> Appearance:
    """A random look; `hard` adds stronger light and more glasses and beards."""
    skin = _near(rng, SKINS, 3)
    hair = _near(rng, HAIRS, 6) if skin.mean() > 110 or rng.random() < 0.15 else HAIRS[0] + rng.uniform(0, 14)
    style = str(rng.choice(HAIR_STYLES, p=[0.09, 0.1, 0.19, 0.15, 0.11, 0.15, 0.08, 0.06, 0.07]))
    feminine = style in ("long", "long_fringe", "bun")
    makeup = float(rng.uniform(0.2, 1)) if feminine and rng.random() < 0.6 else 0.0
    lips = skin * np.array([0.66, 0.62, 0.86]) + np.array([10, 4, 14])
    lips += makeup * rng.uniform(0.2, 0.9) * (np.array([60, 30, 185]) - lips)
    bearded = not feminine and rng.random() < 0.38
    return Appearance(
        skin=skin,
        hair=np.asarray(hair, float),
        brow=np.clip(hair * 0.72 + skin * 0.06, 8, 200) if hair.mean() < 150 else hair * 0.62,
        lips=np.clip(lips, 10, 245),
        iris=IRISES[rng.integers(len(IRISES))] + rng.normal(0, 8, 3),
        hair_style=style,
        hairline=float(rng.uniform(0.78, 1.12)),
        hair_volume=float(rng.uniform(0.08, 0.22)),
        parting=float(rng.choice([-1, 1]) * rng.uniform(0.2, 0.6)),
        beard=float(rng.uniform(0.2, 1.0)) if bearded else 0.0,
        moustache=float(rng.uniform(0.3, 1.0)) if bearded or (not feminine and rng.random() < 0.08) else 0.0,
        gaze=(float(np.clip(rng.normal(0, 0.3), -0.8, 0.8)), float(np.clip(rng.normal(0, 0.2), -0.5, 0.5))),
        makeup=makeup,
        wrinkles=float(rng.uniform(0, 1)),
        glasses=str(rng.choice(["none", "clear", "sun"], p=[0.72, 0.16, 0.12] if hard else [0.83, 0.13, 0.04])),
        shirt=muted(rng, chroma=0.2),
        light=_light(rng, hard),
    )
