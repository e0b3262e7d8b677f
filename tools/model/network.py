"""RAR as one page of net_spec: the CNN, the two LSTMs and the recurrence of Fig. 2, for any preset."""

from __future__ import annotations

import json
from typing import Any

from layers.common import paper
from layers.common.choices import DRAWING
from layers.common.gamma import PRINTED
from layers.common.schemes import scheme, stored
from layers.counterfactual import PARTS
from layers.quiet import caffe
from tools.model.presets import Preset

L, P = caffe.layers, caffe.params  # Caffe's own short names
Blob = Any
Net = Any
TRAIN, TEST = 0, 1

FEATURE_FLOOR = 0.25  # added to the variance of a feature, so that one that hardly varies stays small
HE = {"type": "msra"}
SMALL = {"type": "gaussian", "std": 0.01}
FIXED = {"lr_mult": 0, "decay_mult": 0}


def python_layer(
    kind: str,
    *bottoms: Blob,
    ntop: int = 1,
    blobs: int = 0,
    parameters: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """A Python layer "module.Class" of layers/, its parameters as JSON, its `blobs` blobs out of the solver's reach."""
    module, name = kind.split(".")
    python_param = {"module": f"layers.{module}", "layer": name, "param_str": json.dumps(parameters or {})}
    if blobs:
        options["param"] = [FIXED] * blobs
    return L.Python(*bottoms, ntop=ntop, python_param=python_param, **options)


# The CNN ------------------------------------------------------------------------------------------------------


def weights(lr: float) -> list[dict[str, float]]:
    """Learning rates and decays of a layer's weight and bias, Caffe's usual: the bias twice as fast, undecayed."""
    return [{"lr_mult": lr, "decay_mult": 1}, {"lr_mult": 2 * lr, "decay_mult": 0}]


def conv_relu(n: Net, name: str, bottom: Blob, channels: int, kernel: int, lr: float) -> Blob:
    """A convolution that keeps the size, and its ReLU in place."""
    n[name] = L.Convolution(
        bottom, num_output=channels, kernel_size=kernel, pad=kernel // 2, param=weights(lr), weight_filler=HE
    )
    n[f"relu_{name}"] = L.ReLU(n[name], in_place=True)
    return n[f"relu_{name}"]


def deconv_relu(n: Net, name: str, bottom: Blob, channels: int, lr: float) -> Blob:
    """A deconvolution that doubles the size (4x4, stride 2, pad 1), and its ReLU in place."""
    n[name] = L.Deconvolution(
        bottom,
        param=weights(lr),
        convolution_param={"num_output": channels, "kernel_size": 4, "stride": 2, "pad": 1, "weight_filler": HE},
    )
    n[f"relu_{name}"] = L.ReLU(n[name], in_place=True)
    return n[f"relu_{name}"]


def cnn(n: Net, data: Blob, preset: Preset, *, recurrent: bool) -> None:
    """conv1 ... conv5, reduction, deconv6, deconv7 and conv8, one map of scores per landmark at the crop's size.

    recurrent: deconv7 is read by the steps too, as `deconv7_steps`.
    """
    blob, lr = data, preset.cnn_lr if recurrent else 1
    if preset.input_scale != 1:
        n.scaled = blob = L.Power(data, scale=preset.input_scale)
    for stage in preset.stages:
        for i in range(1, stage.convolutions + 1):
            blob = conv_relu(n, f"{stage.name}_{i}", blob, stage.channels, 3, preset.stage_lr * lr)
        if stage.pool:
            name = f"pool{stage.name.removeprefix('conv')}"
            n[name] = blob = L.Pooling(blob, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    blob = conv_relu(n, "reduction", blob, preset.reduction, 1, lr)
    blob = deconv_relu(n, "deconv6", blob, preset.deconv6, lr)
    blob = deconv_relu(n, "deconv7", blob, preset.deconv7, lr)
    if recurrent:  # named here, or Caffe would split, and rename, what the steps read in place
        n.deconv7_conv8, n.deconv7_steps = L.Split(blob, ntop=2)
        blob = n.deconv7_conv8
    n.conv8 = L.Convolution(blob, num_output=preset.landmarks, kernel_size=1, param=weights(lr), weight_filler=SMALL)


def detection(n: Net, preset: Preset, *, recurrent: bool) -> None:
    """S_d and the confidence of its peaks; conv8 passes through in place (see HeatmapDecodeLayer).

    recurrent: the steps read conv8 too, and want the softmax's denominator.
    """
    tops = ["conv8_read", "s_d", "peak", *(["log_partition"] if recurrent and preset.shift_radius else [])]
    radius = {"radius": round(2 * preset.sigma)}
    found = python_layer("heatmap.HeatmapDecodeLayer", n.conv8, ntop=len(tops), parameters=radius)
    for name, top in zip(tops, found, strict=True):
        n[name] = top


# The recurrence -------------------------------------------------------------------------------------------------


def shared_product(name: str, bottom: Blob, units: int, lr: float, bias: float = 0) -> Blob:
    """W . bottom + b, the weights shared by name over the steps, uniform in [-0.1, 0.1] as the paper says."""
    weight, bias_rates = weights(lr)
    return L.InnerProduct(
        bottom,
        num_output=units,
        axis=2,
        param=[{"name": f"{name}_w", **weight}, {"name": f"{name}_b", **bias_rates}],
        weight_filler={"type": "uniform", "min": -paper.LSTM_UNIFORM, "max": paper.LSTM_UNIFORM},
        bias_filler={"type": "constant", "value": bias},
    )


def lstm(n: Net, name: str, t: int, phi: Blob, units: int, preset: Preset) -> tuple[Blob, Blob]:
    """Eqs. (3)-(8): the gates see [C, h, Phi], the candidate [h, Phi]. Returns C_{t+1}, h_{t+1} (1, N, units)."""
    c, h = n[f"{name}_c_{t}"], n[f"{name}_h_{t}"]
    looks = name == "a_lstm"
    rate = preset.attention_lr if looks else preset.refinement_lr
    open_by = preset.attention_gate_bias if looks else preset.gate_bias
    candidate_input = n[f"{name}_h_phi_{t}"] = L.Concat(h, phi, axis=2)
    gate_input = n[f"{name}_c_h_phi_{t}"] = L.Concat(c, candidate_input, axis=2)
    activations = []  # in the order LSTMUnit reads them; it applies the sigmoids and the tanh
    for part, bias in (("input", 0), ("forget", 0), ("output", open_by)):
        n[f"{name}_{part}_{t}"] = shared_product(f"{name}_{part}", gate_input, units, rate * preset.gate_lr, bias)
        activations.append(n[f"{name}_{part}_{t}"])
    n[f"{name}_candidate_{t}"] = shared_product(f"{name}_candidate", candidate_input, units, rate * preset.lstm_lr)
    n[f"{name}_gates_{t}"] = L.Concat(*activations, n[f"{name}_candidate_{t}"], axis=2)
    n[f"{name}_c_{t + 1}"], n[f"{name}_h_{t + 1}"] = L.LSTMUnit(c, n[f"{name}_gates_{t}"], n.cont, ntop=2)
    return n[f"{name}_c_{t + 1}"], n[f"{name}_h_{t + 1}"]


def constants(n: Net, preset: Preset) -> None:
    """C_0 = h_0 = 0 of both LSTMs, LSTMUnit's `cont` = 1 and gamma = 1/L for A-LSTM.

    Made from `data` by native layers: so they follow the batch size and, data having no gradient, cost no backward.
    """
    landmarks = preset.landmarks
    n.zero = L.Power(L.Reduction(n.data, axis=1, name="zero_per_image"), scale=0, name="zero")
    n.cont = L.Power(L.Reshape(n.zero, shape={"dim": [1, -1]}), shift=1)
    n.zero_column = L.Reshape(n.zero, shape={"dim": [-1, 1]})
    n.gamma_uniform = L.Power(L.Tile(n.zero_column, axis=1, tiles=landmarks), shift=1 / landmarks)
    n.zero_sequence = L.Reshape(n.zero, shape={"dim": [1, -1, 1]})
    for name, units in (("a_lstm", landmarks), ("r_lstm", 2 * landmarks)):
        for state in ("c", "h"):
            n[f"{name}_{state}_0"] = L.Tile(n.zero_sequence, axis=2, tiles=units)


def standardised(pooled: Blob) -> Blob:
    """Every feature at zero mean and unit deviation over training faces (tools/train/feature_statistics.py), (N, L F).

    deconv7's scale grows fortyfold while conv8 learns, and LSTMs that see it raw saturate and die; a mean common to
    all faces would swamp what tells them apart. A mini-batch of two has no statistics of its own, hence the fixed ones.
    """
    statistics = [{"name": f"phi_{name}", **FIXED} for name in ("mean", "variance", "count")]
    return L.BatchNorm(L.Flatten(pooled), use_global_stats=True, eps=FEATURE_FLOOR, param=statistics)


def attention(t: int, preset: Preset, *, training: bool) -> dict[str, Any]:
    """The parameters of step t's AttentionCentreLayer; of what is the layer's own default nothing."""
    chosen: dict[str, Any] = {"scheme": stored(preset.scheme), "weighting": preset.weighting, **reading(preset)}
    if policy(preset, training=training) != "argmax":
        chosen["policy"] = preset.policy
    if policy(preset, training=training) in DRAWING:
        chosen |= {"temperature": preset.temperature, "seed": preset.centre_seed, "step": t}
    elif preset.policy == "fixed":
        chosen["fixed_centre"] = fixed_order(preset)[t]
    if preset.no_repeat and t:
        chosen["no_repeat"] = True
    if training:
        chosen |= {"temperature": preset.temperature, "straight_through": preset.estimator == "straight_through"}
    return chosen


def fixed_order(preset: Preset) -> list[int]:
    """The centre of every step of policy "fixed": through the face, inner landmarks first and the contour last."""
    contour = scheme(preset.scheme).groups.get("contour", ())
    order = [*(i for i in range(preset.landmarks) if i not in contour), *contour]
    return [order[(2 * t + 1) * preset.landmarks // (2 * preset.steps)] for t in range(preset.steps)]


def policy(preset: Preset, *, training: bool) -> str:
    """The policy of the layers: what is drawn in training alone is in use the argmax."""
    return "argmax" if preset.policy == "sample" and not training else preset.policy


def reading(preset: Preset) -> dict[str, Any]:
    """How the layers are to read eq. (15); nothing for the reading they have without being told."""
    given = {"kappa": preset.gamma, "width": preset.gamma_width}
    return {name: value for name, value in given.items() if value != getattr(PRINTED, name)}


def centre(n: Net, t: int, confidence: Blob, preset: Preset, *, training: bool) -> None:
    """centre_t and gamma_t; in training, for what learns from it, policy_t."""
    bottoms = [confidence, n[f"s_hat_{t}"]]
    if policy(preset, training=training) in DRAWING:
        bottoms.append(n.face)
    if preset.no_repeat and t:
        bottoms.append(n[f"centre_{t - 1}"])
    tops = [f"centre_{t}", f"gamma_{t}"]
    if training and (preset.estimator != "straight_through" or preset.entropy_weight):
        tops.append(f"policy_{t}")
    kind, parameters = "attention.AttentionCentreLayer", attention(t, preset, training=training)
    for name, top in zip(tops, python_layer(kind, *bottoms, ntop=len(tops), parameters=parameters), strict=True):
        n[name] = top


def attention_features(n: Net, t: int, phi: Blob, preset: Preset) -> Blob:
    """What A-LSTM sees at step t, (1, N, ...): all landmarks' features alike, divided by L, and what else is given."""
    scale = {"scale": preset.attention_scale or preset.feature_scale}
    n[f"a_phi_{t}"] = seen = python_layer("reweight.ReweightLayer", phi, n.gamma_uniform, parameters=scale)
    others = []
    if preset.attention_history:
        others.append(n[f"history_{t}"] if t else n.a_lstm_h_0)
    if preset.attention_peak:
        others.append(n.peak_sequence)
    if others:
        n[f"a_input_{t}"] = seen = L.Concat(seen, *others, axis=2)
    return seen


def shift_features(n: Net, t: int, phi: Blob, preset: Preset) -> Blob:
    """phi with the mean shift of conv8 beside each landmark's features, (N, L, F + 2); conv8 passes in place."""
    n[f"conv8_read_{t}"], n[f"shift_{t}"] = python_layer(
        "mean_shift.MeanShiftLayer",
        n[f"conv8_read_{t - 1}"] if t else n.conv8_read,
        n.log_partition,
        n[f"s_hat_{t}"],
        ntop=2,
        parameters={"radius": preset.shift_radius},
    )
    n[f"scaled_shift_{t}"] = L.Power(n[f"shift_{t}"], scale=preset.shift_scale)
    n[f"phi_by_landmark_{t}"] = L.Reshape(phi, shape={"dim": [0, preset.landmarks, -1]})
    n[f"features_{t}"] = L.Concat(n[f"phi_by_landmark_{t}"], n[f"scaled_shift_{t}"], axis=2)
    return n[f"features_{t}"]


def step(n: Net, t: int, preset: Preset, *, training: bool) -> None:
    """One attentive-refinement step (Fig. 2C): s_hat_t -> s_hat_{t+1}."""
    s_hat, landmarks = n[f"s_hat_{t}"], preset.landmarks
    features = {"window": preset.window}
    kind = "shape_indexed.ShapeIndexedFeatureLayer"
    maps = n[f"deconv7_steps_read_{t - 1}"] if t else n.deconv7_steps  # what the step before passed on
    frozen = not preset.cnn_lr  # then Caffe would fill a gradient that nobody reads
    options: dict[str, Any] = {"propagate_down": [False, False]} if frozen else {}
    if t + 1 < preset.steps:
        both = python_layer(kind, maps, s_hat, ntop=2, parameters=features, **options)
        n[f"deconv7_steps_read_{t}"], pooled = both
    else:
        pooled = python_layer(kind, maps, s_hat, parameters=features, **options)
    n[f"pooled_{t}"] = pooled
    n[f"phi_{t}"] = phi = standardised(n[f"pooled_{t}"])
    if preset.shift_radius:
        phi = shift_features(n, t, phi, preset)

    _, confidence = lstm(n, "a_lstm", t, attention_features(n, t, phi, preset), landmarks, preset)
    centre(n, t, confidence, preset, training=training)
    if preset.attention_history and t + 1 < preset.steps:
        before = n[f"history_{t}"] if t else n.a_lstm_h_0
        n[f"history_{t + 1}"] = python_layer("history.CentreHistoryLayer", before, n[f"centre_{t}"])
    gamma = n[f"gamma_{t}"]
    n[f"r_phi_{t}"] = python_layer("reweight.ReweightLayer", phi, gamma, parameters={"scale": preset.feature_scale})
    _, h = lstm(n, "r_lstm", t, n[f"r_phi_{t}"], 2 * landmarks, preset)
    update: dict[str, Any] = {"alpha": preset.alpha}
    if preset.reading.twice:
        update["gamma_twice"] = True
    n[f"delta_{t}"], n[f"s_hat_{t + 1}"] = python_layer(
        "refinement.ShapeUpdateLayer", h, gamma, s_hat, ntop=2, parameters=update
    )
    if training and preset.estimator == "counterfactual":
        counterfactual_reward(n, t, phi, preset)


def counterfactual_reward(n: Net, t: int, phi: Blob, preset: Preset) -> None:
    """reward_t, what each landmark would have earned as the centre of step t, by R-LSTM's own weights."""
    parameters = {"alpha": preset.alpha, "scheme": stored(preset.scheme), "scale": preset.feature_scale}
    layer = python_layer(
        "counterfactual.CounterfactualRewardLayer",
        phi,
        n[f"r_lstm_c_{t}"],
        n[f"r_lstm_h_{t}"],
        n[f"s_hat_{t}"],
        n.shape,
        parameters=parameters | reading(preset) | even_weight(preset),
        param=[{"name": f"r_lstm_{part}_{kind}"} for part in PARTS for kind in "wb"],
        propagate_down=[False] * 5,
    )
    n[f"reward_{t}"] = layer


def start(n: Net, preset: Preset, pool: str) -> None:
    """s_hat_0 from s_d."""
    parameters = {
        "landmarks": preset.landmarks,
        "basis_size": preset.basis_size,
        "crop_size": preset.crop_size,
        "mode": preset.initialisation,
        "pool": pool,
        "fit": {"threshold": preset.fit.threshold, "supports": preset.fit.supports},
    }
    kind = "initialisation.InitialisationLayer"
    n.s_hat_0 = python_layer(kind, n.s_d, blobs=2, parameters=parameters, name="initialisation", propagate_down=False)


def recurrence(n: Net, preset: Preset, pool: str, *, training: bool) -> None:
    """s_hat_0 by robust initialisation, then T steps to s_hat_T."""
    start(n, preset, pool)
    constants(n, preset)
    if policy(preset, training=training) in DRAWING:
        n.face = python_layer("attention.FaceKeyLayer", n.data)
    if preset.attention_peak:
        n.peak_sequence = L.Reshape(n.peak, shape={"dim": [1, -1, preset.landmarks]})
    for t in range(preset.steps):
        step(n, t, preset, training=training)


# Losses and metrics -----------------------------------------------------------------------------------------------


def conv8_loss(n: Net, preset: Preset) -> None:
    """The softmax regression loss from conv8, its last reader."""
    last = f"conv8_read_{preset.steps - 1}"
    n.loss_conv8 = python_layer(
        "heatmap.SoftmaxRegressionLossLayer",
        n[last] if last in n.tops else n.conv8_read,
        n.shape,
        parameters={"sigma": preset.sigma},
        loss_weight=preset.conv8_weight,
    )


# Of each estimator of A-LSTM's gradient the layer, what of every step it reads, and how many blobs it keeps.
REWARDS = {
    "straight_through": ("reward.AttentionRewardLayer", ("gamma",), 0),
    "reinforce": ("reinforce.ReinforceLayer", ("gamma", "policy", "centre"), 1),
    "counterfactual": ("counterfactual.ExpectedRewardLayer", ("policy", "reward"), 0),
}


def recurrence_losses(n: Net, preset: Preset) -> None:
    """Eq. (18): the refinement losses and minus the attention reward."""
    steps = range(preset.steps)
    for t in steps:
        n[f"loss_refinement_{t}"] = python_layer(
            "refinement.RefinementLossLayer",
            n[f"delta_{t}"],
            n[f"s_hat_{t}"],
            n.shape,
            n[f"gamma_{t}"],
            loss_weight=preset.refinement_weight * preset.squared_scale,
        )
    kind, read, kept = REWARDS[preset.estimator]
    trajectory = [n.shape, *(n[f"s_hat_{t}"] for t in range(preset.steps + 1))] if "gamma" in read else []
    n.loss_reward = python_layer(
        kind,
        *trajectory,
        *(n[f"{name}_{t}"] for name in read for t in steps),
        blobs=kept,
        parameters={"eta": preset.eta, **(even_weight(preset) if trajectory else {})},
        loss_weight=preset.reward_weight * preset.squared_scale,
    )
    if preset.entropy_weight:
        policies = (n[f"policy_{t}"] for t in steps)
        n.loss_entropy = python_layer("entropy.PolicyEntropyLayer", *policies, loss_weight=preset.entropy_weight)


def even_weight(preset: Preset) -> dict[str, float]:
    """The weight of every landmark in a reward that is not weighted by Gamma; nothing for (14) as printed."""
    return {} if preset.reward == "weighted" else {"even_weight": preset.reading.even(preset.landmarks)}


def metrics(n: Net, preset: Preset, *shapes: str) -> None:
    """NME of the named shapes; of the last one in full. Scalars that `caffe test` averages."""
    kind, parameters = "metrics.MetricsLayer", {"scheme": stored(preset.scheme)}
    for name in shapes[:-1]:
        n[f"nme_pupil_{name}"] = python_layer(kind, n[name], n.shape, parameters=parameters)
    last = shapes[-1]
    figures = ["nme_pupil", "fr10", *(["nme_corner"] if scheme(preset.scheme).corners else [])]
    found = python_layer(kind, n[last], n.shape, ntop=len(figures), parameters=parameters)
    for figure, top in zip(figures, found, strict=True):
        n[f"{figure}_{last}"] = top


# The three nets of a preset -----------------------------------------------------------------------------------------


def train_val(preset: Preset, *, warm_up: bool) -> Any:
    """The training net: conv8 alone (`warm_up`), or all of RAR end to end. A caffe NetParameter."""
    n = caffe.NetSpec()
    source = {"source": "$DATA/train", "batch_size": preset.batch_size}
    n.data, n.shape = python_layer(
        "samples.SampleLayer", ntop=2, blobs=1, parameters=source, name="train_samples", include={"phase": TRAIN}
    )
    cnn(n, n.data, preset, recurrent=not warm_up)
    detection(n, preset, recurrent=not warm_up)
    if warm_up:
        conv8_loss(n, preset)
        metrics(n, preset, "s_d")
        silence(n, n.peak)
    else:
        recurrence(n, preset, pool="$DATA/shape_pool.h5", training=True)
        conv8_loss(n, preset)
        recurrence_losses(n, preset)
        metrics(n, preset, "s_d", "s_hat_0", f"s_hat_{preset.steps}")
        unread = [] if preset.attention_peak else [n.peak]
        silence(n, *unread, n[f"a_lstm_c_{preset.steps}"], n[f"r_lstm_c_{preset.steps}"])
    proto = finish(n, f"rar_{preset.name}" + ("_warm_up" if warm_up else ""))
    add_test_samples(proto)
    return proto


def deploy(preset: Preset) -> Any:
    """The net for use: an image crop in, every shape, centre and confidence out. A caffe NetParameter."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, preset.crop_size, preset.crop_size]})
    cnn(n, n.data, preset, recurrent=True)
    detection(n, preset, recurrent=True)
    recurrence(n, preset, pool="", training=False)
    return finish(n, f"rar_{preset.name}_deploy")


def silence(n: Net, *blobs: Blob) -> None:
    """Keep blobs that nothing reads out of the log, where Caffe prints every element of every output."""
    n.silence = L.Silence(*blobs, ntop=0)


def finish(n: Net, name: str) -> Any:
    """The NetParameter, with the in-place readers of deconv7 and conv8, which net_spec cannot express, put in place."""
    proto = n.to_proto()
    proto.name = name
    for layer in proto.layer:
        for blobs in (layer.bottom, layer.top):
            blobs[:] = [blob.split("_read")[0] for blob in blobs]
    return proto


def add_test_samples(proto: Any) -> None:
    """The TEST phase reads another set, one face at a time, so that any number of faces is tested exactly once."""
    train = proto.layer[0]
    test = type(train)()
    test.CopyFrom(train)
    test.name = "test_samples"
    test.include[0].phase = TEST
    test.python_param.param_str = json.dumps({"source": "$DATA/$TEST_SET", "batch_size": 1})
    later = [type(train).FromString(layer.SerializeToString()) for layer in proto.layer[1:]]
    del proto.layer[1:]
    proto.layer.extend([test, *later])
