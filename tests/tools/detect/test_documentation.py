"""The example of docs/python-api.md, run as it stands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools import PROJECT
from tools.detect.finder import FaceFinder


def test_the_example_of_the_documentation(drawn: Path, finder: FaceFinder, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "python-api.md").read_text(), re.S)
    shutil.copy(drawn / "helen" / "testset" / "face_00002.jpg", tmp_path / "photo.jpg")
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("[") > 68
