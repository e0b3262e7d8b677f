"""The presets: the paper's sizes where it states them, and sizes that fit together."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import numpy as np
import pytest

from layers.common import paper
from layers.common.errors import RarError
from layers.common.schemes import SCHEMES
from tools.model.presets import PRESETS, VGG19, VGG19_128, VGG19_PLUS, Preset, preset
from tools.model.settings import SETTINGS

ALL = pytest.mark.parametrize("name", list(PRESETS))
NETWORK = ("stages", "pretrained", "reduction", "deconv6", "deconv7", "steps", "landmarks", "basis_size", "stage_lr")


def test_vgg19_is_the_papers_network() -> None:
    assert (VGG19.crop_size, VGG19.steps, VGG19.landmarks) == (256, 15, 68)
    assert VGG19.alpha == 128
    assert VGG19.squared_scale == 1
    assert [(stage.channels, stage.convolutions) for stage in VGG19.stages] == [
        (64, 2), (128, 2), (256, 4), (512, 4), (512, 4),
    ]  # fmt: skip
    assert [stage.pool for stage in VGG19.stages] == [True, True, False, False, False]
    assert (VGG19.reduction, VGG19.deconv6, VGG19.deconv7) == (128, 96, 96)
    assert (VGG19.initialisation, VGG19.weighting) == ("robust", "gaussian")


def test_vgg19_has_nothing_that_the_paper_does_not_have() -> None:
    """The CNN learns in both phases, no mean shift, the robust start over the paper's own basis, its mini-batch."""
    assert (VGG19.cnn_lr, VGG19.shift_radius, VGG19.batch_size) == (1, 0, 2)
    assert (VGG19.support, VGG19.fit.supports) == (0, (40, 100))
    assert VGG19.refinement_weight == VGG19.reward_weight  # (18) has one weight for both


def test_vgg19_plus_is_it_with_our_additions() -> None:
    same = ("crop_size", "alpha", *NETWORK, "cnn_lr")
    assert all(getattr(VGG19, field) == getattr(VGG19_PLUS, field) for field in same)
    assert VGG19_PLUS.shift_radius and VGG19_PLUS.support < VGG19.basis_size


def test_vgg19_128_differs_from_it_in_what_is_measured_in_pixels_and_in_the_mini_batch() -> None:
    assert VGG19_128.alpha == 64
    assert VGG19_128.squared_scale == 4
    same = (*NETWORK, "support", "inlier_threshold")
    assert all(getattr(VGG19_PLUS, field) == getattr(VGG19_128, field) for field in same)
    assert VGG19_PLUS.shift_radius == 2 * VGG19_128.shift_radius
    assert 2 * VGG19_PLUS.shift_scale == VGG19_128.shift_scale  # per px


def test_a_variant_is_a_preset_with_other_settings() -> None:
    variant = preset("vgg19_128+weighting=uniform+steps=5+eta=0.5")
    assert (variant.weighting, variant.steps, variant.eta) == ("uniform", 5, 0.5)
    assert replace(variant, name="vgg19_128", weighting="gaussian", steps=15, eta=0.9) == VGG19_128


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg16", f"no preset 'vgg16': choose one of {', '.join(PRESETS)}"),
        ("tiny+stepz=5", "a preset has no setting 'stepz': it has crop_size, "),
        ("tiny+stages=5", "a preset has no setting 'stages'"),
        ("tiny+name=x", "a preset has no setting 'name'"),
        ("tiny+steps=many", "steps of a preset is a whole number from 1 to 1000, not 'many'"),
        ("tiny+steps", "steps of a preset is a whole number from 1 to 1000, not ''"),
        ("tiny+steps=1.5", "steps of a preset is a whole number from 1 to 1000, not '1.5'"),
        ("tiny+steps=0", "steps of a preset is a whole number from 1 to 1000, not 0"),
        ("tiny+steps=-1", "steps of a preset is a whole number from 1 to 1000, not -1"),
        ("tiny+steps=1000000", "steps of a preset is a whole number from 1 to 1000, not 1000000"),
        ("tiny+conv8_weight=nan", "conv8_weight of a preset is a number from 0 to 1e+06, not nan"),
        ("tiny+conv8_weight=inf", "conv8_weight of a preset is a number from 0 to 1e+06, not inf"),
        ("tiny+cnn_lr=-1", "cnn_lr of a preset is a number from 0 to 1e+06, not -1.0"),
        ("tiny+temperature=0", "temperature of a preset is a number from 1e-06 to 1e+06, not 0.0"),
        ("tiny+policy=greedy", "policy of a preset is one of argmax, sample, stochastic, random, fixed, not 'greedy'"),
        ("tiny+weighting=", "weighting of a preset is one of gaussian, uniform, ones, not ''"),
        ("tiny+initialisation=Mean", "initialisation of a preset is one of robust, mean, random, direct, not 'Mean'"),
        ("tiny+eta=2", "eta of a preset is a number from 0 to 1, not 2.0"),
        ("tiny+crop_size=66", "crop_size of a preset is a multiple of 4"),
        ("tiny+landmarks=29", "scheme 68 has 68 landmarks, not 29"),
        ("tiny+scheme=70", "no landmark scheme '70': choose one of 68, 29, 5, 98"),
        ("tiny+support=-3", "support of a preset is a whole number from 0 to 10000, not -3"),
        ("tiny+no_repeat=yes", "no_repeat of a preset is 0 or 1, not 'yes'"),
        ("tiny+gamma=max", "gamma of a preset is one of sum, peak, not 'max'"),
        ("tiny+gamma_width=0", "gamma_width of a preset is a number from 1e-06 to 100, not 0.0"),
        ("tiny+estimator=expected", "estimator of a preset is one of straight_through, counterfactual, reinforce"),
        ("tiny+reward=printed", "reward of a preset is one of weighted, unweighted, not 'printed'"),
        ("tiny+estimator=reinforce", "estimator=reinforce learns from centres that are drawn: add policy=sample"),
        ("tiny+gamma=peak+weighting=uniform", "moves nothing: take weighting=ones"),
        ("tiny+policy=fixed+no_repeat=1", "policy=fixed knows its centres: leave out no_repeat"),
        ("tiny+steps=8+steps=9", "tiny+steps=8+steps=9 gives one setting twice: leave one out"),
        ("tiny+steps=1_0", "steps of a preset is a whole number from 1 to 1000, not '1_0'"),
        ("tiny+eta=\uff11", "eta of a preset is a number from 0 to 1, not '\uff11'"),
        ("tiny+temperature=1e-300", "temperature of a preset is a number from 1e-06 to 1e+06, not 1e-300"),
        ("tiny+inlier_threshold=0", "inlier_threshold of a preset is a number from 1e-06 to 10, not 0.0"),
    ],
)
def test_an_unknown_preset_or_setting_is_named(name: str, message: str) -> None:
    with pytest.raises(RarError, match=re.escape(message)):
        preset(name)


def test_every_setting_is_in_the_table() -> None:
    """All fields but the name and those that are no number, word or switch; and each preset keeps to it."""
    plain = {field.name for field in fields(Preset) if field.type in ("int", "float", "str", "bool")}
    assert set(SETTINGS) == plain - {"name"}
    assert all(SETTINGS[name].has(getattr(chosen, name)) for chosen in PRESETS.values() for name in SETTINGS)


@ALL
def test_sizes_fit_together(name: str) -> None:
    chosen = PRESETS[name]
    assert chosen.name == name
    assert [stage.name for stage in chosen.stages] == [f"conv{i + 1}" for i in range(len(chosen.stages))]
    assert sum(stage.pool for stage in chosen.stages) == 2, "two deconvolutions bring the crop's resolution back"
    assert chosen.crop_size % 4 == 0
    assert chosen.steps == paper.STEPS
    assert SCHEMES[chosen.scheme].landmarks == chosen.landmarks
    assert chosen.alpha == paper.ALPHA * chosen.crop_size / 256


@ALL
def test_losses_weigh_the_same_at_every_crop_size(name: str) -> None:
    """A residual of half the crop costs the same everywhere, in px^2 of the paper's crop."""
    chosen: Preset = PRESETS[name]
    assert chosen.squared_scale * (chosen.crop_size / 2) ** 2 == pytest.approx(128**2)


@ALL
def test_weights_are_kept_often_enough(name: str) -> None:
    for phase in (PRESETS[name].warm_up, PRESETS[name].end_to_end):
        assert 0 < phase.snapshot <= phase.iterations
        assert 0 < phase.test_interval <= phase.iterations
        assert phase.base_lr > 0


def test_a_plain_name_is_the_preset_itself() -> None:
    assert preset("tiny") == PRESETS["tiny"]


def test_unit_weights_leave_features_gradients_and_the_effect_of_an_update_as_they_were() -> None:
    uniform, ones = preset("tiny+weighting=uniform"), preset("tiny+weighting=ones")
    gamma = 1 / uniform.landmarks
    assert ones.feature_scale * 1 == pytest.approx(uniform.feature_scale * gamma)
    # d loss / d h of a residual r is 2 weight gamma^3 alpha r; an update of h moves the shape by gamma alpha
    assert ones.refinement_weight == pytest.approx(uniform.refinement_weight * gamma**3)
    assert (ones.lstm_lr, ones.gate_lr) == pytest.approx((uniform.lstm_lr * gamma, uniform.gate_lr * gamma))
    assert preset("tiny+weighting=ones+lstm_lr=3").lstm_lr == 3


def test_under_peak_the_attentionless_net_is_the_same_net_without_damping() -> None:
    """Sect. 4.4 trains it "under the same setting": no scale or rate is its own."""
    peak, ones = preset("tiny+gamma=peak"), preset("tiny+gamma=peak+weighting=ones")
    assert replace(ones, name=peak.name, weighting="gaussian") == peak
    assert peak.attention_scale == preset("tiny").feature_scale, "A-LSTM sees no Gamma"


@pytest.mark.parametrize("name", ["compact", "vgg19_128"])
def test_under_peak_the_first_steps_are_those_of_a_sum_of_1(name: str) -> None:
    """Where every landmark weighs 1 or 1/L: features as strong, steps as long, losses as large."""
    summed, peak = preset(name), preset(f"{name}+gamma=peak")
    landmarks = summed.landmarks
    opened = [1 / (1 + np.exp(-chosen.gate_bias)) for chosen in (summed, peak)]
    assert peak.feature_scale * 1 == pytest.approx(summed.feature_scale / landmarks)
    assert opened[1] * 1 == pytest.approx(opened[0] / landmarks, rel=0.01)
    losses = [chosen.refinement_weight * weight**2 for chosen, weight in ((summed, 1 / landmarks), (peak, 1.0))]
    assert losses[1] == pytest.approx(losses[0])
    assert (peak.lstm_lr, peak.gate_lr) == (summed.lstm_lr, summed.gate_lr)
    assert peak.attention_gate_bias == summed.attention_gate_bias


def test_switches_are_read() -> None:
    assert preset("tiny+no_repeat=1+attention_history=0").no_repeat is True
