"""A stranger at the ports of Dask's servers: python3 -m tests.tools.many.peer KIND FOLDER HOST PORT ...

It asks each for its identity, then that it make the file FOLDER/PORT, and prints what it got as JSON. KIND plain:
without TLS; bare: with TLS and no certificate; else the folder of its certificates. It trusts whatever a server shows.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import ssl
import sys
from typing import Any

from distributed.core import rpc
from distributed.protocol.pickle import dumps

PATIENCE = 5  # s


def context(kind: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if kind != "bare":
        folder = pathlib.Path(kind)
        made.load_cert_chain(folder / "peer.pem", folder / "peer-key.pem")
    return made


async def tried(kind: str, folder: str, host: str, port: str) -> dict[str, bool]:
    """identity: it said who it is; ran: it said that it has run our function."""
    known = {} if kind == "plain" else {"ssl_context": context(kind), "require_encryption": True}
    server = rpc(f"{'tcp' if kind == 'plain' else 'tls'}://{host}:{port}", connection_args=known, timeout=PATIENCE)
    call = {"function": dumps(pathlib.Path.touch), "args": dumps((pathlib.Path(folder, port),)), "kwargs": dumps({})}
    wanted = server.identity(), server.run(**call, wait=True), server.run_function(**call, wait=True)
    identity, *ran = await asyncio.gather(*map(answered, wanted))
    return {"identity": identity, "ran": any(ran)}


async def answered(call: Any) -> bool:
    try:
        answer = await asyncio.wait_for(call, PATIENCE)
    except (TimeoutError, OSError, AttributeError, TypeError, ValueError):
        return False
    return not (isinstance(answer, dict) and answer.get("status") == "error")


async def main(kind: str, folder: str, host: str, *ports: str) -> None:
    got = await asyncio.gather(*(tried(kind, folder, host, port) for port in ports))
    print(json.dumps(dict(zip(ports, got, strict=True))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
