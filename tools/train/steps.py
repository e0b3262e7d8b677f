"""Train the steps alone on stored maps (tools.train.maps): the CNN as it is, not run again. What is done stays done.

Shapes, losses, layers and solver are those of tools.train with cnn_lr=0; the mini-batch may be larger than two.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from data_prep.manifest import FILE, read_manifest
from layers.common import metrics
from layers.common.errors import RarError, run_command
from layers.common.schemes import scheme
from layers.common.shape_pool import read_shape_pool
from layers.common.shapes import FloatArray
from layers.quiet import caffe
from tools.model import network, prototxt
from tools.model.about import write_about
from tools.model.caffe_net import forward, net_from
from tools.model.options import PATH, data_option, in_run, model_options_for
from tools.model.presets import Preset, preset
from tools.model.weight_file import read_weights
from tools.model.weights import drop_repeats, load_weights, owners
from tools.train.log import TrainingLog
from tools.train.maps import Maps, read_maps
from tools.train.run import STEPS

LOG_EVERY = 50
STATISTICS = 200  # crops from which the features' mean and variance are measured
PLACEHOLDER = 2  # px, of the image that no CNN reads


@dataclass(frozen=True)
class Source:
    """Maps and the starts s_hat_0 (N, L, 2) of a preset on them."""

    maps: Maps
    start: FloatArray
    number: int

    def put(self, net: Any, rows: np.ndarray) -> None:
        """Feed these rows, as many as the net's batch."""
        maps, blobs = self.maps, net.blobs
        blobs["deconv7_steps"].data[...] = maps.deconv7[rows]
        blobs["s_d"].data[...] = self.start[rows]
        if "shape" in blobs:
            blobs["shape"].data[...] = maps.shape[rows]
        if "conv8" in blobs:
            blobs["conv8"].data[...] = maps.conv8[rows]
            blobs["log_partition"].data[...] = maps.log_partition[rows]
        if "peak" in blobs:
            blobs["peak"].data[...] = maps.peak[rows]
        blobs["data"].data[...] = (rows + self.number).reshape(-1, 1, 1, 1)  # so that a face has a number of its own


def starts(chosen: Preset, pool: Path, maps: Maps) -> FloatArray:
    """s_hat_0 of every row, as the preset's InitialisationLayer makes it."""
    n = caffe.NetSpec()
    n.s_d = caffe.layers.Input(shape={"dim": list(maps.s_d.shape)})
    network.start(n, chosen, str(pool))
    net = net_from(n.to_proto())
    net.blobs["s_d"].data[...] = maps.s_d
    forward(net)
    return np.array(net.blobs["s_hat_0"].data)


def steps_net(chosen: Preset, batch: int, *, training: bool) -> Any:
    """The NetParameter of the recurrence on maps that are put into it; s_d is s_hat_0 here."""
    n, size = caffe.NetSpec(), chosen.crop_size
    sizes: dict[str, tuple[int, ...]] = {
        "data": (batch, 3, PLACEHOLDER, PLACEHOLDER),
        "deconv7_steps": (batch, chosen.deconv7, size, size),
        "s_d": (batch, chosen.landmarks, 2),
    }
    if training:
        sizes["shape"] = (batch, chosen.landmarks, 2)
    if chosen.shift_radius:
        sizes |= {"conv8_read": (batch, chosen.landmarks, size, size), "log_partition": (batch, chosen.landmarks)}
    if chosen.attention_peak:
        sizes["peak"] = (batch, chosen.landmarks)
    for name, shape in sizes.items():
        n[name] = caffe.layers.Input(shape={"dim": list(shape)})
    network.recurrence(n, replace(chosen, initialisation="direct"), pool="", training=training)
    if training:
        network.recurrence_losses(n, chosen)
    network.silence(n, n[f"a_lstm_c_{chosen.steps}"], n[f"r_lstm_c_{chosen.steps}"])
    return network.finish(n, f"rar_{chosen.name}_steps")


def standardise(net: Any, source: Source, batch: int) -> None:
    """The features' statistics, of the first step on the preset's own starts."""
    end = next(layer for layer, tops in net.top_names.items() if "pooled_0" in tops)
    rows = []
    for first in range(0, min(STATISTICS, len(source.maps) - batch), batch):
        source.put(net, np.arange(first, first + batch))
        forward(net, end=end)
        rows.append(net.blobs["pooled_0"].data.reshape(batch, -1).astype(np.float64))
    features = np.concatenate(rows)
    mean, variance, count = (blob.data for blob in net.params["phi_0"])
    mean[...], variance[...], count[...] = features.mean(0), features.var(0), 1


def shown(chosen: Preset) -> list[int]:
    """The stages whose error the log has."""
    return sorted({0, 1, 3, 5, 10, chosen.steps} & set(range(chosen.steps + 1)))


def logged(chosen: Preset) -> list[str]:
    """The columns of the log."""
    validation = [f"val_{t}" for t in shown(chosen)]
    return ["train_0", "train_T", "loss_refinement", *validation, "val_best", "commonest", "order", "landmarks"]


def validate(net: Any, chosen: Preset, source: Source, batch: int) -> dict[str, float]:
    """NME of some stages, per cent of the inter-pupil distance, and how much the choices of centres have in common."""
    stages, centres, faces = [], [], len(source.maps)
    for first in range(0, faces, batch):
        rows = np.minimum(np.arange(first, first + batch), faces - 1)
        source.put(net, rows)
        forward(net)
        kept = min(batch, faces - first)
        stages.append(np.stack([net.blobs[f"s_hat_{t}"].data[:kept] for t in range(chosen.steps + 1)], 1))
        centres.append(np.stack([net.blobs[f"centre_{t}"].data[:kept, 0] for t in range(chosen.steps)], 1))
    errors = metrics.stage_errors(np.concatenate(stages), source.maps.shape, scheme(chosen.scheme), "pupil")
    looked = np.concatenate(centres).astype(int)
    found = {f"val_{t}": 100 * float(errors[:, t].mean()) for t in shown(chosen)}
    common = [np.bincount(step).max() / faces for step in looked.T]
    orders = Counter(map(tuple, looked.tolist()))
    found["val_best"] = 100 * float(errors.mean(0).min())
    found["commonest"] = 100 * float(np.mean(common))
    found["order"] = 100 * orders.most_common(1)[0][1] / faces
    found["landmarks"] = len(np.unique(looked))
    return found


def save(net: Any, chosen: Preset, weights: Path, pool: Path, path: Path) -> None:
    """The whole model: the CNN of `weights`, the steps of `net`, the shape pool."""
    whole = net_from(network.deploy(chosen), caffe.TEST)
    load_weights(whole, read_weights(weights), ("conv", "reduction", "deconv"), (*STEPS, "phi_0"))
    fresh = dict(owners(net))
    for name, blobs in owners(whole):
        if name in fresh and name != "initialisation":
            for blob, new in zip(blobs, fresh[name], strict=True):
                blob.data[...] = new.data
    shapes = read_shape_pool(pool)
    for blob, value in zip(whole.params["initialisation"], (shapes.centres, shapes.mean_shape), strict=True):
        blob.data[...] = value
    whole.save(str(path))
    drop_repeats(path, whole)


@click.command(help=__doc__)
@model_options_for("compact")
@data_option()
@click.option("--maps", "stored", type=PATH, required=True, help="folder of tools.train.maps, of the same weights")
@in_run("--out", "", "folder of the run: weights and log.csv")
@click.option("--iterations", type=click.IntRange(1), help="[default: the preset's]")
@click.option("--batch", default=16, show_default=True, type=click.IntRange(1), help="faces of a mini-batch")
@click.option("--base-lr", type=click.FloatRange(0, min_open=True), help="[default: the preset's]")
@click.option("--clip", type=click.FloatRange(0, min_open=True), help="largest gradient norm  [default: the preset's]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1))
@click.option("--steps-from", type=PATH, help="weights whose steps are gone on with, in place of new ones")
def main(
    name: str,
    weights: Path,
    data: Path,
    stored: Path,
    out: Path,
    iterations: int | None,
    batch: int,
    base_lr: float | None,
    clip: float | None,
    seed: int,
    steps_from: Path | None,
) -> None:
    chosen, result = replace(preset(name), cnn_lr=0.0), out / "rar.caffemodel"
    if result.is_file():
        print(result)
        return
    out.mkdir(parents=True, exist_ok=True)
    pool = data / "shape_pool.h5"
    sources = {}
    for number, part in enumerate(("train", "val")):
        maps = read_maps(stored, part)
        sources[part] = Source(maps, kept_starts(chosen, pool, maps, stored, part), number << 20)
    phase = chosen.end_to_end
    phase = replace(
        phase,
        iterations=iterations or phase.iterations,
        base_lr=base_lr or phase.base_lr,
        clip_gradients=clip or phase.clip_gradients,
    )
    solver = make_solver(chosen, phase, batch, seed, out)
    net = solver.net
    if steps_from:
        load_weights(net, read_weights(steps_from), STEPS)
    standardise(net, sources["train"], batch)
    tested = net_from(steps_net(chosen, batch, training=False), caffe.TEST)
    tested.share_with(net)
    run(solver, tested, chosen, sources, batch, seed, out / "log.csv")
    save(net, chosen, weights, pool, result)
    if (data / FILE).is_file():
        write_about(result, chosen, read_manifest(data))
    print(result)


def make_solver(chosen: Preset, phase: Any, batch: int, seed: int, out: Path) -> Any:
    """Caffe's solver of the steps; its files lie in `out`."""
    caffe.set_random_seed(seed)
    (out / "steps.prototxt").write_text(str(steps_net(chosen, batch, training=True)))
    text = prototxt.solver(chosen, phase, str(out / "steps.prototxt"), "steps")
    kept = [line for line in text.splitlines() if not line.startswith(("test_", "display", "snapshot", "random_seed"))]
    (out / "solver.prototxt").write_text("\n".join([*kept, f"random_seed: {seed}", "snapshot: 0", "display: 0", ""]))
    solver = caffe.SGDSolver(str(out / "solver.prototxt"))
    for blob in solver.net.params["initialisation"]:  # unused here; Caffe wants every blob to be there
        blob.data[...] = blob.diff[...] = 0
    return solver


def kept_starts(chosen: Preset, pool: Path, maps: Maps, stored: Path, part: str) -> FloatArray:
    """The starts, made once for all presets that start alike."""
    if chosen.initialisation == "direct":
        return maps.s_d
    how = chosen.initialisation
    if how == "robust":
        how += f"_{chosen.support}_{chosen.inlier_threshold:g}"
    path = stored / f"{part}_start_{how}.npy"
    if not path.is_file():
        np.save(path, starts(chosen, pool, maps))
    return np.asarray(np.load(path))


def run(
    solver: Any, tested: Any, chosen: Preset, sources: dict[str, Source], batch: int, seed: int, path: Path
) -> None:
    """Train to the end, the faces in an order of their own each time round."""
    net, train, began = solver.net, sources["train"], time.monotonic()
    log = TrainingLog(path, "steps", 0, logged(chosen))
    draw, order = np.random.default_rng([seed, 1]), np.zeros(0, int)
    iterations = solver.param.max_iter
    often = max(iterations // 2, 1)
    kind, seen = scheme(chosen.scheme), []
    while solver.iter < iterations:
        if len(order) < batch:
            order = draw.permutation(len(train.maps))
        rows, order = order[:batch], order[batch:]
        train.put(net, rows)
        solver.step(1)
        shapes = np.stack([net.blobs[f"s_hat_{t}"].data for t in (0, chosen.steps)], 1)
        errors = 100 * metrics.stage_errors(shapes, train.maps.shape[rows], kind, "pupil").mean(0)
        losses = [float(net.blobs[f"loss_refinement_{t}"].data) for t in range(chosen.steps)]
        if not np.isfinite(losses).all():
            raise RarError(f"the loss is not finite at iteration {solver.iter}: lower --base-lr")
        seen.append([*errors, np.mean(losses)])
        due = solver.iter % often == 0 or solver.iter == iterations
        if solver.iter % LOG_EVERY == 0 or due:
            means = dict(zip(("train_0", "train_T", "loss_refinement"), np.mean(seen, axis=0), strict=True))
            seen = []
            if due:
                means |= validate(tested, chosen, sources["val"], batch)
                print(solver.iter, " ".join(f"{k} {v:.4g}" for k, v in means.items()), flush=True)
            log.write(solver.iter, time.monotonic() - began, solver.lr, means)


if __name__ == "__main__":
    run_command(main)
