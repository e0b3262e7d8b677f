"""MTFL: the lists, the boxes, what is wrong with a line, and the way to prepared sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from data_prep import mtfl, prepare_mtfl
from data_prep.check import check
from data_prep.live.faces import LiveFaces
from data_prep.manifest import origin
from data_prep.subsets import SubsetScan
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from layers.common.shape_pool import read_shape_pool
from tests.data_prep.mtfl_files import TEST, five, line, write_mtfl


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The root of the small data set."""
    write_mtfl(tmp_path / "mtfl")
    return tmp_path / "mtfl"


def scanned(raw: Path, boxes: str = "frame") -> dict[str, SubsetScan]:
    return {result.subset.set: result for result in mtfl.scan(raw, mtfl.SETS, boxes, 0)}


def run(raw: Path, out: Path, *options: str) -> Result:
    small = ["--crop-size", "40", "--copies", "4", "--centres", "3", "--workers", "0", "--any-count"]
    return CliRunner().invoke(prepare_mtfl.main, ["--raw", str(raw), "--out", str(out), *small, *options])


def test_reads_every_face(raw: Path) -> None:
    results = scanned(raw)
    assert {name: (scan.found, len(scan.records), scan.problems) for name, scan in results.items()} == {
        "train": (4, 4, []), "aflw": (2, 2, []),
    }  # fmt: skip
    record = results["train"].records[2]
    assert (record.name, record.subset) == ("net_7876/_60_991_0", "net_7876")
    np.testing.assert_allclose(record.shape, five(3), atol=1e-6)
    assert record.image.exists() if isinstance(record.image, Path) else False


def test_a_list_without_attributes(raw: Path) -> None:
    path = raw / "testing.txt"
    path.write_text(path.read_text().replace(" 1 2 2 3", ""))
    assert len(scanned(raw)["aflw"].records) == 2


def test_the_frames_box(raw: Path) -> None:
    for record in scanned(raw)["aflw"].records:
        np.testing.assert_allclose(record.box, mtfl.frame_box(150, 150))
    x0, y0, x1, y1 = mtfl.frame_box(200, 100)
    assert x1 - x0 == pytest.approx(138)
    assert y1 - y0 == pytest.approx(138)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((99.5, 49.5 + 0.067 * 138))


def test_the_points_box(raw: Path) -> None:
    """Of the training faces always; it scatters by name, stays with the name, and follows the face's size and place."""
    records = scanned(raw)["train"].records
    for record in records:
        np.testing.assert_array_equal(record.box, mtfl.points_box(record.shape, record.name))
    shape = five(1)
    boxes = np.stack([mtfl.points_box(shape, f"face {number}") for number in range(2000)])
    side, centre = boxes[:, 2] - boxes[:, 0], (boxes[:, :2] + boxes[:, 2:]) / 2
    spread = np.sqrt(((shape - shape.mean(0)) ** 2).sum(1).mean())
    assert np.median(side) == pytest.approx(3.63 * spread, rel=0.01)
    away = (centre - shape.mean(axis=0)) / side[:, None]
    np.testing.assert_allclose(away.mean(axis=0), (0, 0.067), atol=0.006)
    np.testing.assert_allclose(away.std(axis=0), 0.06, rtol=0.15)  # a little less: cut off at two deviations
    twice = mtfl.points_box(np.asarray(2 * shape + 30, np.float64), "a")
    np.testing.assert_allclose(twice, 2 * mtfl.points_box(shape, "a") + 30)
    assert not np.array_equal(scanned(raw, "points")["aflw"].records[0].box, mtfl.frame_box(150, 150))


def spoil(raw: Path, change: Callable[[list[str]], list[str]]) -> str:
    """The one problem after changing the words of testing.txt's second line; the first face stays."""
    path = raw / "testing.txt"
    first, second, *rest = path.read_text().split("\n")
    path.write_text("\n".join([first, " ".join(change(second.split())), *rest]))
    result = scanned(raw)["aflw"]
    assert [record.name for record in result.records] == ["AFLW/0001-image20056"]
    assert result.found == 2
    (problem,) = result.problems
    assert "\n" not in problem
    assert problem.startswith(f"{path}, line 2: ")
    return problem


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w[:10], "9 numbers after the path, not 10 coordinates and 4 attributes: mend the line"),
        (lambda w: w[:9] + w[10:], "13 numbers after the path"),
        (lambda w: w[:1], "0 numbers after the path"),
        (lambda w: [*w[:3], "NaN", *w[4:]], "a coordinate is not a finite number: mend the line or take it out"),
        (lambda w: [*w[:3], "inf", *w[4:]], "a coordinate is not a finite number"),
        (lambda w: [*w[:3], "12,5", *w[4:]], "could not convert string to float: '12,5': mend the line"),
        (lambda w: [w[0], "152.5", *w[2:]], r"is off AFLW/0002-image04733.jpg, 150 x 150 px: mend the line"),
        (lambda w: [*w[:6], "-3", *w[7:]], "is off AFLW/0002-image04733.jpg"),
        (lambda w: [w[0], w[2], w[2], *w[3:6], w[7], w[7], *w[8:]], "both eyes are in one place"),
        (lambda w: ["AFLW/nobody.jpg", *w[1:]], "nobody.jpg: unreadable (No such file or directory): replace it"),
        (lambda w: ["../secret.jpg", *w[1:]], "../secret.jpg leads out of"),
        (lambda w: ["/etc/secret.jpg", *w[1:]], "/etc/secret.jpg leads out of"),
    ],
)  # fmt: skip
def test_a_bad_line(raw: Path, change: Callable[[list[str]], list[str]], words: str) -> None:
    assert words in spoil(raw, change)


def test_a_picture_cut_short(raw: Path) -> None:
    picture = raw / TEST[1]
    picture.write_bytes(picture.read_bytes()[:2000])
    assert f"{picture}: truncated" in spoil(raw, lambda words: words)


def test_a_face_twice(raw: Path) -> None:
    path = raw / "testing.txt"
    path.write_text(path.read_text() + line(TEST[0], five(9)))
    result = scanned(raw)["aflw"]
    assert (len(result.records), result.problems) == (
        2, [f"{path}: AFLW/0001-image20056 is listed twice: mend the line or take it out"],
    )  # fmt: skip


def test_nothing_there(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(RarError, match=r"no faces listed under .*with training.txt or testing.txt in it"):
        mtfl.scan(tmp_path / "nowhere", mtfl.SETS, "frame", 0)
    (raw / "training.txt").unlink()
    assert scanned(raw)["train"].folder is None
    (raw / "testing.txt").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    with pytest.raises(RarError, match=r"testing.txt: unreadable"):
        scanned(raw)


def test_prepared_sets(raw: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    result = run(raw, data, "--validation", "0.25", "--occluded", "1")
    assert result.exception is None, result.exception
    assert list(check(data)) == []
    with PreparedSet(data / "train") as train, PreparedSet(data / "val") as val, PreparedSet(data / "aflw") as aflw:
        assert (len(train), len(val), len(aflw), train.scheme.name) == (12, 1, 2, "5")
        assert train.occluded.any()
        assert not aflw.occluded.any()
        assert list(aflw.name) == ["AFLW/0001-image20056", "AFLW/0002-image04733"]
        np.testing.assert_allclose(aflw.image_shape, [five(5), five(6)], atol=1e-6)
        np.testing.assert_allclose(aflw.normaliser[:, 0], 42, atol=1e-5)
        assert np.isnan(aflw.normaliser[:, 1]).all()
    book = json.loads((data / "manifest.json").read_text())
    assert (book["raw"], book["scheme"], book["parameters"]["boxes"]) == ("mtfl", "5", "frame")
    assert [origin(book, name).boxes for name in ("train", "val", "aflw")] == ["points", "points", "frame"]
    assert read_shape_pool(data / "shape_pool.h5").centres.shape == (3, 5, 2)
    assert (
        "aflw: 2 crops already there, made with the same settings: kept"
        in run(raw, data, "--validation", "0.25", "--occluded", "1").output
    )


def test_live_data(raw: Path, tmp_path: Path) -> None:
    """Patches of whole photographs, from which five points can be drawn, occluded too."""
    result = run(raw, tmp_path / "data", "--augment", "live", "--occluded", "1")
    assert result.exception is None, result.exception
    assert list(check(tmp_path / "data")) == []
    faces = LiveFaces(tmp_path / "data" / "train")
    crops = [faces.draw(sample) for sample in range(len(faces))]
    assert {crop.shape.shape for crop in crops} == {(5, 2)}
    assert any(crop.occluded.any() for crop in crops)


def test_points_lie_on_their_dots_and_left_stays_left(raw: Path, tmp_path: Path) -> None:
    options = ("--crop-size", "120", "--occluded", "0", "--copies", "2")
    assert run(raw, tmp_path / "data", *options).exception is None
    with PreparedSet(tmp_path / "data" / "train") as train:
        assert train.mirrored.any()
        for row in range(len(train)):
            x, y = np.round(train.shape[row]).astype(int).T
            assert train.image(row)[y, x].min() > 170
            left, right, _, mouth_left, mouth_right = train.shape[row]
            turn = right - left
            assert turn @ (mouth_right - mouth_left) > 0
            down = (mouth_left + mouth_right - left - right) / 2
            assert turn[0] * down[1] - turn[1] * down[0] > 0  # a mirrored face with its points unswapped has it below 0


def test_bad_faces_are_left_out_and_counted(raw: Path, tmp_path: Path) -> None:
    path = raw / "testing.txt"
    first, second, *rest = path.read_text().split("\n")
    path.write_text("\n".join([" ".join(first.split()[:10]), second, *rest]))
    result = run(raw, tmp_path / "data", "--sets", "aflw")
    assert isinstance(result.exception, RarError)
    assert "1 problems" in str(result.exception)
    book = json.loads((tmp_path / "data" / "manifest.json").read_text())
    assert book["counts"] == {"testing.txt": {"expected": 2, "found": 2, "written": 1}}
    assert run(raw, tmp_path / "data", "--sets", "aflw", "--skip-bad").exception is None
    assert "no set 'helen'" in str(run(raw, tmp_path / "other", "--sets", "helen").exception)


def test_an_absent_list_is_named(raw: Path, tmp_path: Path) -> None:
    (raw / "training.txt").unlink()
    command = ["--raw", str(raw), "--out", str(tmp_path / "data"), "--crop-size", "40", "--workers", "0"]
    result = CliRunner().invoke(prepare_mtfl.main, command)
    assert result.exception is None
    assert "all 10000 missing: no such file" in result.output
    assert "2993 missing" in result.output


def test_the_real_lists(shared_data: Path) -> None:
    """Every line, its pictures unopened but for a few: 10,000 and 2,995 faces of usual proportions."""
    folder = shared_data / "mtfl"
    if not (folder / "testing.txt").is_file():
        pytest.skip(f"no MTFL at {folder}: set RAR_SHARED_DATA to a folder with mtfl/ in it")
    counts = {}
    for subset in mtfl.SUBSETS:
        lines = list(mtfl._lines(folder / subset.name))
        shapes = np.stack([mtfl._shape(tuple(text.split()[1:])) for _, text in lines])
        counts[subset.set] = len({text.split()[0] for _, text in lines})
        assert subset.faces == len(lines)
        assert np.isfinite(shapes).all()
        spread = np.sqrt(((shapes - shapes.mean(axis=1, keepdims=True)) ** 2).sum(-1).mean(-1))
        assert 12 < spread.min() < spread.max() < 60
        for record in (mtfl._record(folder, folder / subset.name, "frame", row) for row in lines[::300]):
            assert not isinstance(record, str), record
    assert counts == {"train": 10000, "aflw": 2995}
