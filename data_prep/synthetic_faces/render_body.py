"""Everything of the person that is not the head's surface: skull and hair behind, neck, shoulders, ears, glasses."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from data_prep.synthetic_faces import noise, render_hair
from data_prep.synthetic_faces.appearance import Appearance
from data_prep.synthetic_faces.canvas import Picture, Region, fixed, hull, smooth_polygon
from data_prep.synthetic_faces.landmarks import Features
from data_prep.synthetic_faces.model import Array
from data_prep.synthetic_faces.pose import PIVOT, Pose
from data_prep.synthetic_faces.surface import Surface

_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)


def _body_pose(pose: Pose) -> Pose:
    """Neck and shoulders follow the head's turn only in part."""
    return Pose(0.35 * pose.yaw, 0.2 * pose.pitch, 0.3 * pose.roll, pose.scale, pose.shift, pose.perspective)


def _hairy(picture: Picture, polygon: Array, look: Appearance, rng: Generator, shade: float, soft: float) -> None:
    """A lit polygon of hair."""
    region = Region(picture, [polygon], soft)
    if region.empty:
        return
    height, width = region.mask.shape[:2]
    strands = noise.piece(rng, "strands", height, width)[..., None]
    colour = look.hair.astype(np.float32) * (1 + 0.22 * strands) + 3 * strands
    region.paint(np.clip(colour * region.round_light(look.light) * shade, 0, 255))


def _ruffled(polygon: Array, rng: Generator, amount: float) -> Array:
    """The polygon with a wavy edge."""
    centre = polygon.mean(0)
    dense = smooth_polygon(polygon, 3)
    factor = 1 + amount * np.convolve(np.resize(rng.normal(0, 1, len(dense)), len(dense) + 2), np.ones(3) / 3, "valid")
    return np.asarray(centre + (dense - centre) * factor[:, None])


def behind(picture: Picture, pose: Pose, look: Appearance, rng: Generator) -> None:
    """Back of the head, and hair that hangs or stands behind it."""
    if look.hair_style.startswith("long"):
        _hairy(picture, hull(pose.project(render_hair.curtain(look))[:, :2]), look, rng, 0.72, 0.8)
    if look.hair_style == "bun":
        _hairy(picture, hull(pose.project(render_hair.bun(look))[:, :2]), look, rng, 0.9, 0.8)
    back = hull(pose.project(render_hair.skull(look))[:, :2])
    if look.hair_style == "bald":
        region = Region(picture, [back])
        if not region.empty:
            region.paint(look.skin.astype(np.float32) * region.round_light(look.light) * 0.92)
        return
    ruffle = 0.045 if look.hair_style == "afro" else 0.008
    _hairy(picture, _ruffled(back, rng, ruffle), look, rng, 0.9, 0.8)


def neck(picture: Picture, pose: Pose, look: Appearance, rng: Generator) -> None:
    """Neck, shoulders and the shadow of the head on them."""
    body = _body_pose(pose)
    ring = np.stack([np.cos(_TURN), np.zeros(24), np.sin(_TURN)], -1)
    top = pose.project(ring * 0.60 + (0, 0.75, -0.85))[:, :2]
    bottom = body.project(ring * 0.66 + (0, 2.75, -0.95))[:, :2]
    region = Region(picture, [hull(np.concatenate([top, bottom]))], 0.6)
    if not region.empty:
        region.paint(look.skin.astype(np.float32) * region.round_light(look.light) * 0.80 * look.light.tint)
    shoulders = np.array(
        [(-0.62, 2.45), (-1.2, 2.62), (-2.0, 2.85), (-2.5, 3.6), (-2.7, 6), (2.7, 6), (2.5, 3.6), (2.0, 2.85), (1.2, 2.62), (0.62, 2.45), (0.3, 2.8), (0, 2.95), (-0.3, 2.8)]
    )
    placed = body.project(np.concatenate([shoulders, np.full((len(shoulders), 1), -0.9)], 1))[:, :2]
    region = Region(picture, [placed], 0.6)
    if not region.empty:
        cloth = noise.piece(rng, "mottle", *region.mask.shape[:2])[..., None] * 6
        region.paint(np.clip((look.shirt.astype(np.float32) + cloth) * region.round_light(look.light, 0.6), 0, 255))
    jaw = pose.project(np.array([(-0.95, 0.5, -0.6), (0.95, 0.5, -0.6), (0.6, 1.75, -0.3), (-0.6, 1.75, -0.3)]))[:, :2]
    shadow = Region(picture, [hull(jaw) + (0, 0.32 * pose.scale)], 0.16 * pose.scale)
    if not shadow.empty:
        shadow.darken(0.62)


def _ear(surface: Surface, sign: int) -> tuple[Array, Array]:
    """Outer and inner outline (n, 3) of an ear."""
    edge = surface.edge(np.array(surface.jaw_rows[0]))
    lobe = np.array([(-0.02, 0.0), (0.10, -0.20), (0.24, -0.24), (0.32, -0.10), (0.27, 0.14), (0.14, 0.36), (0.03, 0.40), (-0.02, 0.25)])
    outline = smooth_polygon(lobe, 5)

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
        region = Region(picture, [outer])
        if region.empty:
            continue
        toward = float(np.clip(sign * look.light.direction[0] * 0.4 + 0.75, 0.35, 1))
        shade = look.light.ambient + look.light.key * toward
        region.paint(look.skin * np.array([0.82, 0.84, 0.94]) * shade)
        hollow = Region(picture, [inner], 1.2)
        if not hollow.empty:
            hollow.darken(0.72)


def locks(picture: Picture, pose: Pose, look: Appearance, rng: Generator) -> None:
    """Long hair beside the face; it hides part of the jaw's edge."""
    if look.hair_style.startswith("long"):
        for polygon in render_hair.locks(look, pose):
            _hairy(picture, smooth_polygon(polygon, 6), look, rng, 0.95, 0.8)


def glasses(picture: Picture, surface: Surface, features: Features, pose: Pose, look: Appearance, rng: Generator) -> None:
    """Clear or dark glasses on the nose."""
    if look.glasses == "none":
        return
    power = float(rng.uniform(2, 4))
    wide, tall = rng.uniform(0.33, 0.40), rng.uniform(0.22, 0.32)
    depth = float(surface.lift(np.array([[0.0, 0.05]]))[0, 2]) + 0.16
    frame = rng.uniform(5, 70, 3) if rng.random() < 0.8 else rng.uniform(80, 200, 3)
    super_x = np.sign(np.cos(_TURN)) * np.abs(np.cos(_TURN)) ** (2 / power)
    super_y = np.sign(np.sin(_TURN)) * np.abs(np.sin(_TURN)) ** (2 / power)
    width = max(1, round(pose.scale * rng.uniform(0.025, 0.06)))
    lines = []
    for sign in (-1, 1):
        x = sign * features.eye_x + super_x * wide
        lens = np.stack([x, 0.05 + super_y * tall, depth - 0.16 * np.abs(x) ** 1.5], -1)
        outline = pose.project(lens)[:, :2]
        lines.append(np.concatenate([outline, outline[:1]]))
        region = Region(picture, [outline])
        if not region.empty and look.glasses == "sun":
            height, w = region.mask.shape[:2]
            fade = np.linspace(0.75, 1.35, height, dtype=np.float32)[:, None, None] * np.ones((1, w, 1), np.float32)
            region.paint(rng.uniform(8, 45, 3).astype(np.float32) * fade, rng.uniform(0.86, 0.98))
            glare = outline.mean(0) + (outline - outline.mean(0)) * (0.35, 0.22) + (-0.08 * pose.scale, -0.08 * pose.scale)
            Region(picture, [glare], 2).paint(np.array([210.0, 205, 200]), 0.25)
        elif not region.empty:
            region.paint(np.array([235.0, 235, 230]), rng.uniform(0.02, 0.12))
        hinge = np.array([(sign * (features.eye_x + wide), -0.02, depth - 0.16), (sign * 1.10, -0.04, -1.0)])
        if (pose.matrix @ np.array([sign, 0, 0]))[2] > -0.12:
            lines.append(pose.project(hinge)[:, :2])
    bridge = np.array([(-0.5, 0.02, 0), (0, -0.04, 0.03), (0.5, 0.02, 0)]) * (features.eye_x * 2 - 2 * wide + 0.02, 1, 1)
    lines.append(pose.project(bridge + (0, 0, depth))[:, :2])
    for line in lines:
        cv2.polylines(picture, [fixed(line)], False, (frame * 0.9).tolist(), width, cv2.LINE_AA, 4)


def pivot_shift(pose: Pose) -> Array:
    """Image place of the point the head turns about."""
    return np.asarray(pose.project(PIVOT)[:2])
