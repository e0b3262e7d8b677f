"""Synthetic occlusion: what the things cover, how they are flagged, where cut-outs come from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from data_prep.occlusion import occlude, occluded_landmarks
from data_prep.occlusion.cutouts import KINDS, Cutout
from data_prep.occlusion.face_frame import face_frame
from data_prep.occlusion.library import Library, drawn_cutout, read_cutout
from data_prep.occlusion.wrapping import wrap_mask
from layers.common.errors import RarError
from layers.common.schemes import SCHEME_5, SCHEME_29, SCHEME_68, Scheme
from tests.data_prep.conftest import draw, face_shape

SIZE = 128
SHAPE = face_shape((64, 55), 36, 0.15)


class One(Library):
    """A library of one kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(0)
        self._kind = kind

    def pick(self, rng: np.random.Generator) -> Cutout:
        return drawn_cutout(self._kind, 0, int(rng.integers(6)))


def many(kind: str, shape: NDArray[np.floating] = SHAPE, count: int = 12) -> NDArray[np.float64]:
    """How often each landmark was flagged."""
    crop = draw(shape, (SIZE, SIZE))
    flags = [occlude(crop, shape, SCHEME_68, One(kind), 1.0, np.random.default_rng(seed))[1] for seed in range(count)]
    return np.mean(flags, axis=0)


def covered(rates: NDArray[np.float64], group: str) -> float:
    return float(rates[list(SCHEME_68.groups[group])].mean())


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_cutouts(kind: str) -> None:
    """They are opaque in part, of life size, and no two alike."""
    cutouts = [drawn_cutout(kind, 0, variant) for variant in range(4)]
    length = {"sunglasses": 6.8, "mask": 17.5, "phone": 15, "hand": 16.5, "cup": 10.5}[kind]
    for cutout in cutouts:
        assert cutout.bgra.dtype == np.uint8
        assert (cutout.bgra[..., 3] > 200).mean() > 0.1
        assert (cutout.bgra[..., :3].max(axis=2) <= cutout.bgra[..., 3]).all()  # premultiplied
        centimetres = np.linalg.norm(cutout.axis[1] - cutout.axis[0]) / cutout.pixels_per_cm
        assert centimetres == pytest.approx(length, rel=0.15)
    assert len({cutout.bgra.tobytes() for cutout in cutouts}) == 4
    assert (cutouts[0].skin is not None) == (kind in ("phone", "hand", "cup"))


def test_sunglasses_cover_the_eyes() -> None:
    rates = many("sunglasses")
    assert covered(rates, "eyes") > 0.95
    assert covered(rates, "mouth") == rates[list(SCHEME_68.groups["contour"])[4:13]].max() == 0


def test_masks_cover_mouth_and_chin() -> None:
    rates = many("mask")
    assert covered(rates, "mouth") == 1
    assert rates[list(SCHEME_68.groups["contour"])[5:12]].min() == 1  # the jaw and the chin
    assert covered(rates, "eyes") == covered(rates, "brows") == 0


def test_cups_are_at_the_mouth() -> None:
    rates = many("cup")
    assert covered(rates, "mouth") > 0.6
    assert covered(rates, "brows") == 0


@pytest.mark.parametrize("kind", ["hand", "phone"])
def test_hands_and_phones_hide_some_of_the_face(kind: str) -> None:
    rates = many(kind)
    assert 0.05 < rates.mean() < 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_covered_changes(kind: str) -> None:
    crop = draw(SHAPE, (SIZE, SIZE))
    before = crop.copy()
    after, flags = occlude(crop, SHAPE, SCHEME_68, One(kind), 1.0, np.random.default_rng(3))
    np.testing.assert_array_equal(crop, before)
    changed = np.abs(after.astype(int) - before).max(axis=2) > 8
    x, y = np.round(SHAPE).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < SIZE) & (y < SIZE)
    assert changed[y[inside & (flags == 1)], x[inside & (flags == 1)]].all()
    assert 0.02 < changed.mean() < 0.9


def test_flags_are_alpha_at_the_landmark() -> None:
    alpha = np.zeros((10, 10), np.uint8)
    alpha[2:6, 2:6] = 255
    shape = np.array([(3.0, 3.0), (1.6, 3.0), (1.4, 3.0), (8.0, 8.0), (-4.0, 3.0), (30.0, 3.0)])
    np.testing.assert_array_equal(occluded_landmarks(alpha, shape), [1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize("scheme", [SCHEME_29, SCHEME_5], ids=lambda scheme: scheme.name)
def test_masks_need_no_jaw_line(scheme: Scheme) -> None:
    """Schemes without a traced jaw get a typical one."""
    frame = face_frame(SHAPE, SCHEME_68)
    shape = np.tile(frame.point(0, 4), (scheme.landmarks, 1))
    for group, place in {"eyes": (0, 0), "nose": (0, 4), "mouth": (0, 6.6)}.items():
        shape[list(scheme.groups[group])] = frame.point(*place)
    for eye, side in zip(scheme.pupils, (-1, 1), strict=True):
        shape[list(eye)] = frame.point(side * 3.15, 0)
    rng = np.random.default_rng(0)
    layer = wrap_mask(drawn_cutout("mask", 0, 0), face_frame(shape, scheme), shape, scheme, SIZE, rng)
    mouth, eyes = frame.point(0, 6.6).astype(int), frame.point(3.15, 0).astype(int)
    assert layer[mouth[1], mouth[0], 3] == 255
    assert layer[eyes[1], eyes[0], 3] == 0


def test_profile_and_tiny_faces_do_not_trip() -> None:
    rng = np.random.default_rng(0)
    profile = SHAPE.copy()
    profile[:, 0] = 64 + 0.15 * (profile[:, 0] - 64)
    for shape in (profile, 0.02 * SHAPE, SHAPE + 300):
        for kind in KINDS:
            crop, flags = occlude(draw(SHAPE, (SIZE, SIZE)), shape, SCHEME_68, One(kind), 2.0, rng)
            assert crop.shape == (SIZE, SIZE, 3)
            assert flags.shape == (68,)


def write_png(path: Path, opaque: bool = True) -> None:
    image = np.zeros((60, 90, 4), np.uint8)
    if opaque:
        image[10:50, 5:85] = (255, 0, 255, 255)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def test_own_pictures(tmp_path: Path) -> None:
    """<kind>*.png and <kind>/*.png are found, cut to their alpha and used about half the time."""
    write_png(tmp_path / "Mask_01.png")
    write_png(tmp_path / "cup" / "mine.png")
    write_png(tmp_path / "unknown.png")
    library = Library(0, tmp_path)
    rng = np.random.default_rng(0)
    picked = [library.pick(rng) for _ in range(60)]
    own = [cutout for cutout in picked if cutout.bgra.shape == (40, 80, 4)]
    assert {cutout.kind for cutout in own} == {"mask", "cup"}
    assert 0.04 < len(own) / len(picked) < 0.3
    np.testing.assert_array_equal(own[0].bgra[20, 40], (255, 0, 255, 255))


def test_a_bad_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RarError, match="no folder of occluders"):
        Library(0, tmp_path / "nowhere")
    with pytest.raises(RarError, match="holds no <kind>"):
        Library(0, tmp_path)
    write_png(tmp_path / "cup.png", opaque=False)
    with pytest.raises(RarError, match=r"cup\.png: hardly anything"):
        Library(0, tmp_path)
    cv2.imwrite(str(tmp_path / "cup.png"), np.zeros((9, 9, 3), np.uint8))
    read_cutout.cache_clear()
    with pytest.raises(RarError, match=r"cup\.png: not an 8-bit RGBA"):
        Library(0, tmp_path)
