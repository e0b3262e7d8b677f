"""The worker process, as the server sees it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.conftest import import_packages


def test_a_large_reply_that_comes_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The visitor is told, and the next has a new one."""
    import_packages("web")
    from tools.web import child
    from tools.web.refused import Refused

    monkeypatch.setattr(child, "WORKER", "tests.tools.web.endless")
    monkeypatch.setattr(child, "DYING", 2)

    async def two_visitors() -> None:
        worker = child.Child("tiny", Path("weights"), 0.5)
        await worker.start()
        for _ in range(2):
            with pytest.raises(Refused, match="face.jpg takes longer than 0.5 seconds"):
                await worker.answer("face.jpg", b"")
        await worker.close()

    asyncio.run(asyncio.wait_for(two_visitors(), 60))
