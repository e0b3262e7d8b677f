"""The line under a face on the page that says how its head is turned."""

from __future__ import annotations

import json
import re

import pytest

from tests.tools.web.conftest import Visit
from tests.tools.web.pictures import FACE, jpeg

LINE = r"Head turned (\d+)° (left|right), (\d+)° (up|down), tilted (\d+)° (left|right)\."


def test_the_line_says_the_pose_that_the_download_has(visit: Visit) -> None:
    visit.send("face.jpg", jpeg(FACE))
    visit.found("face.jpg")
    said = re.fullmatch(LINE, visit.page.locator(".pose").inner_text())
    assert said
    (told,) = json.loads(visit.save(".json").read_text())
    for place, (key, back) in enumerate((("yaw", "left"), ("pitch", "up"), ("roll", "left"))):
        degrees, side = said.group(2 * place + 1, 2 * place + 2)
        value = told["pose"][key]
        assert int(degrees) == pytest.approx(abs(value), abs=0.6), key
        assert (side == back) == (value < 0), key
