"""The column `pose` of the Parquet files: three numbers a face, NaN where no pose is known."""

from __future__ import annotations

import json
import math

import pytest

from tests.conftest import packages
from tests.tools.many.commands import PYTHON, run

PROGRAM = """
import io, json, os
import numpy as np, pyarrow.parquet as pq
from tools.common.pose import HeadPose
from tools.detect.detector import Face
from tools.many.job import Job
from tools.many.table import Found, part
from tools.model.presets import preset

def face(pose):
    shape, steps = np.zeros((68, 2)), preset("tiny").steps
    stages, centres = np.zeros((steps + 1, 68, 2)), np.zeros(steps, np.int64)
    return Face(np.zeros(4), shape, np.ones(68), shape, stages, centres, None, pose)

found = [Found("a.jpg", [face(HeadPose(12.5, -3.25, 0.5)), face(None)]), Found("b.jpg", [], "no face")]
table = pq.read_table(io.BytesIO(part(Job("tiny", "w", "0" * 64, False, ()), found).faces))
print(json.dumps({"type": str(table.schema.field("pose").type), "rows": table.column("pose").to_pylist()}), flush=True)
os._exit(0)  # Arrow's threads may abort a program that ends at once
"""


@pytest.fixture(scope="module", autouse=True)
def many() -> None:
    packages("many")


def test_degrees_or_nan() -> None:
    done = run([str(PYTHON), "-c", PROGRAM])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["type"].startswith("fixed_size_list<") and told["type"].endswith(">[3]")
    known, unknown = told["rows"]
    assert known == [12.5, -3.25, 0.5] and all(map(math.isnan, unknown))
