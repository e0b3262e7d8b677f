"""The worker process, as the server sees it."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.conftest import import_packages


def test_a_large_reply_that_comes_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The visitor is told, and the next has a new one."""
    import_packages("web")
    from tools.web import child
    from tools.web.refused import Refused

    monkeypatch.setattr(child, "WORKER", "tests.tools.web.endless")

    async def two_visitors() -> None:
        worker = child.Child("tiny", Path("weights"), 0.5)
        await worker.start()
        for _ in range(2):
            with pytest.raises(Refused, match="face.jpg takes longer than 0.5 seconds"):
                await worker.answer("face.jpg", b"")
        await worker.close()

    asyncio.run(asyncio.wait_for(two_visitors(), 60))


def test_a_worker_that_is_ending_is_killed_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """At any moment of its end: asyncio still learns how it ended."""
    import_packages("web")
    from tools.web.child import kill

    async def ending() -> set[int | None]:
        ends = set()
        for late in range(60):
            process = await asyncio.create_subprocess_exec(
                "sleep", "0.02", stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
            )
            await asyncio.sleep(0.015 + late * 2e-4)
            await kill(process)
            ends.add(process.returncode)
        return ends

    assert asyncio.run(asyncio.wait_for(ending(), 60)) <= {-9, 0}
    assert not caplog.records
