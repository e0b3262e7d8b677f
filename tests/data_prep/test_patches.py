"""Patches: they hold all that a crop can reach, and crops drawn from them are those that preparation draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from data_prep import prepare_300w
from data_prep.augmentation import Augmentation, Pose, draw_pose
from data_prep.check import check
from data_prep.crops import crop_transform, shrinkage
from data_prep.manifest import read_manifest
from data_prep.occlusion.library import find_own
from data_prep.patches import DETAIL, OCCLUDERS, PatchSet, cut_patch, largest_side, open_set
from data_prep.records import FaceRecord
from data_prep.rendering import CropSettings, View, copy_rng, render_face
from data_prep.w300 import scan
from layers.common.datum import decode
from layers.common.errors import RarError
from layers.common.prepared import CROPS, PATCHES, PreparedSet, kind_of
from layers.common.schemes import SCHEME_68
from tests.data_prep.conftest import draw, face_shape

SMALL = ("--crop-size", "40", "--centres", "3", "--workers", "0", "--sets", "train,helen")


def run(raw: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(prepare_300w.main, ["--raw", str(raw), "--out", str(out), *SMALL, *options])


@pytest.fixture
def live(raw: Path, tmp_path: Path) -> Path:
    """Prepared data whose train/ holds patches."""
    result = run(raw, tmp_path / "data", "--augment", "live")
    assert result.exception is None, result.exception
    return tmp_path / "data"


def settings(size: int, rotation: float = 30.0) -> CropSettings:
    return CropSettings(size, 1.4, Augmentation(rotation=rotation, occluded=0), seed=3)


def extremes(amounts: Augmentation) -> list[Pose]:
    """The poses that reach farthest: turned most, the face smallest, shifted most, either way."""
    signs = (-1, 1)
    return [
        Pose(a * amounts.rotation, float(np.exp(-amounts.scale)), (x * amounts.shift, y * amounts.shift), mirrored)
        for a in signs for x in signs for y in signs for mirrored in (False, True)
    ]  # fmt: skip


@pytest.mark.parametrize("centre", [(180.0, 170.0), (40.0, 60.0), (330.0, 320.0)], ids=["middle", "corner", "other"])
@pytest.mark.parametrize("rotation", [0.0, 30.0, 90.0])
def test_a_patch_holds_all_that_a_crop_can_reach(centre: tuple[float, float], rotation: float) -> None:
    """In px of the photograph, so that nothing else can differ: at the border of the photograph too."""
    shape = face_shape(centre, 30)
    image = draw(shape, (360, 350), seed=5)
    box = np.concatenate([shape.min(axis=0), shape.max(axis=0)])
    wanted = settings(96, rotation)
    assert shrinkage(crop_transform(box, 1.4, 96)) < DETAIL
    patch, place = cut_patch(image, box, wanted)
    assert patch.size < image.size
    record = FaceRecord("face", Path("face"), "", shape, box)
    for pose in extremes(wanted.augmentation):
        view = View(record, 360, pose, wanted, SCHEME_68)
        whole, _ = view.draw(image, np.eye(2, 3), np.random.default_rng(0))
        ours, _ = view.draw(patch, place, np.random.default_rng(0))
        assert np.abs(whole.astype(int) - ours).max() <= 1, pose


def test_a_patch_is_no_finer_than_crops_need_it() -> None:
    shape = face_shape((600.0, 560.0), 250)
    image = draw(shape, (1200, 1100))
    box = np.concatenate([shape.min(axis=0), shape.max(axis=0)])
    wanted = settings(64)
    patch, place = cut_patch(image, box, wanted)
    plain = shrinkage(crop_transform(box, 1.4, 64))
    assert plain > 5
    np.testing.assert_allclose(place[[0, 1], [0, 1]], plain / DETAIL, rtol=0.01)
    assert max(patch.shape) <= largest_side(wanted)


def jpeg_of(row: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(decode(row).data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def test_crops_are_those_of_preparation(raw: Path, live: Path) -> None:
    """Copy by copy, occluders included; but for the JPEG files, and the resolution of the patch."""
    with PatchSet(live / "train") as patches:
        wanted = replace(patches.settings, augmentation=replace(patches.settings.augmentation, copies=7))
        records = {r.name: r for part in scan(raw, ["train"], "detector") for r in part.records}
        for number in range(len(patches)):
            name = str(patches.name[number])
            fixed = render_face(records[name], np.arange(7), wanted, SCHEME_68)
            for row in fixed:
                rng = copy_rng(wanted.seed, name, row.copy)
                pose = draw_pose(wanted.augmentation, row.copy, rng)
                crop, shape, occluded = patches.draw(number, pose, rng)
                np.testing.assert_allclose(shape, row.shape, atol=1e-4)
                np.testing.assert_array_equal(occluded, row.occluded)
                assert np.abs(jpeg_of(row.datum).astype(float) - crop).mean() < 4


def test_the_numbers_are_those_of_the_plain_crops(raw: Path, live: Path, tmp_path: Path) -> None:
    assert run(raw, tmp_path / "fixed", "--copies", "1").exception is None
    assert (kind_of(live / "train"), kind_of(live / "helen")) == (PATCHES, CROPS)
    with open_set(live / "train") as patches, open_set(tmp_path / "fixed" / "train") as crops:
        order = np.argsort(crops.name)
        for field in ("shape", "image_shape", "box", "crop_to_image", "occluded", "normaliser", "mirrored", "copy"):
            np.testing.assert_array_equal(getattr(patches, field), getattr(crops, field)[order])
        for row in range(len(patches)):
            assert np.abs(patches.image(row).astype(float) - crops.image(int(order[row]))).mean() < 4
    with h5py.File(live / "shape_pool.h5") as ours, h5py.File(tmp_path / "fixed" / "shape_pool.h5") as theirs:
        np.testing.assert_array_equal(ours["centres"], theirs["centres"])
        np.testing.assert_array_equal(ours["mean_shape"], theirs["mean_shape"])


def test_the_set_and_the_manifest_say_what_it_is(live: Path) -> None:
    assert list(check(live)) == []
    train = read_manifest(live)["sets"]["train"]
    assert (train["rows"], train["faces"]) == (7, 7)
    assert (train["settings"]["augment"], train["settings"]["detail"]) == ("live", DETAIL)
    amounts = {name: train["settings"]["augmentation"][name] for name in ("rotation", "scale", "shift", "occluded")}
    with PatchSet(live / "train") as patches:
        assert {name: getattr(patches.settings.augmentation, name) for name in amounts} == amounts
        assert (patches.settings.margin, patches.settings.size, patches.settings.seed) == (1.4, 40, 0)


def test_either_kind_is_refused_where_the_other_is_wanted(live: Path) -> None:
    with pytest.raises(RarError, match="train holds patches, not crops: crops are drawn from them in training"):
        PreparedSet(live / "train")
    with pytest.raises(RarError, match="helen holds crops, not patches: prepare with AUGMENT=live"):
        PatchSet(live / "helen")
    with pytest.raises(RarError, match="no prepared set at .*nowhere"):
        open_set(live / "nowhere")


def test_data_of_the_other_kind_are_not_written_over(raw: Path, live: Path) -> None:
    again = run(raw, live, "--augment", "live")
    assert again.exception is None and "train: 7 patches already there" in again.output
    fixed = run(raw, live, "--copies", "1").exception
    assert isinstance(fixed, RarError)
    assert "train was prepared otherwise (shuffled False, now True; augment live, now None" in str(fixed)


def test_lower_quality_makes_it_smaller(raw: Path, tmp_path: Path) -> None:
    def stored(out: Path, quality: str) -> int:
        assert run(raw, out, "--augment", "live", "--quality", quality).exception is None
        with PatchSet(out / "train") as patches:
            return sum(len(patches.datum(row).data) for row in range(len(patches)))

    assert stored(tmp_path / "low", "50") < 0.7 * stored(tmp_path / "high", "95")


def test_own_occluders_go_with_the_set(raw: Path, tmp_path: Path) -> None:
    """Picked as from their own folder, which training does without."""
    own = tmp_path / "mask"  # its name is what says the kind of a.png
    (own / "cup").mkdir(parents=True)
    for path, colour in ((own / "a.png", 40), (own / "cup" / "b.png", 90), (own / "cup" / "c.png", 160)):
        cv2.imwrite(str(path), np.full((60, 60, 4), (colour, colour, colour, 255), np.uint8))
    assert run(raw, tmp_path / "data", "--augment", "live", "--occluders", str(own)).exception is None
    before = {kind: [path.read_bytes() for path in paths] for kind, paths in find_own(own).items()}
    for path in [*own.rglob("*.png")]:
        path.unlink()
    assert list(check(tmp_path / "data")) == []
    with PatchSet(tmp_path / "data" / "train") as patches:
        assert patches.settings.occluders == tmp_path / "data" / "train" / OCCLUDERS
        after = find_own(patches.settings.occluders)
    assert {kind: [path.read_bytes() for path in paths] for kind, paths in after.items()} == before
