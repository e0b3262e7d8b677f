"""The net of a run and the data it reads: crops as they are stored, or drawn anew at every visit.

What DATA/train holds decides it, here and nowhere else, so that a preset and the data cannot disagree.
"""

from __future__ import annotations

import json
from pathlib import Path

from layers.common.prepared import PATCHES, kind_of
from tools.model.net_files import read_message
from tools.model.text import net_text
from tools.model.weights import SAMPLES

HEADER = "# Made for this run by tools.train, which reads its training faces from patches.\n"
# Visits of the faces are numbered from here in the phase, so that the second does not see the crops of the first again.
FIRST_VISITS = {"warm_up": 0, "rar": 1_000_000}


def net_of_run(net: Path, data: Path, folder: Path, phase: str, seed: int) -> Path:
    """The training net of a phase: `net` itself, or a copy of it in `folder` that draws its crops from patches."""
    if kind_of(data / "train") != PATCHES:
        return net
    proto = read_message(net, "NetParameter")
    layer = next(layer for layer in proto.layer if layer.name == f"train{SAMPLES}")
    parameters = {**json.loads(layer.python_param.param_str), "seed": seed, "first_visit": FIRST_VISITS[phase]}
    layer.python_param.module, layer.python_param.layer = "data_prep.live.layer", "LiveSampleLayer"
    layer.python_param.param_str = json.dumps(parameters)
    path = folder / f"{phase}_train_val.prototxt"
    path.write_text(HEADER + net_text(proto))
    return path
