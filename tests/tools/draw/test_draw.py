"""Pictures: right size, ink where the shapes are, and one clear line for files that are no good."""

from __future__ import annotations

import dataclasses
import io
import itertools
from pathlib import Path

import cv2
import h5py
import lmdb
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from data_prep.synthetic_faces.faces import draw_face
from layers.common import datum
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet, row_key
from layers.common.schemes import SCHEME_68 as SCHEME
from layers.common.shapes import affine_apply, affine_invert, corner_distance, pupil_distance
from tools.draw import attention, centres, chain, choose, compare, curves, gallery, steering, style
from tools.draw.__main__ import main
from tools.draw.images import FacePicture, PreparedPictures
from tools.evaluate.results import Data, FaceResult, Model, Results, write_results

CROP, STEPS = 96, 4


def pixels(made: Figure) -> np.ndarray:
    """The figure as RGB (h, w, 3)."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="rgba", dpi=style.DPI)
    width, height = (round(v * style.DPI) for v in made.get_size_inches())
    return np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)[..., :3]


def faces(steps: int = STEPS) -> tuple[list[np.ndarray], Results]:
    """Drawn faces and made-up results on them: the truth plus an error that shrinks by half each step."""
    rng = np.random.default_rng(5)
    images, found = [], []
    for number in range(4):
        drawn = draw_face(3, "helen/testset", number)
        images.append(drawn.image)
        error = rng.normal(0, 4 + 2 * number, (68, 2))
        found.append(
            FaceResult(
                name=f"helen/testset/face_{number}", subset="helen", ground_truth=drawn.points,
                s_d=drawn.points + rng.normal(0, 5, (68, 2)),
                stages=np.stack([drawn.points + error * 0.5**t for t in range(steps + 1)]),
                centres=rng.integers(0, 68, steps), confidence=rng.random((steps, 68)), peak=rng.random(68),
                box=np.concatenate([drawn.points.min(0), drawn.points.max(0)]),
            )
        )  # fmt: skip
    model, data = Model("toy", "toy.caffemodel", "0" * 64, "0" * 40), Data("gt", 1.4, "synthetic", "")
    return images, Results("68", model, data, steps, tuple(found))


@pytest.fixture(scope="module")
def made() -> tuple[list[np.ndarray], Results]:
    return faces()


@pytest.fixture(scope="module")
def prepared(made: tuple[list[np.ndarray], Results], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faces as prepared data: crops turned by a few degrees, and in row 0 a mirrored copy of face 0 as a trap."""
    images, results = made
    root = tmp_path_factory.mktemp("data")
    (root / "helen").mkdir()
    order = [0, *range(len(images))]
    crops, matrices = [], []
    for row, number in enumerate(order):
        points = results.faces[number].ground_truth
        scale, angle = CROP / (1.6 * np.ptp(points, axis=0).max()), np.radians(5 * row)
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        to_crop = np.concatenate([linear, (CROP / 2 - linear @ points.mean(0))[:, None]], 1)
        crops.append(cv2.warpAffine(images[number], to_crop, (CROP, CROP), flags=cv2.INTER_AREA))
        matrices.append(affine_invert(to_crop))
    with lmdb.open(str(root / "helen/images.lmdb"), map_size=1 << 26) as store, store.begin(write=True) as writing:
        for row, crop in enumerate(crops):
            data = cv2.imencode(".jpg", crop)[1].tobytes()
            writing.put(row_key(row), datum.encode(datum.Datum(3, CROP, CROP, data, row)))
    truth = np.stack([results.faces[number].ground_truth for number in order])
    with h5py.File(root / "helen/landmarks.h5", "w") as file:
        file.attrs.update({"set": "helen", "seed": 0, "crop_size": CROP, "scheme": "68", "rows": len(order)})
        file["crop_to_image"], file["image_shape"] = np.stack(matrices), truth
        file["shape"] = affine_apply(affine_invert(np.stack(matrices)), truth).astype(np.float32)
        file["occluded"] = np.zeros(truth.shape[:2], np.uint8)
        file["normaliser"] = np.stack([pupil_distance(truth, SCHEME), corner_distance(truth, SCHEME)], 1)
        file["box"] = np.zeros((len(order), 4))
        file["name"] = [results.faces[number].name for number in order]
        file["mirrored"] = np.array([1, *[0] * len(images)], np.uint8)
        file["copy"] = np.array([1, *[0] * len(images)], np.uint16)
    return root


ERROR_PANEL = "error on the training faces (validation dashed)"
LOG = """phase,iteration,seconds,learning_rate,loss_conv8,loss_refinement_0,loss_refinement_1,nme_pupil_s_hat_4
warm_up,20,1,0.1,8,,,
warm_up,40,2,0.1,6,,,
end_to_end,20,1,0.1,5,30,20,9
end_to_end,40,2,0.1,4,20,10,6
"""


def test_pictures_come_from_the_plain_rows_of_the_prepared_data(
    made: tuple[list[np.ndarray], Results], prepared: Path
) -> None:
    pictures = PreparedPictures(prepared, side=3 * CROP)
    with PreparedSet(prepared / "helen") as stored:
        for number, face in enumerate(made[1].faces):
            picture = pictures(face)
            assert picture.image.shape == (3 * CROP, 3 * CROP, 3)
            # a pixel's centre stays its centre when a crop is enlarged threefold
            expected = 3 * stored.shape[number + 1] + 1
            np.testing.assert_allclose(picture.place(face.ground_truth), expected, atol=1e-3)


def test_pictures_refuse_a_face_that_the_data_lack(made: tuple[list[np.ndarray], Results], prepared: Path) -> None:
    face = made[1].faces[0]
    stranger = FaceResult(**{**vars(face), "name": "helen/testset/nobody"})
    with pytest.raises(RarError, match="has no face helen/testset/nobody"):
        PreparedPictures(prepared)(stranger)
    with pytest.raises(RarError, match="no prepared data"):
        PreparedPictures(prepared / "nowhere")


def test_gallery_has_its_stated_size_and_ink_on_the_landmarks(made: tuple[list[np.ndarray], Results]) -> None:
    results, tile = made[1], 200
    grey = FacePicture(np.full((tile, tile, 3), 90, np.uint8), np.array([[0.6, 0, 5], [0, 0.6, 5]]))
    chosen = results.faces[:3]
    drawn = pixels(gallery.gallery(results, chosen, lambda face: grey, "note", tile=tile).figure)
    assert drawn.shape == (68 + 4 * (tile + 22) + 44, 112 + 3 * (tile + 8), 3)
    for column, face in enumerate(chosen):
        for row, shape in enumerate((face.s_d, face.stages[0], face.stages[-1], face.ground_truth)):
            left, top = 112 + column * (tile + 8), 68 + row * (tile + 22)
            cell = drawn[top : top + tile, left : left + tile].astype(int)
            changed = np.abs(cell - 90).max(-1) > 25
            places = np.rint(grey.place(shape)).astype(int)
            inside = places[((places > 2) & (places < tile - 3)).all(1)]
            near = np.array([changed[y - 1 : y + 2, x - 1 : x + 2].any() for x, y in inside])
            assert len(inside) > 40 and near.all()
            assert changed.mean() < 0.4


def test_gallery_has_three_rows_when_there_are_no_steps() -> None:
    results = faces(steps=0)[1]
    grey = FacePicture(np.full((64, 64, 3), 90, np.uint8), np.eye(2, 3))
    drawn = pixels(gallery.gallery(results, results.faces[:1], lambda face: grey, "", tile=150).figure)
    assert drawn.shape == (68 + 3 * 172 + 44, 560, 3)


def test_attention_marks_every_centre_with_its_steps(made: tuple[list[np.ndarray], Results]) -> None:
    results, tile = made[1], 320
    picture = FacePicture(np.full((tile, tile, 3), 60, np.uint8), np.eye(2, 3))
    sheet = attention.attention_chains(results, results.faces[:2], lambda face: picture, "note", tile=tile)
    assert pixels(sheet.figure).shape == (90 + 2 * (tile + 26) + 84, 14 + 2 * (tile + 14), 3)
    chain, paths = sheet.figure.axes[:2]
    face = results.faces[0]
    shown = {text.get_text() for text in chain.texts}
    assert len(shown) == len(set(face.centres.tolist()))
    marks = np.concatenate([np.asarray(c.get_offsets()) for c in chain.collections])
    for landmark in face.centres:
        assert np.linalg.norm(marks - face.stages[-1][landmark], axis=1).min() < 1e-6
    assert len(paths.collections[0].get_segments()) == 68 * STEPS


def test_steering_joins_the_centre_with_every_landmark(made: tuple[list[np.ndarray], Results]) -> None:
    results, tile = made[1], 300
    assert steering.shown_steps(15) == [2, 7, 12] and steering.shown_steps(1) == [0]
    picture = FacePicture(np.full((tile, tile, 3), 60, np.uint8), np.eye(2, 3))
    sheet = steering.steering(results, results.faces[:2], lambda face: picture, "note", tile=tile)
    assert pixels(sheet.figure).shape == (106 + 2 * (tile + 26) + 40, 28 + 3 * (tile + 12) - 12, 3)
    face = results.faces[0]
    for axes, t in zip(sheet.figure.axes, steering.shown_steps(STEPS), strict=False):
        far, near, rims, moves = (collection.get_segments() for collection in axes.collections[:4])
        shape, centre = face.stages[t], face.stages[t][face.centres[t]]
        assert len(near) + len(far) == 68 and len(near) == 23
        assert max(np.linalg.norm(b - a) for a, b in near) <= min(np.linalg.norm(b - a) for a, b in far)
        assert all(np.allclose(line[0], centre) for line in [*near, *far])
        ends = shape + 8 * (face.stages[t + 1] - shape)
        np.testing.assert_allclose(np.array(moves)[:, 1], ends)
        assert len(rims) == 68


def variant_of(results: Results, name: str, worse: float) -> Results:
    """The results of a variant whose last face is `worse` px off."""
    last = results.faces[-1]
    moved = dataclasses.replace(last, stages=last.stages + worse)
    return dataclasses.replace(
        results, model=dataclasses.replace(results.model, name=name), faces=(*results.faces[:-1], moved)
    )


def test_comparison_shows_the_faces_on_which_models_differ(
    made: tuple[list[np.ndarray], Results], prepared: Path, tmp_path: Path
) -> None:
    full, tile = made[1], 160
    models = [full, variant_of(full, "toy+weighting=ones", 9)]
    assert compare.telling(models, 1) == [f"helen/{full.faces[-1].name}"]
    grey = FacePicture(np.full((tile, tile, 3), 90, np.uint8), np.eye(2, 3))
    sheet = compare.comparison(models, compare.telling(models, 2), lambda face: grey, "note", tile=tile)
    assert pixels(sheet.figure).shape == (68 + 2 * (tile + 22) + 44, 560, 3)
    words = [text.get_text() for text in sheet.figure.texts]
    assert "full" in words and "weighting\nones" in words
    files = [tmp_path / "full.json", tmp_path / "ones.json"]
    for path, results in zip(files, models, strict=True):
        write_results(path, results)
    arguments = ["--data", str(prepared), "--out", str(tmp_path / "compare.png"), *map(str, files)]
    compare.main(arguments, standalone_mode=False)
    assert cv2.imread(str(tmp_path / "compare.png")).std() > 5


def test_models_tested_on_other_faces_are_not_compared(made: tuple[list[np.ndarray], Results]) -> None:
    fewer = dataclasses.replace(made[1], faces=made[1].faces[:-1])
    with pytest.raises(RarError, match="toy was tested on other faces than toy"):
        compare.telling([made[1], fewer], 2)


def test_regions_count_centres_and_weigh_errors_by_gamma() -> None:
    """Every landmark 2 % off: so is every region, whatever the weights; the shares of a third of the steps sum to 1."""
    _, results = faces()
    moved = []
    for face in results.faces:
        shape = face.ground_truth + 0.02 * pupil_distance(face.ground_truth, SCHEME) * np.array([1.0, 0.0])
        moved.append(
            dataclasses.replace(face, stages=np.stack([shape] * (STEPS + 1)), centres=np.array([30, 30, 8, 51]))
        )
    found = centres.regions(dataclasses.replace(results, faces=tuple(moved)))
    assert [(region.first, region.last) for region in found] == [(1, 2), (3, 3), (4, 4)]
    assert [int(region.frequency.argmax()) for region in found] == [30, 8, 51]
    assert all(region.frequency.sum() == 1 for region in found)
    np.testing.assert_allclose([region.error for region in found], 0.02)


def test_a_region_is_as_wide_as_the_models_gamma() -> None:
    """One landmark off: the narrower Gamma is, the more it weighs in its own region and the less in others."""
    _, results = faces()
    moved = []
    for face in results.faces:
        shape = face.ground_truth.copy()
        shape[30] += 0.1 * pupil_distance(face.ground_truth, SCHEME)
        moved.append(dataclasses.replace(face, stages=np.stack([shape] * (STEPS + 1))))
    models = (dataclasses.replace(results.model, name=name) for name in ("somebody's", "tiny+gamma_width=0.5"))
    wide, narrow = (centres.regions(dataclasses.replace(results, faces=tuple(moved), model=model)) for model in models)
    assert narrow[0].error[30] > 2 * wide[0].error[30]
    assert narrow[0].error[8] < wide[0].error[8]


def test_shares_of_neighbouring_centres_are_written_apart(
    made: tuple[list[np.ndarray], Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    frequency, found = np.zeros(68), []
    frequency[[5, 7, 10]] = 0.5, 0.3, 0.2
    for lower in np.linspace(0, 0.01, 8):
        error = np.full(68, 0.04)
        error[[5, 7, 10]] = 0.05, 0.05 - lower, 0.05 - 2 * lower
        found.append(centres.Region(1, 1, frequency, error))
    monkeypatch.setattr(centres, "regions", lambda results: found)
    figure = centres.centre_frequency(made[1], "")
    figure.canvas.draw()
    for axes in figure.axes:
        assert sum("%" in text.get_text() for text in axes.texts) == 3
        places = [text.get_window_extent() for text in axes.texts]  # the names of the parts, too
        assert not any(a.overlaps(b) for a, b in itertools.combinations(places, 2))


def test_steps_are_written_as_ranges() -> None:
    assert chain.ranges([1, 2, 3, 7, 9, 10]) == "1–3, 7, 9–10"
    assert chain.spots([5, 5, 8, 5]) == {5: [1, 2, 4], 8: [3]}


def test_choice_is_spread_over_the_ranking(made: tuple[list[np.ndarray], Results]) -> None:
    results = made[1]
    errors = choose.pupil_errors(results, [face.stages[-1] for face in results.faces])
    best, worst = choose.spread(results, 2)
    ranked = [results.faces[k].name for k in np.argsort(errors)]
    assert [best.name, worst.name] == [ranked[1], ranked[3]]
    assert len(choose.spread(results, 9)) == len(results.faces)
    gains = errors - choose.pupil_errors(results, [face.stages[0] for face in results.faces])
    assert choose.most_improved(results, 1)[0].name == results.faces[int(gains.argmin())].name


def test_error_by_stage_draws_the_means(made: tuple[list[np.ndarray], Results]) -> None:
    figure = curves.error_by_stage(made[1], "note")
    assert pixels(figure).shape == (480, 860, 3)
    line = figure.axes[0].lines[0]
    means = [100 * choose.pupil_errors(made[1], [f.stages[t] for f in made[1].faces]).mean() for t in range(STEPS + 1)]
    np.testing.assert_allclose(line.get_ydata(), means)


def test_cumulative_errors_name_auc_and_failures(made: tuple[list[np.ndarray], Results]) -> None:
    figure = curves.cumulative_errors(made[1], "note")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert len(labels) == 3 and all("AUC" in label and "failures" in label for label in labels)
    for line in figure.axes[0].lines[:3]:
        assert (np.diff(line.get_ydata()) >= 0).all()


def test_log_counts_iterations_on_over_the_phases(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    log = curves.Log(tmp_path / "log.csv")
    assert log.iteration.tolist() == [20, 40, 60, 80] and log.begins == {"warm_up": 0, "end_to_end": 40}
    x, y = log.curve("loss_refinement_1")
    assert x.tolist() == [60, 80] and y.tolist() == [20, 10]
    figure = curves.loss_curves(tmp_path / "log.csv", "note")
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles == ["conv8: softmax regression loss", "refinement loss", ERROR_PANEL]
    assert pixels(figure).shape == (2 * 340 + 24, 1000, 3)


@pytest.mark.parametrize("text", ["", "iteration,phase\n", "iteration,loss\nten,1\n", "a,b\n1,2\n"])
def test_a_broken_log_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(RarError, match="log.csv") as caught:
        curves.loss_curves(tmp_path / "log.csv", "")
    assert "\n" not in str(caught.value)


def test_command_writes_every_picture_and_prints_its_path(
    made: tuple[list[np.ndarray], Results], prepared: Path, tmp_path: Path
) -> None:
    write_results(tmp_path / "r.json", made[1])
    (tmp_path / "log.csv").write_text(LOG)
    arguments = ["--results", tmp_path / "r.json", "--data", prepared, "--log", tmp_path / "log.csv"]
    out = tmp_path / "pictures"
    done = CliRunner().invoke(main, [str(a) for a in (*arguments, "--out", out, "--faces", 2)], catch_exceptions=False)
    names = ["overlays", "worst", "attention", "steering", "centres", "stages", "ced", "loss"]
    assert done.output.split() == [str(out / f"{name}.png") for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{name}.png" for name in names)
    assert all(cv2.imread(str(out / f"{name}.png")).std() > 5 for name in names)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "rar-results/1"}'])
def test_a_broken_results_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(RarError, match=r"r\.json") as caught:
        main(["--results", str(tmp_path / "r.json"), "--out", str(tmp_path / "out")], standalone_mode=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
