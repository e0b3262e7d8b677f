"""The Makefile: every target a call of the launcher, every variable one word of it, whatever is in the variable."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

import pytest

from tools import PROJECT
from tools.cli.table import COMMANDS, PLAIN
from tools.model.presets import PRESETS

TEXT = (PROJECT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z0-9-]+):.*##", TEXT, re.M)
ODD = '/t/my runs/it\'s "c" `x` $$(y) ;&'  # $$ is make's $
SEEN = ODD.replace("$$", "$")


def commands(*words: str, **environment: str) -> list[str]:
    """The words of the one command that a target would run."""
    kept = {"PATH": os.environ["PATH"]}
    shown = subprocess.run(
        ["make", "-n", *words], cwd=PROJECT, env=kept | environment, capture_output=True, text=True, check=True
    )
    return shlex.split(shown.stdout.replace("\\\n", " "))


@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"help", "clean"}))
def test_a_target_is_a_call_of_the_launcher(target: str) -> None:
    launcher, name, *_ = commands(target)
    assert launcher == "./rar-caffe" and name in {*COMMANDS, *PLAIN}


@pytest.mark.parametrize(
    ("target", "variable", "option"),
    [
        ("data-300w", "W300", "--raw"), ("data-300w", "DATA", "--out"), ("data-300w", "OCCLUDERS", "--occluders"),
        ("data-cofw", "COFW", "--raw"), ("data-aflw", "AFLW_DATA", "--out"), ("train-300w", "DATA", "--data"),
        ("train-300w", "OUT", "--out"), ("train-300w", "WARM_UP", "--warm-up"), ("test-300w", "OUT", "--run"),
        ("test-300w", "WEIGHTS", "--weights"), ("test-cofw", "COFW_DATA", "--data"), ("detect", "BOXFILE", "--boxes"),
        ("detect-many", "LIST", "--list"), ("onnx", "ONNX", "--out"), ("test-onnx", "ONNX", "--onnx"),
        ("report", "REPORT", "--out"), ("tables", "RUNS", "--runs"), ("demo", "DEMO", "--out"),
        ("ship", "COMMANDS", "--commands"), ("bench", "TORCH_PYTHON", "--torch-python"),
        ("vgg19", "VGG19", "--caffemodel"),
    ],
)  # fmt: skip
def test_a_variable_is_one_word(target: str, variable: str, option: str) -> None:
    words = commands(target, f"{variable}={ODD}")
    assert words[words.index(option) + 1] == SEEN


def test_a_set_of_odd_data() -> None:
    words = commands("test-occlusion", f"DATA={ODD}", "TEST_SET=lfpw")
    assert words[words.index("--data") + 1] == f"{SEEN}/lfpw"
    assert commands("check-data", f"DATA={ODD}")[-1] == SEEN


def test_what_the_shell_has_for_purposes_of_its_own_is_not_taken() -> None:
    """`make env` exports DATA and TEST_SET; conda sets HOST."""
    own = {"DATA": "data/300w_256", "TEST_SET": "ibug", "HOST": "x86_64-conda-linux-gnu", "PORT": "1"}
    assert commands("data-300w", "W300=w", "PRESET=compact", **own)[2:] == ["300w", "--raw", "w", "--preset", "compact"]
    assert commands("web", **own) == ["./rar-caffe", "web"]
    assert "ibug" not in commands("calibrate", **own)
    assert commands("train-300w", PRESET="tiny")[2:] == ["--preset", "tiny"], "others are"


def test_no_facts_of_presets() -> None:
    bare = re.sub(r"##.*|#.*", "", TEXT)
    assert not [name for name in PRESETS if re.search(rf"\b{name}\b", bare) and name != "vgg19"]
    assert "SIZE" not in bare and "caffemodel" not in bare.replace("--caffemodel", "").replace("option,caffemodel", "")
