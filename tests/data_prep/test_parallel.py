"""Work spread over processes: order, bounded memory, failures."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info

from data_prep.parallel import cores, in_order
from layers.common.errors import RarError


def square(number: int) -> int:
    return number * number


def fail_at_five(number: int) -> int:
    if number == 5:
        raise RarError("five")
    return number


def die_at_five(number: int) -> int:
    if number == 5:
        os._exit(1)
    return number


def die_once_at_five(died: Path, number: int) -> int:
    if number == 5 and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def lost(item: object) -> Any:
    raise AssertionError(f"{item} is lost")


def threads_of_blas(_: int) -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] in ("blas", "openmp")]


def test_each_process_has_one_thread() -> None:
    """Sixteen processes of sixteen threads that wait for each other take ten times as long as sixteen of one."""
    (threads,) = in_order(threads_of_blas, [0], 1, lost)
    assert threads and set(threads) == {1}


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(in_order(square, range(40), workers, lost)) == [number * number for number in range(40)]


def test_items_are_taken_only_a_little_ahead() -> None:
    taken = []

    def items() -> object:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(square, items(), 2, lost)  # type: ignore[arg-type]
    next(results)
    assert len(taken) <= 8
    results.close()  # type: ignore[attr-defined]


def test_errors_reach_the_caller() -> None:
    with pytest.raises(RarError, match="five"):
        list(in_order(fail_at_five, range(20), 2, lost))
    assert list(in_order(square, range(3), 2, lost)) == [0, 1, 4]


def test_whoever_kills_a_process_is_named_and_the_rest_is_done() -> None:
    """What was under way in the other process is done again, and none is done twice."""
    found = list(in_order(die_at_five, range(20), 2, lambda number: -number))
    assert found == [*range(5), -5, *range(6, 20)]
    assert list(in_order(square, range(3), 2, lost)) == [0, 1, 4]


def test_a_process_that_dies_by_accident_costs_nothing(tmp_path: Path) -> None:
    """As when the system ends one for want of memory, and each alone has enough."""
    found = list(in_order(partial(die_once_at_five, tmp_path / "died"), range(20), 2, lost))
    assert found == list(range(20)) and (tmp_path / "died").exists()


def test_cores() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
