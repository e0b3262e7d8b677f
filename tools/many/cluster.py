"""The workers: processes of this machine, or those of a Dask scheduler."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
from distributed import Client, LocalCluster, Security

from layers.common.errors import RarError
from tools.many.peer import for_scheduler
from tools.many.serving import reason, use_settings

HERE = "127.0.0.1"
WAIT_SCHEDULER, WAIT_WORKER, WAIT_RESTART = 5, 30, 300  # s


@contextmanager
def connected(scheduler: str | None, certificates: Path, workers: int) -> Iterator[Client]:
    """A client of the scheduler at that address or, without one, of `workers` new processes of one thread each here.

    Those here talk by TLS with certificates that only they have, on the loopback address. RarError when nobody answers
    at the scheduler's address, the scheduler has no workers, or as `for_scheduler`.
    """
    use_settings(quiet=logging.CRITICAL)  # what a user can act on is a RarError
    with _remote(scheduler, certificates) if scheduler else _local(workers) as client:
        yield client


@contextmanager
def _local(workers: int) -> Iterator[Client]:
    with (
        dask.config.set({"distributed.scheduler.no-workers-timeout": WAIT_RESTART}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host=HERE,
            security=Security.temporary(),
            scheduler_kwargs={"dashboard": False, "dashboard_address": [(HERE, 0)]},
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _remote(scheduler: str, certificates: Path) -> Iterator[Client]:
    there = for_scheduler(scheduler, certificates)
    try:
        client = Client(str(there), timeout=WAIT_SCHEDULER, security=there.security)
    except (OSError, ValueError) as error:
        start = f"start one with make many-scheduler{', with the same certificates' if there.security else ''}"
        raise RarError(f"no Dask scheduler at {there} ({reason(error)}): {start}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT_WORKER)
        except TimeoutError:
            raise RarError(f"the scheduler at {there} has no workers: start some with make many-worker") from None
        yield client
