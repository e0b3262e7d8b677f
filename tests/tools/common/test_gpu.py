"""Which GPUs are meant, and what is said where Caffe can use none."""

from __future__ import annotations

import pytest

from layers.common.errors import RarError
from tools.build.environment import caffe_folder
from tools.common.gpu import check_gpu, gpu_numbers


@pytest.mark.parametrize(
    ("text", "numbers"), [("", ()), ("0", (0,)), ("0,1", (0, 1)), ("3 1", (3, 1)), (" 2, 10 ", (2, 10))]
)
def test_lists_of_gpus(text: str, numbers: tuple[int, ...]) -> None:
    assert gpu_numbers(text) == numbers


@pytest.mark.parametrize("text", ["all", "-1", "0,0", "0;1", "1.5"])
def test_other_lists_are_refused(text: str) -> None:
    with pytest.raises(RarError, match="is no list of GPUs: give their numbers, as 0 or 0,1"):
        gpu_numbers(text)


def test_a_caffe_of_the_cpu_alone_says_so() -> None:
    if "cpu" not in caffe_folder().name:
        pytest.skip("this Caffe was built for GPUs")
    with pytest.raises(RarError, match="cannot use GPU 3, this Caffe was built for the CPU alone: make caffe CUDA=1"):
        check_gpu(3)
