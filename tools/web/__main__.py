"""A page on this machine: open the address that is printed.

Drop a picture or use the camera; every face is found, and a slider goes through the shapes S_d, S^_0 ... S^_T.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
from pathlib import Path

import click

from layers.common.errors import RarError, run_command
from tools.detect import Detector
from tools.model.options import model_options

PATH = click.Path(path_type=Path)
LOCAL = ["127.0.0.1", "localhost", "[::1]"]


@click.command(help=__doc__)
@model_options
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on; 0.0.0.0: the whole network")
@click.option("--port", default=7860, show_default=True, help="0: any free one")
def main(name: str, weights: Path, host: str, port: int) -> None:
    listening = listen(host, port)
    serve(listening, Detector(name, weights), local=is_local(host))


def is_local(host: str) -> bool:
    """True when only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket on the address; RarError when it is taken or not this machine's."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise RarError(f"cannot listen on {host} port {port} ({error}): give another, HOST=... PORT=...") from None


def serve(listening: socket.socket, detector: Detector, *, local: bool) -> None:
    """Serve the page until Ctrl-C. local: refuse browsers that were led here by another name than this machine's."""
    try:
        import uvicorn

        from tools.web.answer import Answerer
        from tools.web.app import make_app
    except ModuleNotFoundError as error:
        raise RarError(f"{error.name} is not installed for {sys.executable}: run make web") from None
    app = make_app(Answerer(detector), LOCAL if local else ["*"])
    host, port = listening.getsockname()[:2]
    print(f"http://{f'[{host}]' if ':' in host else host}:{port}  (Ctrl-C ends it)", flush=True)
    if not local:
        print("Everyone who can reach this machine can use the page.", file=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    run_command(main)
