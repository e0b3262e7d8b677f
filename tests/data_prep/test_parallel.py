"""Work spread over processes: order, bounded memory, failures."""

from __future__ import annotations

import os

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


def threads_of_blas(_: int) -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] in ("blas", "openmp")]


def test_each_process_has_one_thread() -> None:
    """Sixteen processes of sixteen threads that wait for each other take ten times as long as sixteen of one."""
    (threads,) = in_order(threads_of_blas, [0], 1)
    assert threads and set(threads) == {1}


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(in_order(square, range(40), workers)) == [number * number for number in range(40)]


def test_items_are_taken_only_a_little_ahead() -> None:
    taken = []

    def items() -> object:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(square, items(), 2)  # type: ignore[arg-type]
    next(results)
    assert len(taken) <= 8
    results.close()  # type: ignore[attr-defined]


def test_errors_reach_the_caller() -> None:
    with pytest.raises(RarError, match="five"):
        list(in_order(fail_at_five, range(20), 2))
    assert list(in_order(square, range(3), 2)) == [0, 1, 4]


def test_a_dead_worker_is_one_line() -> None:
    with pytest.raises(RarError, match="a worker process died"):
        list(in_order(die_at_five, range(20), 2))
    assert list(in_order(square, range(3), 2)) == [0, 1, 4]


def test_cores() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
