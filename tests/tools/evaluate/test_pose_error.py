"""The pose of the landmarks found against that of the annotated, on heads turned by known angles."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.tools.evaluate.test_where import rows, turned_head
from tools.evaluate import where
from tools.evaluate.pose_error import between, pose_table
from tools.evaluate.results import Results, write_results


def test_the_shorter_way_round() -> None:
    np.testing.assert_allclose(between(np.array([179.0, 5, -170]), np.array([-179.0, -5, 170])), [2, 10, 20])


def test_a_yaw_found_four_degrees_off(tmp_path: Path, make_results: Callable[..., Results]) -> None:
    """25 heads at 2 degrees found at 6, 25 at 25 degrees found at 21, to both sides; roll 3 degrees off."""
    faces, made = [], make_results({"helen": 50})
    for number, face in enumerate(made.faces):
        side, (true, found) = (-1) ** number, ((2, 6), (25, 21))[number // 25]
        stages = np.stack([turned_head((side * found, 0, 3))] * len(face.stages))
        faces.append(dataclasses.replace(face, ground_truth=turned_head((side * true, 0, 0)), stages=stages))
    path = tmp_path / "results.json"
    write_results(path, dataclasses.replace(made, faces=tuple(faces)))
    straight, turned = rows(pose_table(where.evaluate(path), 20)).values()
    for row in (straight, turned):
        assert row["faces"] == 25
        assert [row["yaw"], row["nine of ten"], row["roll"]] == pytest.approx([4, 4, 3], abs=0.5)
        assert row["pitch"] == pytest.approx(0, abs=0.5)


def test_points_without_a_pose_say_so(tmp_path: Path, make_results: Callable[..., Results]) -> None:
    made = make_results({"test": 3}, raw="own")
    cut = [
        dataclasses.replace(
            face, **{name: getattr(face, name)[..., :29, :] for name in ("ground_truth", "s_d", "stages")},
            centres=face.centres % 29, confidence=face.confidence[:, :29], peak=face.peak[:29],
        )
        for face in made.faces
    ]  # fmt: skip
    path = tmp_path / "results.json"
    write_results(path, dataclasses.replace(made, scheme="29", faces=tuple(cut)))
    assert "scheme 29 tell no pose" in pose_table(where.evaluate(path), 20).notes[0]
