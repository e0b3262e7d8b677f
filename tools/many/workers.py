"""A machine's processes under a scheduler, on one address."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from distributed import Nanny, Security

from layers.common.errors import RarError
from tools.common.addresses import in_url, is_loopback
from tools.many.peer import for_address, for_scheduler
from tools.many.serving import reason, until_stopped, use_settings

PATIENCE = 10  # s for a process to end of itself


def serve(scheduler: str, listen: str, certificates: Path, count: int) -> None:
    """Work for the scheduler until Ctrl-C, by `count` processes.

    RarError as `for_scheduler` and `for_address`, when the scheduler could not reach the address or is not there, and
    when it ends.
    """
    use_settings(quiet=logging.CRITICAL)  # what a user can act on is a RarError
    there = for_scheduler(scheduler, certificates)
    if not there.security:
        for_address(listen, certificates)
    elif is_loopback(listen) and not is_loopback(there.host):
        raise RarError(f"{there} is another machine, which cannot reach {listen}: give this machine's, LISTEN=ADDRESS")
    asyncio.run(_serve(str(there), listen, count, there.security))


async def _serve(scheduler: str, listen: str, count: int, security: Security | None) -> None:
    kind = {"host": in_url(listen), "nthreads": 1, "security": security, "silence_logs": logging.CRITICAL}
    try:
        workers = await asyncio.gather(*(Nanny(scheduler, **kind) for _ in range(count)))
    except (OSError, RuntimeError) as error:
        raise RarError(
            f"cannot join the scheduler at {scheduler} from {listen} ({reason(error)}): see that it runs, with the same"
            " certificates if any, and that LISTEN= is this machine's address"
        ) from None
    print(f"{count} processes on {listen} work for {scheduler}  (Ctrl-C ends them)", flush=True)
    told = await until_stopped(asyncio.gather(*(worker.finished() for worker in workers)))
    await asyncio.gather(*(worker.close(timeout=PATIENCE) for worker in workers))
    if not told:
        raise RarError(f"the scheduler at {scheduler} is gone: start it, then this again")
