"""The sheet of the worst faces: the worst first, the truth and what was found on each, its name and errors."""

from __future__ import annotations

import numpy as np

from tests.tools.draw.test_draw import STEPS, faces, pixels
from tools.draw import choose, worst
from tools.draw.images import FacePicture
from tools.evaluate.results import FaceResult


def test_the_worst_faces_are_drawn_worst_first() -> None:
    results, tile = faces()[1], 120
    errors = 100 * choose.pupil_errors(results, [face.stages[-1] for face in results.faces])
    bad = choose.worst(results, 3)
    assert [face.name for face in bad] == [results.faces[k].name for k in np.argsort(-errors)[:3]]
    assert len(choose.worst(results, 99)) == len(results.faces)
    grey = FacePicture(np.full((tile, tile, 3), 90, np.uint8), np.eye(2, 3))
    sheet = worst.worst_faces(results, bad, lambda face: grey, "note", tile=tile)
    assert pixels(sheet.figure).shape == (112 + tile + 50, 560, 3)
    words = [text.get_text() for text in sheet.figure.texts]
    for face, axes, error in zip(bad, sheet.figure.axes, np.sort(errors)[::-1], strict=False):
        assert face.name in words
        assert any(rf"$\hat{{S}}_{{{STEPS}}}$ {error:.1f} %" in word for word in words)
        truth, found = (np.asarray(marks.get_offsets()) for marks in axes.collections)
        np.testing.assert_allclose(truth, face.ground_truth)
        np.testing.assert_allclose(found, face.stages[-1])


def test_more_faces_than_five_go_into_rows() -> None:
    results, tile, asked = faces()[1], 60, []

    def grey(face: FaceResult) -> FacePicture:
        asked.append(face.name)
        return FacePicture(np.full((tile, tile, 3), 90, np.uint8), np.eye(2, 3))

    seven = [*results.faces, *results.faces[:3]]
    made = worst.worst_faces(results, seven, grey, "note", tile=tile).figure
    assert pixels(made).shape == (112 + 2 * (tile + 50), 560, 3)
    assert asked == [face.name for face in seven]
