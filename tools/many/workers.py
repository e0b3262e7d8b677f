"""The processes of this machine, for many pictures on several machines.

SCHEDULER is the address that the scheduler prints. The processes listen on one address alone, by which scheduler and
other workers reach them, and show certificates as the scheduler does.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import click
from distributed import Nanny, Security

from layers.common.errors import RarError, run_command
from tools.build.environment import usable_cores
from tools.common.addresses import in_url, is_loopback
from tools.many.options import certificates_option
from tools.many.peer import for_address, for_scheduler
from tools.many.serving import reason, until_stopped, use_settings

PATIENCE = 10  # s for a process to end of itself


@click.command(help=__doc__)
@click.argument("scheduler", metavar="SCHEDULER")
@click.option("--listen", default="127.0.0.1", show_default=True, help="this machine's address for the others")
@certificates_option
@click.option("--workers", type=click.IntRange(min=1), help="processes (one a core)")
def main(scheduler: str, listen: str, certificates: Path, workers: int | None) -> None:
    use_settings(quiet=logging.CRITICAL)  # what a user can act on is a RarError
    there = for_scheduler(scheduler, certificates)
    if not there.security:
        for_address(listen, certificates)
    elif is_loopback(listen) and not is_loopback(there.host):
        raise RarError(f"{there} is another machine, which cannot reach {listen}: give this machine's, LISTEN=ADDRESS")
    asyncio.run(_serve(str(there), listen, workers or usable_cores(), there.security))


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


if __name__ == "__main__":
    run_command(main)
