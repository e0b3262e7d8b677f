"""Files: what they are known by."""

from __future__ import annotations

import hashlib
from pathlib import Path

from layers.common.files import sha256


def test_checksum(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"weights" * 100000)
    assert sha256(tmp_path / "x") == hashlib.sha256(b"weights" * 100000).hexdigest()
