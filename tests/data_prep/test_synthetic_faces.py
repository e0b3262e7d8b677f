"""Drawn faces: landmarks sit on what is drawn, and the data set has 300-W's official layout."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner
from numpy.typing import NDArray

from data_prep.synthetic_faces import appearance, landmarks, pose, render_head, render_mesh, render_texture, write
from data_prep.synthetic_faces.__main__ import main
from data_prep.synthetic_faces.faces import draw_face
from data_prep.synthetic_faces.model import Array, Expression, Identity
from data_prep.synthetic_faces.surface import COLUMNS, ROWS, Surface
from data_prep.synthetic_faces.write import Parameters
from layers.common.errors import RarError
from layers.common.schemes import SCHEME_68 as SCHEME
from layers.common.shapes import mirror_shape

SIZE = 320  # px
LIGHT = appearance.Light(np.array([0.0, 0.0, 1.0]), key=0.0, ambient=1.0, specular=0.0, tint=np.ones(3))
POSES = [(0.0, 0.0, 0.0), (35.0, 8.0, 12.0), (-45.0, -15.0, -20.0), (10.0, 22.0, 0.0)]


def plain(seed: int) -> appearance.Appearance:
    """A bald, shaven face in even light, with colours that tell its parts apart."""
    look = appearance.sample(np.random.default_rng(seed), hard=False)
    return dataclasses.replace(
        look, skin=np.array([150.0, 150, 150]), lips=np.array([40.0, 40, 220]), iris=np.array([220.0, 60, 20]),
        brow=np.zeros(3), hair_style="bald", beard=0.0, moustache=0.0, glasses="none", makeup=0.0, gaze=(0.0, 0.0),
        light=LIGHT,
    )  # fmt: skip


def head(angles: tuple[float, float, float], expression: Expression, seed: int = 1) -> tuple[Array, Array]:
    """A head of the given pose on green (SIZE, SIZE, 3), float 0..255, and its landmarks (68, 2)."""
    identity = Identity.sample(np.random.default_rng(seed))
    surface, drawn = Surface(identity, expression), landmarks.features(identity, expression)
    placed = pose.Pose(*angles, scale=90.0, shift=(SIZE / 2, 150.0))
    picture = np.zeros((3, SIZE, SIZE), np.float32)
    picture[1] = 255
    render_head.draw(picture, surface, drawn, placed, plain(seed), np.random.default_rng(seed))
    return np.asarray(picture.transpose(1, 2, 0), float), landmarks.image_points(surface, drawn, placed)


def distance_to_edge(mask: NDArray[np.bool_], points: Array) -> Array:
    """Distance (n,) in px of points from the nearest border of the mask."""
    contours = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    return np.array(
        [min(abs(cv2.pointPolygonTest(c, (float(x), float(y)), True)) for c in contours) for x, y in points]
    )


def sample(picture: NDArray[np.floating], points: Array) -> Array:
    """Colours (n, 3) at points."""
    return np.asarray(cv2.remap(picture.astype(np.float32), points[None].astype(np.float32), None, cv2.INTER_LINEAR)[0])


@pytest.mark.parametrize("angles", POSES[:2])
def test_outer_lip_landmarks_lie_on_the_edge_of_the_lips(angles: tuple[float, float, float]) -> None:
    picture, points = head(angles, Expression(smile=0.4))
    red = picture[..., 2] - picture[..., 0] > 70
    red[: int(points[33, 1])] = False  # below the nose
    assert distance_to_edge(red, points[48:60]).max() < 1.5


def test_inner_lip_landmarks_lie_on_the_edge_of_the_open_mouth() -> None:
    picture, points = head(POSES[0], Expression(jaw=0.9))
    lips = picture[..., 2] - picture[..., 0] > 75
    lips[: int(points[33, 1])] = False
    inside = points[[60, 62, 64, 66]].mean(0)
    assert not lips[int(inside[1]), int(inside[0])]
    assert distance_to_edge(lips, points[[61, 62, 63]]).max() < 1.5
    assert points[66, 1] - points[62, 1] > 20


@pytest.mark.parametrize("angles", POSES)
def test_iris_lies_between_the_lids(angles: tuple[float, float, float]) -> None:
    picture, points = head(angles, Expression())
    blue = picture[..., 0] - picture[..., 2] > 60
    for eye in SCHEME.pupils:
        outline = points[list(eye)].astype(np.float32)
        middle = outline.mean(0)
        ys, xs = np.nonzero(blue)
        near = np.hypot(xs - middle[0], ys - middle[1]) < 20
        assert near.sum() > 20
        inside = [
            cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in zip(xs[near], ys[near], strict=True)
        ]
        assert min(inside) > -2.0


def test_a_closed_eye_hides_its_iris() -> None:
    picture, points = head(POSES[0], Expression(closing=(1.0, 0.0)))
    blue = picture[..., 0] - picture[..., 2] > 60
    left, right = (points[list(eye)] for eye in SCHEME.pupils)
    middle = int(points[27, 0])
    assert not blue[:, :middle].any() and blue[:, middle:].sum() > 20
    assert np.ptp(left[:, 1]) < 0.5 * np.ptp(right[:, 1])


def test_brow_landmarks_lie_on_the_upper_edge_of_the_brow() -> None:
    picture, points = head(POSES[0], Expression())
    above, below = (sample(picture, points[17:27] + (0, step)).mean(1) for step in (-3, 3))
    middle = [1, 2, 3, 6, 7, 8]  # the ends of a brow taper off
    assert (above - below)[middle].min() > 30


@pytest.mark.parametrize("angles", POSES)
def test_contour_lies_on_the_visible_edge_of_the_face(angles: tuple[float, float, float]) -> None:
    picture, points = head(angles, Expression(jaw=0.3))
    face = ~((picture[..., 1] > 200) & (picture[..., 0] < 60))
    hidden = {0, 16}  # before the ears the skull goes on behind the landmark
    edge = [i for i in range(17) if i not in hidden]
    assert distance_to_edge(face, points[edge]).max() < 2.0
    grown = cv2.dilate(face.astype(np.uint8), np.ones((5, 5), np.uint8))
    assert all(grown[int(round(y)), int(round(x))] for x, y in points)


def test_a_frontal_face_is_its_own_mirror_image() -> None:
    surface, drawn = Surface(Identity(), Expression()), landmarks.features(Identity(), Expression())
    points = landmarks.image_points(surface, drawn, pose.Pose(0, 0, 0, 80, (150, 150)))
    np.testing.assert_allclose(mirror_shape(points, SCHEME, 301), points, atol=1e-9)
    assert (np.diff(points[:17, 0]) > 0).all() and points[8, 1] == points[:, 1].max()


def test_opposite_yaw_mirrors_the_points() -> None:
    surface, drawn = Surface(Identity(), Expression()), landmarks.features(Identity(), Expression())
    left, right = (
        landmarks.image_points(surface, drawn, pose.Pose(side * 40, 10, side * 15, 80, (150, 150))) for side in (-1, 1)
    )
    np.testing.assert_allclose(mirror_shape(left, SCHEME, 301), right, atol=1e-9)
    assert right[30, 0] > 150  # the nose points to the right


def test_rasteriser_returns_the_place_that_was_projected() -> None:
    surface, placed = Surface(Identity(), Expression()), pose.Pose(20, 5, 10, 90, (150, 150))
    place, coverage = render_mesh.rasterise(placed.project(surface.grid()), (SIZE, SIZE))
    rng = np.random.default_rng(0)
    face = np.stack([rng.uniform(-0.6, 0.9, 200), rng.uniform(-0.6, 0.4, 200)], -1)
    uv = surface.texture(face) * (COLUMNS - 1, ROWS - 1)
    seen = placed.project(surface.lift(face))[:, :2]
    found = np.stack([sample(place[..., k][..., None].repeat(3, -1), seen)[:, 0] for k in range(2)], -1)
    assert np.median(np.abs(found - uv).max(1)) < 0.08
    assert coverage[150, 150] == 255 and coverage[5, 5] == 0


def test_a_seed_decides_every_pixel_and_another_seed_does_not() -> None:
    first, again = draw_face(5, "afw", 3), draw_face(5, "afw", 3)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.points, again.points)
    for other in (draw_face(6, "afw", 3), draw_face(5, "afw", 4), draw_face(5, "ibug", 3)):
        assert other.image.shape != first.image.shape or (other.image != first.image).any()


@pytest.mark.parametrize("hard", [False, True])
def test_faces_lie_in_the_image_and_fill_half_of_it(hard: bool) -> None:
    for index in range(12):
        face = draw_face(0, "ibug" if hard else "afw", index, hard)
        height, width = face.image.shape[:2]
        low, high = face.points.min(0), face.points.max(0)
        assert face.points.shape == (68, 2) and (low > 0).all() and (high < (width - 1, height - 1)).all()
        assert 0.49 < (high - low).max() / min(width, height) < 0.61
        assert min(width, height) >= 256 and max(width, height) <= 320
        assert face.image[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])].std() > 8


def test_ibug_is_harder() -> None:
    rng = np.random.default_rng(0)
    easy, hard = (np.abs([pose.sample_angles(rng, hard) for _ in range(400)]) for hard in (False, True))
    assert (hard.mean(0) > 1.4 * easy.mean(0)).all() and (hard.max(0) <= (50, 25, 30)).all()
    easy_count, hard_count = (
        sum(bool(draw_face(0, "s", k, hard).occluder) for k in range(30)) for hard in (False, True)
    )
    assert hard_count > easy_count


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "w300"
    arguments = ["--out", str(out), "--train", "12", "--test", "9", "--seed", "4", "--workers", "0"]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert "12 training and 9 test faces drawn" in done.output
    return out


def test_counts_add_up_in_the_proportions_of_300w() -> None:
    counts = write.folders(Parameters(600, 100, 0))
    assert counts == {
        "afw": 64, "lfpw/trainset": 155, "helen/trainset": 381, "helen/testset": 48, "lfpw/testset": 33, "ibug": 19
    }  # fmt: skip
    for train, test in ((1, 1), (7, 3)):
        counts = write.folders(Parameters(train, test, 0))
        assert sum(counts.values()) == train + test and min(counts.values()) >= 0


def test_layout_is_the_official_one(data_set: Path) -> None:
    counts = write.folders(Parameters(12, 9, 4))
    for folder, count in counts.items():
        images, points = sorted((data_set / folder).glob("*.jpg")), sorted((data_set / folder).glob("*.pts"))
        assert len(images) == len(points) == count
        assert [p.stem for p in images] == [p.stem for p in points]
        assert len(list((data_set / folder).iterdir())) == 2 * count


def read_pts(path: Path) -> Array:
    lines = path.read_text().split("\n")
    assert lines[:3] == ["version: 1", "n_points: 68", "{"] and lines[71:] == ["}", ""]
    return np.array([[float(number) for number in line.split()] for line in lines[3:71]])


def test_points_are_counted_from_one(data_set: Path) -> None:
    face = draw_face(4, "helen/trainset", 2)
    stored = read_pts(data_set / "helen/trainset/face_00003.pts")
    np.testing.assert_allclose(stored - 1, face.points, atol=1e-5)
    image = cv2.imread(str(data_set / "helen/trainset/face_00003.jpg"))
    assert image.shape == face.image.shape
    assert np.abs(image.astype(int) - face.image).mean() < 8


def test_bounding_boxes_read_as_the_official_files_do(data_set: Path) -> None:
    for folder, count in write.folders(Parameters(12, 9, 4)).items():
        cells = scipy.io.loadmat(data_set / "Bounding Boxes" / f"bounding_boxes_{folder.replace('/', '_')}.mat")
        boxes = cells["bounding_boxes"]
        assert boxes.shape == (1, count) and boxes.dtype == object
        for cell in boxes[0]:
            assert cell.shape == (1, 1) and cell.dtype.names == ("imgName", "bb_detector", "bb_ground_truth")
            name, detector, truth = (cell[0, 0][field] for field in cell.dtype.names)
            points = read_pts((data_set / folder / str(name[0])).with_suffix(".pts"))
            np.testing.assert_allclose(truth, [[*points.min(0), *points.max(0)]], atol=1e-5)
            assert detector.shape == (1, 4)
            size = truth[0, 2:] - truth[0, :2]
            assert np.abs(detector - truth).max() > 0.1 and np.abs(detector - truth).max() < 0.5 * size.max()


def test_bounding_boxes_have_the_structure_of_real_ones(data_set: Path, shared_data: Path) -> None:
    ours, real = (
        scipy.io.loadmat(root / "Bounding Boxes/bounding_boxes_afw.mat")["bounding_boxes"]
        for root in (data_set, shared_data / "300w")
    )
    assert ours.dtype == real.dtype and ours.ndim == real.ndim and ours.shape[0] == real.shape[0]
    assert ours[0, 0].dtype == real[0, 0].dtype and ours[0, 0].shape == real[0, 0].shape
    for field in ours[0, 0].dtype.names:
        mine, theirs = ours[0, 0][0, 0][field], real[0, 0][0, 0][field]
        assert mine.dtype.kind == theirs.dtype.kind and mine.shape == theirs.shape


def test_the_same_parameters_find_the_data_set_and_others_draw_it_anew(tmp_path: Path) -> None:
    out = tmp_path / "w300"
    assert write.write(out, Parameters(2, 1, 0))
    pictures = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    assert not write.write(out, Parameters(2, 1, 0))
    assert pictures == {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    assert write.write(out, Parameters(3, 1, 0))
    assert len(list(out.rglob("*.jpg"))) == 4 and not out.with_name("w300.partial").exists()


def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    for workers in (0, 2):
        write.write(tmp_path / str(workers), Parameters(3, 3, 1), workers)
    alone, together = (sorted(path for path in (tmp_path / name).rglob("*.*") if path.is_file()) for name in ("0", "2"))
    assert len(alone) == len(together) > 12
    for one, two in zip(alone, together, strict=True):
        assert one.name == two.name
        assert one.read_bytes() == two.read_bytes()


def test_an_unfinished_data_set_is_drawn_anew_and_strangers_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "w300.partial/afw").mkdir(parents=True)
    (tmp_path / "w300.partial/afw/rest.jpg").write_text("")
    write.write(tmp_path / "w300", Parameters(1, 1, 0))
    assert not list(tmp_path.rglob("rest.jpg"))
    assert json.loads((tmp_path / "w300" / write.MARKER).read_text())["train"] == 1
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(RarError, match="mine"):
        write.write(mine, Parameters(1, 1, 0))
    assert (mine / "thesis.txt").exists()


def test_texture_paints_only_inside_the_polygon() -> None:
    surface = Surface(Identity(), Expression())
    size = np.array([render_texture.WIDTH, render_texture.HEIGHT])
    painter = render_texture.Painter(surface, np.zeros((*size[::-1], 3), np.uint8))
    square = np.array([(-0.3, -0.3), (0.3, -0.3), (0.3, 0.3), (-0.3, 0.3)])
    piece, coverage = painter.inside(square)
    piece.canvas[:] = 200
    painter.paste(piece, coverage)
    inside = (surface.texture(np.array([(0.0, 0.0), (0.28, -0.2)])) * (size - 1)).round().astype(int)
    outside = (surface.texture(np.array([(0.4, 0.0), (0.0, 0.4)])) * (size - 1)).round().astype(int)
    assert (painter.canvas[inside[:, 1], inside[:, 0]] == 200).all()
    assert (painter.canvas[outside[:, 1], outside[:, 0]] == 0).all()
