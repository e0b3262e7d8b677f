"""Solver and net files with a mistake in them: one line, where Caffe itself would end the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from layers.common.errors import RarError
from layers.quiet import caffe
from tools.model import net_files
from tools.model.net_files import check_net, made_net, read_solver
from tools.model.presets import COMMITTED, TINY
from tools.model.prototxt import PROTOTXT, unchanged
from tools.model.trial import try_net


@pytest.mark.parametrize("name", COMMITTED)
def test_those_that_come_with_the_project(name: str) -> None:
    for file in ("solver", "solver_warm_up"):
        assert read_solver(PROTOTXT / name / f"{file}.prototxt").net
    for file in ("train_val", "train_val_warm_up", "deploy"):
        for phase in (caffe.TRAIN, caffe.TEST):
            check_net(PROTOTXT / name / f"{file}.prototxt", phase)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("base_lr:", "bas_lr:", 'line 10:1: Message type "caffe.SolverParameter" has no field named "bas_lr"'),
        ("momentum: 0.9", "momentum: nine", "Couldn't parse float"),
        ('"poly"', '"ploy"', "lr_policy 'ploy' is none of fixed, step"),
        ('"SGD"', '"Adma"', "type Adma is not SGD"),
        ("momentum: 0.9", "momentum: 9", "momentum 9 is not in 0 to 1"),
        ("base_lr: ", "base_lr: -", "is no rate"),
        ("test_iter: 100", "", "test_iter is not one number of faces"),
        ("net: ", "# ", "it names no net"),
    ],
)
def test_a_mistake_in_a_solver(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = (PROTOTXT / "tiny" / "solver.prototxt").read_text()
    assert old in text
    (tmp_path / "solver.prototxt").write_text(text.replace(old, new))
    with pytest.raises(RarError) as refused:
        read_solver(tmp_path / "solver.prototxt")
    line = str(refused.value)
    assert line.startswith(f"{tmp_path / 'solver.prototxt'}: ") and said in line and line.endswith("make prototxt")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('type: "Convolution"', 'type: "Convolutoin"', "is of the type 'Convolutoin', which Caffe has not"),
        ('bottom: "conv1_1"', 'bottom: "conv1_7"', "reads 'conv1_7', which no layer before it makes"),
        ('top: "conv2_1"', 'top: "conv1_1"', "makes 'conv1_1', as another layer does"),
        ("layer {", "layre {", 'has no field named "layre"'),
        ("num_output: 32", "num_output: many", "Couldn't parse integer"),
    ],
)
def test_a_mistake_in_a_net(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = (PROTOTXT / "tiny" / "deploy.prototxt").read_text()
    assert old in text
    (tmp_path / "net.prototxt").write_text(text.replace(old, new, 1))
    with pytest.raises(RarError) as refused:
        made_net(tmp_path / "net.prototxt", caffe.TEST)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kernel_size: 3", "kernel_size: 300", "layer 'conv1_1': Check failed: "),
        ("num_output: 32", "num_output: 0", "layer 'conv2_1': Check failed: num_output_ > 0"),
        ("dim: 64 dim: 64", "dim: 64 dim: 64000000", "layer 'data': Check failed: "),
        ("num_output: 32", "num_output: 999999999", "layer 'conv2_1': "),
    ],
)
def test_sizes_that_do_not_fit(old: str, new: str, said: str, tmp_path: Path) -> None:
    """Caffe ends the process that finds them: it is not this one."""
    text, file = (PROTOTXT / "tiny" / "deploy.prototxt").read_text(), tmp_path / "net.prototxt"
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(RarError) as refused:
        made_net(file, caffe.TEST, text)
    line = str(refused.value)
    assert line.startswith(f"{file}: Caffe cannot make this net ({said}") and line.endswith("make prototxt")


@pytest.mark.parametrize("name", ["compact", "tiny"])
def test_what_is_right_passes_the_trial(name: str) -> None:
    assert try_net(PROTOTXT / name / "deploy.prototxt", caffe.TEST) is None


def test_only_what_was_changed_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, tried, file = (PROTOTXT / "tiny" / "deploy.prototxt").read_text(), list[Path](), tmp_path / "net.prototxt"
    monkeypatch.setattr(net_files, "try_net", lambda path, phase: tried.append(path))
    for content in (text, text + "# mine\n"):
        file.write_text(content)
        made_net(file, caffe.TEST, unchanged(TINY, "deploy.prototxt"))
    assert tried == [file]


def test_a_wrong_word_in_a_python_layer(tmp_path: Path) -> None:
    text = (PROTOTXT / "tiny" / "deploy.prototxt").read_text()
    (tmp_path / "net.prototxt").write_text(text.replace("eta", "etta").replace("param_str: '{", "param_str: '{ ,", 1))
    with pytest.raises(RarError, match="param_str of .* is wrong"):
        made_net(tmp_path / "net.prototxt", caffe.TEST)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b""])
def test_no_text(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "solver.prototxt").write_bytes(content)
    with pytest.raises(RarError, match=f"{tmp_path}/solver.prototxt.*make prototxt"):
        read_solver(tmp_path / "solver.prototxt")
