"""The application on a socket, with its worker, until it is told to end."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

import uvicorn

from tools.common.addresses import in_url, is_loopback
from tools.web.app import make_app
from tools.web.child import Child
from tools.web.connections import Connection
from tools.web.memory import give_back_large

LOCAL = ("localhost", "127.0.0.1", "::1")
FAREWELL = 1  # s for answers under way when the server is told to end


class Server(uvicorn.Server):
    """One that sets `ending` before it waits for what is under way."""

    def __init__(self, ending: asyncio.Event, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending.set()
        await super().shutdown(sockets)


async def serve(
    listening: socket.socket, host: str, names: Iterable[str], preset: str, weights: Path, seconds: float
) -> None:
    """Serve the page of a preset and its weights until Ctrl-C.

    host: what the socket listens on; names: of this machine, beside its own; seconds: for a picture. RarError when the
    worker cannot begin, as when the weights are missing.
    """
    give_back_large()
    local, child = is_loopback(host), Child(preset, weights, seconds)
    network = () if local else (socket.gethostname(), socket.getfqdn())
    ending = asyncio.Event()
    app = make_app(child, map(str.lower, (*LOCAL, host, *names, *network)), ending, addresses=not local)
    server = Server(
        ending,
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            log_level="error",
            timeout_graceful_shutdown=FAREWELL,
        ),
    )
    try:
        await child.start()
        address, port = listening.getsockname()[:2]
        print(f"http://{in_url(address)}:{port}  (Ctrl-C ends it)", flush=True)
        if not local:
            print("Everyone who can reach this machine can use the page.", file=sys.stderr)
        await server.serve(sockets=[listening])
    finally:
        await child.close()
