"""A net as prototxt for people: a line for every message, numbers as they were written, a comment before each part."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor

WIDTH = 150  # columns; a list of blobs that is longer goes over several lines
INLINE = ("name", "type", "bottom", "top")  # of a layer: on its first line

# The parts of the nets of network.py: the first pattern that the name of a layer matches, and what is said before it.
PARTS = (
    (r"train_samples|test_samples", "The faces: images from LMDB, shapes from HDF5; a set to train on, one to test on"),
    (r"data", "The crop: B, G, R minus the mean"),
    (r"scaled", "Small inputs for weights that start at random"),
    (r"(?:relu_)?conv([1-5])_\d|pool[1-5]", "conv1 to conv5: 3x3 convolutions"),
    (r"(?:relu_)?reduction", "reduction: a 1x1 convolution"),
    (r"(?:relu_)?deconv[67]", "deconv6, deconv7: back to the size of the crop"),
    (r"deconv7_conv8|conv8", "conv8: a map of scores for every landmark"),
    (r"conv8_read", "S_d: the peak of every landmark's map, at sub-pixel accuracy"),
    (r"initialisation", "The start s_hat_0, eqs. (9) to (11)"),
    (r"zero.*|cont|Reshape.*|Tile.*|gamma_uniform|[ar]_lstm_[ch]_0", "C_0 = h_0 = 0 of both LSTMs, and gamma = 1/L"),
    (r"deconv7_steps_read_(\d+)|pooled_(\d+)|Flatten.*|phi_(\d+)", "{step}: shape-indexed features phi, standardised"),
    (r"conv8_read_(\d+)|scaled_shift_(\d+)|phi_by_landmark_(\d+)|features_(\d+)", "{step}: the mean shift of conv8"),
    (r"a_phi_(\d+)|a_lstm_.*", "{step}: A-LSTM, eqs. (3) to (8); its h is the confidence of every landmark"),
    (r"centre_(\d+)", "{step}: attention centre, eq. (12), and the weights Gamma round it, eq. (15)"),
    (r"r_phi_(\d+)", "{step}: features weighted by Gamma, eq. (16)"),
    (r"r_lstm_.*", "{step}: R-LSTM, eqs. (3) to (8)"),
    (r"delta_(\d+)", "{step}: offset, eq. (17), and the next shape, eq. (19)"),
    (r"loss_conv8", "Loss of conv8: softmax over all places against a small blob, Sect. 3.1"),
    (r"loss_refinement_\d+", "Losses of the offsets, eq. (17)"),
    (r"loss_reward", "Minus the attention reward, eqs. (13), (14) and (18)"),
    (r"nme_.*", "Errors, which `caffe test` averages"),
    (r"silence", "Keeps what nothing reads out of the log"),
)  # fmt: skip


def net_text(proto: Any) -> str:
    """A NetParameter as text that reads back as the same message."""
    lines = [field for name, field in _fields(proto) if name != "layer"]
    said = ""
    for layer in proto.layer:
        part = comment(layer.name, said)
        if part != said:
            lines += ["", f"# {part}"]
            said = part
        lines += layer_lines(layer)
    return "\n".join(lines) + "\n"


def comment(name: str, before: str) -> str:
    """What is said of the part to which the layer `name` belongs; `before`: of the layer before it.

    A layer without a number of its own is of the step before it.
    """
    for pattern, words in PARTS:
        if match := re.fullmatch(pattern, name):
            number = next((group for group in match.groups() if group is not None), None)
            step = f"Step {int(number)}" if number is not None else before.partition(":")[0]
            return words.format(step=step) if "{step}" in words else words
    return before


def layer_lines(layer: Any) -> list[str]:
    """A layer: its name, type and blobs, then each other field on a line of its own."""
    fields = list(_fields(layer))
    head = " ".join(text for name, text in fields if name in INLINE)
    rest = [text for name, text in fields if name not in INLINE]
    whole = " ".join(["layer {", head, *rest, "}"])
    if len(rest) < 2 and len(whole) <= WIDTH:
        return [whole]
    first = textwrap.wrap(f"layer {{ {head}", WIDTH, subsequent_indent="        ", break_long_words=False)
    lines = _whole_fields(first)
    return [*lines, *(f"  {text}" for text in rest), "}"] if rest else [*lines[:-1], f"{lines[-1]} }}"]


def _whole_fields(lines: list[str]) -> list[str]:
    """Wrapped lines whose breaks are never between a field's name and its value."""
    kept: list[str] = []
    carried = ""
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        line = f"{indent}{carried}{line.strip()}" if carried else line
        name = re.search(r" (\w+:)$", line)
        carried = f"{name[1]} " if name else ""
        kept.append(line[: name.start()] if name else line)
    return kept


def _fields(message: Any) -> Iterator[tuple[str, str]]:
    """Name and text of every field that is set, repeated ones one by one, in the order of the message's definition."""
    for field, value in sorted(message.ListFields(), key=lambda pair: pair[0].index):
        repeated = field.label == FieldDescriptor.LABEL_REPEATED
        for one in value if repeated else [value]:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                inner = " ".join(text for _, text in _fields(one))
                yield field.name, f"{field.name} {{ {inner} }}" if inner else f"{field.name} {{ }}"
            else:
                yield field.name, f"{field.name}: {_scalar(field, one)}"


def _scalar(field: Any, value: Any) -> str:
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return np.format_float_positional(np.float32(value), unique=True, trim="-")
    if field.type == FieldDescriptor.TYPE_ENUM:
        return str(field.enum_type.values_by_number[value].name)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "true" if value else "false"
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"'{value}'" if '"' in value and "'" not in value else json.dumps(value, ensure_ascii=False)
    return str(value)
