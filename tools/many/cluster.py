"""The workers: processes of this machine, or those of a Dask scheduler."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
from distributed import Client, LocalCluster

from layers.common.errors import RarError

WAIT_SCHEDULER, WAIT_WORKER, WAIT_RESTART = 5, 30, 300  # s
SETTINGS = Path(__file__).with_name("dask.yaml")


@contextmanager
def connected(scheduler: str | None, workers: int) -> Iterator[Client]:
    """A client of the scheduler at that address or, without one, of `workers` new processes of one thread each here.

    RarError when nobody answers there, or the scheduler has no workers.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what a user can act on is a RarError
    with _remote(scheduler) if scheduler else _local(workers) as client:
        yield client


@contextmanager
def _local(workers: int) -> Iterator[Client]:
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # for them: the processes are the parallelism
    quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": "127.0.0.1:0"}
    dask.config.update(dask.config.config, *dask.config.collect_yaml([SETTINGS]))
    with (
        dask.config.set({"distributed.scheduler.no-workers-timeout": WAIT_RESTART}),
        LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", **quiet) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _remote(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=WAIT_SCHEDULER)
    except (OSError, ValueError) as error:
        raise RarError(f"no Dask scheduler at {address} ({error}): start one with make many-scheduler") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT_WORKER)
        except TimeoutError:
            raise RarError(f"the scheduler at {address} has no workers: start some with make many-worker") from None
        yield client
