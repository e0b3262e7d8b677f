"""Reading solver and net files, which a person may have changed: Caffe itself ends the process at the first mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import text_format

from layers.common.errors import RarError, reason
from layers.quiet import caffe
from tools.model.trial import try_net

REMEDY = "mend it, or write it anew with make prototxt"
POLICIES = ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid")  # of learning rates


def read_message(path: Path, kind: str) -> Any:
    """A message of Caffe's from a text file; RarError with the line when it is none."""
    message = getattr(caffe.proto.caffe_pb2, kind)()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), message)
    except OSError as error:
        raise RarError(f"cannot read {path} ({error.strerror}): {REMEDY}") from error
    except (text_format.ParseError, ValueError) as error:
        raise RarError(f"{path}: line {str(error).replace(' : ', ': ', 1).rstrip('.')}: {REMEDY}") from error
    return message


def read_solver(path: Path) -> Any:
    """The SolverParameter of a file; RarError for what Caffe's SGD would die of, or take without a word."""
    solver = read_message(path, "SolverParameter")
    for wrong, words in (
        (not solver.net, "it names no net"),
        (solver.type != "SGD", f"type {solver.type} is not SGD, which the training is made for"),
        (solver.lr_policy not in POLICIES, f"lr_policy {solver.lr_policy!r} is none of {', '.join(POLICIES)}"),
        (not 0 < solver.base_lr < float("inf"), f"base_lr {solver.base_lr:g} is no rate"),
        (not 0 <= solver.momentum < 1, f"momentum {solver.momentum:g} is not in 0 to 1"),
        (not 0 <= solver.weight_decay < float("inf"), f"weight_decay {solver.weight_decay:g} is no weight"),
        (len(solver.test_iter) != 1 or solver.test_iter[0] < 1, "test_iter is not one number of faces"),
    ):
        if wrong:
            raise RarError(f"{path}: {words}: {REMEDY}")
    return solver


def check_net(path: Path, phase: int) -> Path:
    """The path of a net file, once its layers are of types that Caffe has and read what is made before them."""
    net, made = read_message(path, "NetParameter"), set[str]()
    types = set(caffe.layer_type_list())
    for layer in net.layer:
        if layer.include and all(rule.HasField("phase") and rule.phase != phase for rule in layer.include):
            continue
        lacking = next((name for name in layer.bottom if name not in made), None)
        twice = next((name for name in layer.top if name in made and name not in layer.bottom), None)
        for wrong, words in (
            (layer.type not in types, f"is of the type {layer.type!r}, which Caffe has not"),
            (lacking, f"reads {lacking!r}, which no layer before it makes"),
            (twice, f"makes {twice!r}, as another layer does"),
        ):
            if wrong:
                raise RarError(f"{path}: layer {layer.name!r} {words}: {REMEDY}")
        made.update(layer.top)
    return path


def made_net(path: Path, phase: int, text: str | None = None) -> Any:
    """The net of a file; RarError as `check_net`, and for all else that Caffe makes no net of.

    text: what the file is when nobody has changed it; another one is tried in a process of its own first.
    """
    check_net(path, phase)
    if path.read_text(encoding="utf-8") != text and (why := try_net(path, phase)):
        raise RarError(f"{path}: Caffe cannot make this net ({why}): {REMEDY}")
    try:
        return caffe.Net(str(path), phase)
    except (RuntimeError, ValueError, TypeError) as error:
        raise RarError(f"{path}: Caffe cannot make this net ({reason(error)}): {REMEDY}") from error
