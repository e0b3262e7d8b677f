"""The commands for many pictures on several machines; Dask is imported when they run."""

from __future__ import annotations

from pathlib import Path

import click

from tools.build.environment import usable_cores
from tools.common.addresses import SCHEDULER_PORT
from tools.common.paths import in_project

FOLDER = "certificates"
DAYS = 365
PATH = click.Path(path_type=Path)


def _in_project() -> Path:
    return in_project(FOLDER)


certificates_option = click.option(
    "--certificates",
    type=PATH,
    default=_in_project,
    help=f"folder made by many-certificates  [default: {FOLDER} in the project]",
)
listen_option = click.option(
    "--listen", default="127.0.0.1", show_default=True, help="address of this machine, for the others"
)


@click.command()
@click.option("--out", type=PATH, default=_in_project, help=f"new folder  [default: {FOLDER} in the project]")
@click.option("--days", default=DAYS, show_default=True, type=click.IntRange(1, 3650), help="how long they are good")
def certificates(out: Path, days: int) -> None:
    """Certificates by which several machines know each other.

    Writes the certificate of a new authority (ca.pem), and the one certificate with its key that scheduler, workers and
    command show each other (peer.pem, peer-key.pem). Whoever has the key can run programs on every machine of the
    cluster.
    """
    from tools.many.authority import write

    write(out, days)
    print(f"{out}: good for {days} days. Copy the folder to each machine of the cluster, and to nobody else.")


@click.command()
@listen_option
@click.option("--port", default=SCHEDULER_PORT, show_default=True, type=click.IntRange(0, 65535), help="0: any")
@certificates_option
@click.option("--dashboard", type=click.IntRange(1, 65535), help="port for Dask's status pages  [default: none]")
def scheduler(listen: str, port: int, certificates: Path, dashboard: int | None) -> None:
    """Dask's scheduler, for many pictures on several machines.

    Listens on one address alone. Peers show each other certificates, which may be missing only where no other machine
    can reach it: whoever reaches a scheduler without them can run programs on every worker.
    """
    from tools.many.scheduler import serve

    serve(listen, port, certificates, dashboard)


@click.command()
@click.argument("scheduler_address", metavar="tls://HOST:8786")
@listen_option
@certificates_option
@click.option("--workers", type=click.IntRange(1), help="processes  [default: one a core]")
def worker(scheduler_address: str, listen: str, certificates: Path, workers: int | None) -> None:
    """Processes of this machine, for many pictures on several.

    The address is the one that the scheduler prints. They listen on one address alone, by which scheduler and other
    workers reach them, and show certificates as the scheduler does.
    """
    from tools.many.workers import serve

    serve(scheduler_address, listen, certificates, workers or usable_cores())
