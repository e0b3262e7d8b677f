"""Dask's scheduler, for many pictures on several machines.

Listens on one address alone. Peers show each other certificates (make many-certificates), which may be missing only
where no other machine can reach it: whoever reaches a scheduler without them can run programs on every worker.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
import dask
from distributed import Scheduler

from layers.common.errors import RarError, run_command
from tools.common.addresses import in_url
from tools.many.options import certificates_option
from tools.many.peer import PORT, for_address
from tools.many.serving import reason, until_stopped, use_settings

STATUS_PAGES = ["distributed.http.scheduler.info", "distributed.http.statics"]


@click.command(help=__doc__)
@click.option("--listen", default="127.0.0.1", show_default=True, help="this machine's address for the others")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="0: any free one")
@certificates_option
@click.option("--dashboard", type=click.IntRange(1, 65535), help="port for Dask's status pages, without any (none)")
def main(listen: str, port: int, certificates: Path, dashboard: int | None) -> None:
    use_settings()
    security = for_address(listen, certificates)
    protocol = "tls" if security else "tcp"
    if dashboard:
        dask.config.set({"distributed.scheduler.http.routes": STATUS_PAGES})
        page = f"http://{in_url(listen)}:{dashboard}/info/main/workers.html"
        print(f"{page} shows everyone who reaches it what the workers do.", file=sys.stderr)
    asyncio.run(_serve(listen, port, dashboard, security=security, protocol=protocol))


async def _serve(listen: str, port: int, dashboard: int | None, **kind: object) -> None:
    places = [(listen, dashboard or 0)]
    try:
        scheduler = await Scheduler(host=in_url(listen), port=port, dashboard=False, dashboard_address=places, **kind)
    except (OSError, RuntimeError) as error:
        raise RarError(f"cannot listen on {listen} port {port} ({reason(error)}): give another LISTEN=") from None
    print(f"Scheduler at: {scheduler.address}", flush=True)
    await until_stopped(scheduler.finished())
    await scheduler.close()


if __name__ == "__main__":
    run_command(main)
