"""The presets: every size and setting of a network that the paper leaves open; the paper's own: layers.common.paper.

`vgg19` is the paper's network, with nothing that the paper does not have. `vgg19_plus` has our additions; the others
are that at other sizes. Those that are trained and taught from have a folder under prototxt/. Files of the others, and
of variants such as "vgg19_128+steps=8", are made where they are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from layers.common import paper
from layers.common.errors import RarError
from layers.common.face_fit import FitSettings
from layers.common.gamma import GammaReading
from layers.common.scheme_file import read_scheme
from layers.common.schemes import made_known
from layers.common.schemes import scheme as known_scheme
from tools.model.settings import SETTINGS, changed, check


@dataclass(frozen=True)
class Stage:
    """`convolutions` 3x3 convolutions of `channels` each, then a 2x2 max-pool if `pool`."""

    name: str
    channels: int
    convolutions: int
    pool: bool = False


@dataclass(frozen=True)
class Phase:
    """One run of the solver. Learning rates fall linearly to zero over `iterations` (policy "poly", power 1)."""

    base_lr: float
    iterations: int
    clip_gradients: float
    snapshot: int
    test_interval: int


@dataclass(frozen=True)
class Preset:
    """A network and its training.

    crop_size: px. stages: conv1 ... conv5. pretrained: conv1 ... conv5 start from VGG-19 and learn at
    `stage_lr` times the base rate. reduction, deconv6, deconv7: channels.
    cnn_lr: multiplies the rates of conv1 ... conv8 in the second phase. 0 keeps the CNN as it is: then no gradient goes
        through it, and an iteration takes a third of the time.
    sigma: width of conv8's target blob, px; window: b of the shape-indexed features, px;
    gamma, gamma_width: how eq. (15) is read, "sum" or "peak", and its width in inter-pupil distances
        (layers/common/gamma.py). "peak" brings scales and rates of its own, as its weights are L times as large.
    feature_scale: of the weighted features as R-LSTM sees them; attention_scale: of the features divided by L as
        A-LSTM sees them, 0 for the same as feature_scale.
    attention_history, attention_peak: A-LSTM sees how often each landmark has been the centre, and conv8's peaks.
    shift_radius, shift_scale: half the window, px, in which the mean shift of conv8 is a feature too, beside those of
        deconv7 (layers/mean_shift.py), and its weight, per px, beside theirs; radius 0: no such feature.
    support, inlier_threshold: of the robust start, the number of basis shapes combined, |c|_0 of eq. (11), and the
        residual, in inter-pupil distances, above which a landmark counts in |S - S_d|_0. Support 0: 40 or 100,
        whichever has the lower objective. Fewer shapes repeat fewer errors of S_d and leave more to the steps.
    conv8_weight, refinement_weight, reward_weight: weights of the three losses, the last two on px^2 of a 256 px crop.
        The paper's (18) has one weight for the last two.
    input_scale: multiplies the image; 1 for VGG-19's weights, small for weights that start at random.
    lstm_lr, gate_lr: learning rates of the LSTMs' candidates and of their gates, times the base rate. A shape that is
        good already is made worse by untrained LSTMs; with one rate for both, the gates learn to shut before the
        candidates learn anything, and stay shut.
    attention_lr, refinement_lr: multiply the rates of A-LSTM and of R-LSTM; 0 keeps one as it is.
    gate_bias, attention_gate_bias: initial bias of R-LSTM's and of A-LSTM's output gate.
    estimator: A-LSTM's gradient. "straight_through": of the reward and of (17), back through (19), (17) and (16) to the
        weights and as if these were sum_c p_c Gamma(c); the reward teaches R-LSTM too. "counterfactual": of the mean
        reward of every centre's own next shape, one step. "reinforce": of the rewards of sampled centres. The last
        two leave R-LSTM to (17).
    reward: "weighted" by Gamma, (14) as printed, or "unweighted".
    entropy_weight: of the policies' entropy, nats, in the loss.
    initialisation, weighting, policy, no_repeat: as the layers' own docstrings say (layers/initialisation.py,
        attention.py). Policy "fixed" walks through the face, inner landmarks first and the contour last.
    centre_seed: of the policies that draw.
    flip_test: shapes are the means of those on the crop and on its mirror image: for users of the net, and not in it.
    """

    name: str
    crop_size: int
    stages: tuple[Stage, ...]
    pretrained: bool
    reduction: int
    deconv6: int
    deconv7: int
    sigma: float
    window: int
    feature_scale: float
    warm_up: Phase
    end_to_end: Phase
    batch_size: int = paper.BATCH_SIZE
    landmarks: int = 68
    scheme: str = "68"
    basis_size: int = 100
    support: int = 0
    inlier_threshold: float = FitSettings.threshold
    shift_radius: int = 0
    shift_scale: float = 1.0
    steps: int = paper.STEPS
    input_scale: float = 1.0
    stage_lr: float = 1.0
    cnn_lr: float = 1.0
    lstm_lr: float = 800.0
    gate_lr: float = 24.0
    conv8_weight: float = 1.0
    refinement_weight: float = 0.1
    reward_weight: float = 0.1
    gate_bias: float = 1.0
    attention_gate_bias: float = 1.0
    eta: float = 0.9
    temperature: float = 0.1
    initialisation: str = "robust"
    gamma: str = GammaReading.kappa
    gamma_width: float = GammaReading.width
    weighting: str = "gaussian"
    policy: str = "argmax"
    no_repeat: bool = False
    centre_seed: int = 0
    estimator: str = "straight_through"
    reward: str = "weighted"
    entropy_weight: float = 0.0
    attention_scale: float = 0.0
    attention_history: bool = False
    attention_peak: bool = False
    attention_lr: float = 1.0
    refinement_lr: float = 1.0
    flip_test: bool = False

    @property
    def fit(self) -> FitSettings:
        """How the robust start is fitted; RarError for what no fit can have."""
        supports = (self.support,) if self.support else FitSettings.supports
        return FitSettings(threshold=self.inlier_threshold, supports=supports)

    @property
    def reading(self) -> GammaReading:
        """How eq. (15) is read; RarError for what it cannot be."""
        return GammaReading(self.gamma, self.gamma_width)

    @property
    def alpha(self) -> float:
        """alpha of eq. (17), scaled with the crop, px."""
        return paper.ALPHA * self.crop_size / paper.IMAGE_SIZE

    @property
    def squared_scale(self) -> float:
        """Turns px^2 of this crop into px^2 of the paper's 256 px crop."""
        return (paper.IMAGE_SIZE / self.crop_size) ** 2


VGG19_STAGES = (
    Stage("conv1", 64, 2, pool=True),
    Stage("conv2", 128, 2, pool=True),
    Stage("conv3", 256, 4),
    Stage("conv4", 512, 4),
    Stage("conv5", 512, 4),
)

VGG19 = Preset(
    name="vgg19",
    crop_size=256,
    stages=VGG19_STAGES,
    pretrained=True,
    reduction=128,
    deconv6=96,
    deconv7=96,
    sigma=3.0,
    window=5,
    feature_scale=2.5,
    stage_lr=0.1,
    lstm_lr=50.0,
    gate_lr=1.5,
    warm_up=Phase(base_lr=0.01, iterations=20000, clip_gradients=10, snapshot=500, test_interval=2000),
    end_to_end=Phase(base_lr=0.002, iterations=6000, clip_gradients=12, snapshot=500, test_interval=2000),
)

VGG19_PLUS = replace(
    VGG19,
    name="vgg19_plus",
    batch_size=16,
    feature_scale=0.3,
    attention_scale=1.0,
    support=10,
    inlier_threshold=0.2,
    shift_radius=6,
    shift_scale=40.0,
    lstm_lr=27.0,
    gate_lr=0.2,
    refinement_weight=0.75,
    reward_weight=0.75,
    warm_up=replace(VGG19.warm_up, base_lr=0.03),
    end_to_end=replace(VGG19.end_to_end, clip_gradients=3),
)

VGG19_128 = replace(
    VGG19_PLUS,
    name="vgg19_128",
    batch_size=paper.BATCH_SIZE,
    crop_size=128,
    sigma=1.5,
    window=3,
    shift_radius=3,
    shift_scale=80.0,
    warm_up=VGG19.warm_up,
    end_to_end=replace(VGG19_PLUS.end_to_end, iterations=60000),
)


def basis_size(landmarks: int) -> int:
    """How many basis shapes suit so many landmarks: five vary in six ways beside a similarity, and 50 span them."""
    return min(Preset.basis_size, 10 * landmarks)


def _with_scheme(base: Preset, name: str, scheme: str) -> Preset:
    """The preset `base` for another landmark scheme.

    Gamma sums to 1, so with fewer landmarks each weighs more: features are scaled to reach the LSTMs as strong as
    before, and rates lowered by the square by which alpha Gamma, the lever of an LSTM's output on the shape, has grown.
    """
    landmarks = known_scheme(scheme).landmarks
    share = landmarks / base.landmarks
    return replace(
        base,
        name=name,
        landmarks=landmarks,
        scheme=scheme,
        basis_size=basis_size(landmarks),
        feature_scale=round(base.feature_scale * share**0.5, 2),
        lstm_lr=round(base.lstm_lr * share**2, 2),
        gate_lr=round(base.gate_lr * share**2, 3),
    )


TINY = Preset(
    name="tiny",
    crop_size=64,
    stages=(
        Stage("conv1", 16, 2, pool=True),
        Stage("conv2", 32, 2, pool=True),
        Stage("conv3", 64, 2),
        Stage("conv4", 64, 2),
    ),
    pretrained=False,
    input_scale=1 / 64,
    reduction=48,
    deconv6=32,
    deconv7=24,
    sigma=1.0,
    window=3,
    feature_scale=5.0,
    warm_up=Phase(base_lr=0.02, iterations=2500, clip_gradients=10, snapshot=1000, test_interval=1000),
    end_to_end=Phase(base_lr=0.0005, iterations=1600, clip_gradients=3, snapshot=1000, test_interval=1000),
)

COMPACT = replace(
    TINY,
    name="compact",
    crop_size=96,
    stages=(
        Stage("conv1", 24, 2, pool=True),
        Stage("conv2", 48, 2, pool=True),
        Stage("conv3", 96, 3),
        Stage("conv4", 128, 3),
    ),
    reduction=64,
    deconv6=48,
    deconv7=24,
    sigma=1.2,
    feature_scale=0.3,
    support=10,
    inlier_threshold=0.2,
    shift_radius=3,
    shift_scale=107.0,
    lstm_lr=108.0,
    gate_lr=0.8,
    refinement_weight=0.75,
    reward_weight=0.75,
    warm_up=Phase(base_lr=0.01, iterations=40000, clip_gradients=10, snapshot=2000, test_interval=2000),
    end_to_end=Phase(base_lr=0.0005, iterations=12000, clip_gradients=3, snapshot=2000, test_interval=2000),
)

COFW_128 = _with_scheme(VGG19_128, "cofw_128", "29")
AFLW_128 = _with_scheme(VGG19_128, "aflw_128", "5")
AFLW_COMPACT = replace(
    _with_scheme(COMPACT, "aflw_compact", "5"), support=0, inlier_threshold=FitSettings.threshold
)

ALL = (VGG19, VGG19_PLUS, VGG19_128, COMPACT, TINY, COFW_128, AFLW_128, AFLW_COMPACT)
PRESETS = {chosen.name: chosen for chosen in ALL}

# those with a folder under prototxt/
COMMITTED = ("vgg19", "vgg19_plus", "vgg19_128", "compact", "tiny", "aflw_compact")


def preset(name: str) -> Preset:
    """The preset called `name`, or a variant of one: "vgg19_128+weighting=uniform+steps=20".

    A variant is a preset with other settings, of those in tools/model/settings.py. "scheme" is the name of a landmark
    scheme that is known, or a file that describes one, whose name then stands in the variant's. RarError for an unknown
    preset, an unknown setting, and settings that no net can have.
    """
    base, *changes = name.split("+")
    if base not in PRESETS:
        raise RarError(f"no preset {base!r}: choose one of {', '.join(PRESETS)}")
    changes = [_named_scheme(change) for change in changes]
    name = "+".join([base, *changes])
    settings = dict(changed(change) for change in changes)
    if len(settings) < len(changes):
        raise RarError(f"{name} gives one setting twice: leave one out")
    start = PRESETS[base]
    if settings.get("scheme", start.scheme) != start.scheme:
        landmarks = start.landmarks
        start = _with_scheme(start, start.name, settings["scheme"])
        start = replace(start, gate_bias=_shut(start.gate_bias, min(1, start.landmarks / landmarks)))
    if settings.get("gamma") == "peak":
        start = _with_peak(start)
    elif settings.get("weighting") == "ones":
        start = _with_unit_weights(start)
    found = replace(start, name=name, **settings)
    _check(found)
    return found


def _check(preset: Preset) -> None:
    """RarError, here and not hours later when the steps are to be trained, for settings that no net can have."""
    for name in SETTINGS:
        check(name, getattr(preset, name))
    if preset.crop_size % 4:
        raise RarError(f"crop_size of a preset is a multiple of 4, for its two poolings, not {preset.crop_size}")
    if (count := known_scheme(preset.scheme).landmarks) != preset.landmarks:
        raise RarError(f"scheme {preset.scheme} has {count} landmarks, not {preset.landmarks}")
    if preset.estimator == "reinforce" and preset.policy not in ("sample", "stochastic"):
        raise RarError("estimator=reinforce learns from centres that are drawn: add policy=sample")
    if preset.reading.twice and preset.weighting == "uniform":
        raise RarError("gamma=peak applies a weight of 1/L twice, which moves nothing: take weighting=ones")
    if preset.no_repeat and preset.policy == "fixed":
        raise RarError("policy=fixed knows its centres: leave out no_repeat")


def _with_unit_weights(preset: Preset) -> Preset:
    """The preset for gamma^l of 1 or nearly so, L times the weights that sum to 1: a step is up to alpha px.

    What that enlarges is taken back: the features by L; the loss by L^3, so that the gradients of h and of deconv7 are
    what they were; and the LSTMs' rates by L, as an h moves the shape L times as far. Else conv8 is lost at once.
    """
    share = 1 / preset.landmarks
    return replace(
        preset,
        feature_scale=preset.feature_scale * share,
        refinement_weight=preset.refinement_weight * share**3,
        lstm_lr=preset.lstm_lr * share,
        gate_lr=preset.gate_lr * share,
    )


def _with_peak(preset: Preset) -> Preset:
    """The preset for Gamma read as "peak": weights up to 1, L times those that sum to 1, and applied twice.

    R-LSTM's features are taken back by L, the losses by L^2. Its output gates start as much further shut, so that the
    first steps are as long, and are learnt as fast, as with a sum of 1; they can open to steps L times as long. A-LSTM,
    which sees no Gamma, keeps its features.
    """
    share = 1 / preset.landmarks
    return replace(
        preset,
        feature_scale=preset.feature_scale * share,
        attention_scale=preset.attention_scale or preset.feature_scale,
        refinement_weight=preset.refinement_weight * share**2,
        reward_weight=preset.reward_weight * share**2,
        gate_bias=_shut(preset.gate_bias, share),
    )


def _shut(bias: float, share: float) -> float:
    """The bias with which a gate is open by that share of what it is with `bias`.

    Weights that are 1 / share times as large then make first steps as long as before: untrained LSTMs that move a shape
    far spoil it, and a short training does not get over that.
    """
    opened = share / (1 + math.exp(-bias))
    return round(math.log(opened / (1 - opened)), 2)


def _named_scheme(change: str) -> str:
    """A change whose scheme is given by its file: with its name, which is known from now on."""
    field, _, value = change.partition("=")
    if field != "scheme" or not value.endswith(".json"):
        return change
    return f"{field}={made_known(read_scheme(Path(value))).name}"
