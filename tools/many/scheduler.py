"""Dask's scheduler, on one address."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import dask
from distributed import Scheduler

from layers.common.errors import RarError
from tools.common.addresses import in_url
from tools.many.peer import for_address
from tools.many.serving import reason, until_stopped, use_settings

STATUS_PAGES = ["distributed.http.scheduler.info", "distributed.http.statics"]


def serve(listen: str, port: int, certificates: Path, dashboard: int | None) -> None:
    """Serve until Ctrl-C. dashboard: port for Dask's status pages. RarError as `for_address`, and for a bad address."""
    use_settings()
    security = for_address(listen, certificates)
    if dashboard:
        dask.config.set({"distributed.scheduler.http.routes": STATUS_PAGES})
        page = f"http://{in_url(listen)}:{dashboard}/info/main/workers.html"
        print(f"{page} shows everyone who reaches it what the workers do.", file=sys.stderr)
    kind = {"security": security, "protocol": "tls" if security else "tcp"}
    asyncio.run(_serve(listen, port, dashboard, **kind))


async def _serve(listen: str, port: int, dashboard: int | None, **kind: object) -> None:
    places = [(listen, dashboard or 0)]
    try:
        scheduler = await Scheduler(host=in_url(listen), port=port, dashboard=False, dashboard_address=places, **kind)
    except (OSError, RuntimeError) as error:
        raise RarError(f"cannot listen on {listen} port {port} ({reason(error)}): give another LISTEN=") from None
    print(f"Scheduler at: {scheduler.address}", flush=True)
    await until_stopped(scheduler.finished())
    await scheduler.close()
