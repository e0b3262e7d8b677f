"""A page on this machine: open the address that is printed.

Drop a picture or use the camera; every face is found, and a slider goes through the shapes S_d, S^_0 ... S^_T.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from pathlib import Path

import click

from layers.common.errors import RarError, run_command
from tools.model.options import model_options
from tools.web.limits import TIME_LIMIT


@click.command(help=__doc__)
@model_options
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on; 0.0.0.0: the whole network")
@click.option("--port", default=7860, show_default=True, type=click.IntRange(0, 65535), help="0: any free one")
@click.option("--name", "names", multiple=True, help="by which browsers may call it too, as through a proxy")
@click.option("--time-limit", default=TIME_LIMIT, show_default=True, type=click.FloatRange(min=0.1), help="s a picture")
def main(name: str, weights: Path, host: str, port: int, names: tuple[str, ...], time_limit: float) -> None:
    listening = listen(host, port)
    try:
        from tools.web.serving import serve
    except ModuleNotFoundError as error:
        raise RarError(f"{error.name} is not installed for {sys.executable}: run make web") from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(listening, host, names, name, weights, time_limit))


def listen(host: str, port: int) -> socket.socket:
    """A socket on the address; RarError when it is taken or not this machine's."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise RarError(f"cannot listen on {host} port {port} ({error}): give another, HOST=... PORT=...") from None


if __name__ == "__main__":
    run_command(main)
