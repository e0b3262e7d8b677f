"""The head without its surroundings: texture, hair and beard, lit and warped into the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from data_prep.synthetic_faces import noise, render_hair, render_mesh, render_texture
from data_prep.synthetic_faces.appearance import Appearance
from data_prep.synthetic_faces.canvas import Map, Picture
from data_prep.synthetic_faces.landmarks import Features
from data_prep.synthetic_faces.pose import Pose
from data_prep.synthetic_faces.surface import Surface


def _blend(planes: Picture, other: Picture, alpha: Map) -> None:
    """Put `other` over `planes` (3, h, w) where alpha (h, w) is 1."""
    planes += alpha * (other - planes)


def draw(picture: Picture, surface: Surface, features: Features, pose: Pose, look: Appearance, rng: Generator) -> None:
    """Draw the head's surface into the picture (3, h, w) in place."""
    grid = surface.grid()
    texture = render_texture.paint(surface, grid, features, look, rng)
    inside = render_hair.inside_hair(grid, look)
    beard = render_hair.beard_cover(grid, features, look)
    lifted = render_hair.lift(grid, inside, look)
    diffuse, shine = render_mesh.lighting(render_mesh.normals(pose.camera(lifted)), look.light)

    place, coverage = render_mesh.rasterise(pose.project(lifted), (picture.shape[2], picture.shape[1]))
    left, top, width, height = cv2.boundingRect(coverage)
    rows, columns = slice(max(0, top - 1), top + height + 1), slice(max(0, left - 1), left + width + 1)
    place, coverage = np.ascontiguousarray(place[rows, columns]), coverage[rows, columns]

    planes = np.stack(cv2.split(render_mesh.look_up(texture, place))).astype(np.float32)
    maps = np.stack([diffuse, shine, inside, beard], -1).astype(np.float32)
    light, gloss, hair_depth, beard_here = cv2.split(render_mesh.look_up(maps, place))
    strands = render_mesh.look_up(noise.piece(rng, "strands", render_texture.HEIGHT, render_texture.WIDTH), place)
    hair = look.hair.astype(np.float32)[:, None, None] * (1 + np.float32(0.22) * strands)
    if look.beard > 0 or look.moustache > 0:
        _blend(planes, np.float32(0.85) * hair, np.clip(beard_here * (0.8 + 0.35 * strands), 0, 0.94))
    soft, dense = (0.12, 0.75) if look.hair_style == "buzz" else (0.06, 1.0)
    hairy = np.clip((hair_depth + 0.045 * strands) / soft, 0, 1) * dense
    _blend(planes, hair, hairy)
    planes *= look.light.tint.astype(np.float32)[:, None, None] * light
    planes += gloss * (1 - 0.6 * hairy) * 255
    np.clip(planes, 0, 255, out=planes)
    _blend(picture[:, rows, columns], planes, render_mesh.soft_edge(coverage))
