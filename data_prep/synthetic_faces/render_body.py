"""Everything of the person that is not the head's surface: skull and hair behind, neck, shoulders, ears, glasses."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from data_prep.synthetic_faces import render_hair
from data_prep.synthetic_faces.appearance import Appearance
from data_prep.synthetic_faces.canvas import Picture, Region, hull, smooth_polygon
from data_prep.synthetic_faces.landmarks import Features
from data_prep.synthetic_faces.model import Array
from data_prep.synthetic_faces.pose import Pose
from data_prep.synthetic_faces.surface import Surface

_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_RING = np.stack([np.cos(_TURN), np.zeros(24), np.sin(_TURN)], -1)
# Right half of collar and shoulder, x and y in the head's frame; the body goes on to the bottom of the picture.
_SHOULDER = np.array([(0.0, 2.72), (0.34, 2.52), (0.72, 2.12), (1.05, 2.30), (1.6, 2.46), (2.15, 2.75), (2.5, 3.5)])
_EAR = np.array(  # towards the back of the head and down, from the ear's root
    [(-0.02, 0.0), (0.10, -0.2), (0.24, -0.24), (0.32, -0.1), (0.27, 0.14), (0.14, 0.36), (0.03, 0.4), (-0.02, 0.25)]
)


def _body_pose(pose: Pose) -> Pose:
    """Neck and shoulders follow the head's turn only in part."""
    return Pose(0.35 * pose.yaw, 0.2 * pose.pitch, 0.3 * pose.roll, pose.scale, pose.shift, pose.perspective)


def _hairy(picture: Picture, polygon: Array, look: Appearance, rng: Generator, shade: float) -> None:
    """A lit polygon of hair."""
    region = Region(picture, [polygon], 0.8)
    region.paint(look.hair * shade, region.grain(rng, "strands", 0.24) * region.round_light(look.light))


def _ruffled(polygon: Array, rng: Generator, amount: float) -> Array:
    """The polygon with a wavy edge."""
    centre = polygon.mean(0)
    dense = smooth_polygon(polygon, 3)
    waves = np.convolve(np.resize(rng.normal(0, 1, len(dense)), len(dense) + 2), np.ones(3) / 3, "valid")
    return np.asarray(centre + (dense - centre) * (1 + amount * waves)[:, None])


def behind(picture: Picture, pose: Pose, look: Appearance, rng: Generator) -> None:
    """Back of the head, and hair that hangs or stands behind it."""
    if look.hair_style.startswith("long"):
        _hairy(picture, hull(pose.project(render_hair.curtain(look))[:, :2]), look, rng, 0.72)
    if look.hair_style == "bun":
        _hairy(picture, hull(pose.project(render_hair.bun(look))[:, :2]), look, rng, 0.9)
    back = hull(pose.project(render_hair.skull(look))[:, :2])
    if look.hair_style == "bald":
        region = Region(picture, [back], 0.6)
        region.paint(look.skin * 0.92, region.round_light(look.light))
    else:
        _hairy(picture, _ruffled(back, rng, 0.045 if look.hair_style == "afro" else 0.008), look, rng, 0.9)


def neck(picture: Picture, pose: Pose, look: Appearance, rng: Generator) -> None:
    """Neck, shoulders and the shadow of the head on them."""
    body = _body_pose(pose)
    top = pose.project(_RING * (0.70, 1, 0.60) + (0, 0.75, -0.85))[:, :2]
    bottom = body.project(_RING * (0.92, 1, 0.60) + (0, 2.75, -0.95))[:, :2]
    skin = Region(picture, [hull(np.concatenate([top, bottom]))], 0.6)
    skin.paint(look.skin * 0.82 * look.light.tint, skin.round_light(look.light))
    jaw = pose.project(np.array([(-0.95, 0.5, -0.6), (0.95, 0.5, -0.6), (0.6, 1.75, -0.3), (-0.6, 1.75, -0.3)]))[:, :2]
    Region(picture, [hull(jaw) + (0, 0.32 * pose.scale)], 0.16 * pose.scale).darken(0.6)
    half = np.concatenate([_SHOULDER, [(2.8, 8.0)]])
    both = np.concatenate([half, (half * (-1, 1))[:0:-1]])
    placed = body.project(np.concatenate([both, np.full((len(both), 1), -0.8)], 1))[:, :2]
    cloth = Region(picture, [placed], 0.6)
    cloth.paint(look.shirt, cloth.grain(rng, "mottle", 0.06) * cloth.round_light(look.light, 0.6))


def _ear(surface: Surface, sign: int) -> tuple[Array, Array]:
    """Outer and inner outline (n, 3) of an ear."""
    edge = surface.edge(np.array(surface.jaw_rows[0]))
    outline = smooth_polygon(_EAR, 5)

    def place(flat: Array) -> Array:
        back, down = flat[:, 0], flat[:, 1]
        points = np.stack([edge[0] - 0.01 + 0.45 * back, edge[1] + 0.12 + down, edge[2] + 0.06 - 0.75 * back], -1)
        return np.asarray(points * (sign, 1, 1))

    middle = outline.mean(0)
    return place(outline), place(middle + (outline - middle) * 0.58)


def ears(picture: Picture, surface: Surface, pose: Pose, look: Appearance, in_front: bool) -> None:
    """The ears that lie behind (or in front of) the head's surface as seen from the camera."""
    if look.hair_style.startswith("long") or look.hair_style == "afro":
        return
    for sign in (-1, 1):
        faces_camera = (pose.matrix @ np.array([0.85 * sign, 0, 0.5]))[2] > 0.62
        if faces_camera != in_front:
            continue
        outer, inner = (pose.project(part)[:, :2] for part in _ear(surface, sign))
        toward = float(np.clip(sign * look.light.direction[0] * 0.4 + 0.75, 0.35, 1))
        shade = look.light.ambient + look.light.key * toward
        Region(picture, [outer], 0.4).paint(look.skin * np.array([0.82, 0.84, 0.94]) * shade)
        Region(picture, [inner], 1.2).darken(0.72)


def locks(picture: Picture, pose: Pose, look: Appearance, rng: Generator) -> None:
    """Long hair beside the face; it hides part of the jaw's edge."""
    if look.hair_style.startswith("long"):
        for polygon in render_hair.locks(look, pose):
            _hairy(picture, smooth_polygon(polygon, 6), look, rng, 0.95)


def _dark_lens(picture: Picture, lens: Array, pose: Pose, colour: Array) -> None:
    """A lens that hides the eye but for a trace, darker above, with a glare."""
    region = Region(picture, [lens], 0.4)
    fade = np.linspace(0.75, 1.35, region.mask.shape[0], dtype=np.float32)[:, None]
    region.paint(colour, fade, 0.95)
    middle = lens.mean(0)
    glare = middle + (lens - middle) * (0.35, 0.22) - 0.08 * pose.scale
    Region(picture, [glare], 2).paint(np.array([210.0, 205, 200]), strength=0.25)


def glasses(
    picture: Picture, surface: Surface, features: Features, pose: Pose, look: Appearance, rng: Generator
) -> None:
    """Clear or dark glasses on the nose."""
    if look.glasses == "none":
        return
    power, wide, tall = rng.uniform(2, 4), rng.uniform(0.33, 0.40), rng.uniform(0.22, 0.32)
    front = float(surface.lift(np.array([[0.0, 0.05]]))[0, 2]) + 0.16
    frame = rng.uniform(5, 70, 3) if rng.random() < 0.8 else rng.uniform(80, 200, 3)
    dark = rng.uniform(8, 45) * rng.uniform(0.8, 1.2, 3)
    rounded_x = np.sign(_RING[:, 0]) * np.abs(_RING[:, 0]) ** (2 / power)
    rounded_y = np.sign(_RING[:, 2]) * np.abs(_RING[:, 2]) ** (2 / power)
    inner = features.eye_x - wide
    bridge = np.array([(-inner, 0.02, front), (0, -0.04, front + 0.03), (inner, 0.02, front)])
    lines = [pose.project(bridge)[:, :2]]
    for sign in (-1, 1):
        x = sign * features.eye_x + rounded_x * wide
        rim = np.stack([x, 0.05 + rounded_y * tall, front - 0.16 * np.abs(x) ** 1.5], -1)
        lens = smooth_polygon(pose.project(rim)[:, :2], 3)
        lines.append(np.concatenate([lens, lens[:1]]))
        if look.glasses == "sun":
            _dark_lens(picture, lens, pose, dark)
        else:
            Region(picture, [lens]).paint(np.array([235.0, 235, 230]), strength=rng.uniform(0.02, 0.12))
        temple = np.array([(sign * (features.eye_x + wide), -0.02, front - 0.16), (sign * 1.10, -0.04, -1.0)])
        if (pose.matrix @ np.array([sign, 0, 0]))[2] > -0.12:
            lines.append(pose.project(temple)[:, :2])
    Region(picture, lines, stroke=max(1, round(pose.scale * rng.uniform(0.025, 0.06)))).paint(frame)
