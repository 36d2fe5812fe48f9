"""The diagnosis names what was planted. A part of ``python -m benchmarks.faults``, on a seed it was not tuned on."""

from typing import get_args

import pytest

import qdebug
from benchmarks.faults import PLANTS, case, judge
from benchmarks.faults.cases import noise
from benchmarks.faults.sound import MODELS, sound
from benchmarks.faults.table import table
from qdebug.results.diagnosis import CauseKind

SEED = 1000
LIGHT = ("digits-resnet", "digits-mobilenet")


@pytest.fixture(scope="module")
def outcomes():
    found = [case(plant, model, SEED) for model in LIGHT for plant in PLANTS]
    return [judge(one) for one in found if one is not None]


def test_the_planted_layer_comes_first_with_its_cause_and_its_cure(outcomes):
    assert len(outcomes) >= 25
    for word in ("layer", "kind", "mended"):
        missed = [(one.plant, one.model) for one in outcomes if not getattr(one, word)]
        assert len(missed) <= 0.05 * len(outcomes), (word, missed)


def test_no_fix_that_is_given_does_harm(outcomes):
    for one in outcomes:
        for cause in one.found.causes:
            assert cause.fix is None or (cause.recovered > 0 and cause.metric_after is not None)
            if cause.fix is None:
                assert cause.metric_after is None
            else:
                assert all(trial.certain for trial in cause.tried if trial.fix == cause.fix)


def test_shares_are_parts_of_one_whole_and_fall(outcomes):
    for one in outcomes:
        shares = [cause.share for cause in one.found.causes]
        assert all(0.0 <= share <= 1.0 for share in shares)
        assert shares == sorted(shares, reverse=True)
        assert 0.0 <= sum(shares) <= 1.0 + 1e-9


def test_the_same_seed_plants_the_same_fault_and_another_another():
    one, two, other = (case("outlier-channels", "digits-resnet", seed) for seed in (7, 7, 8))
    assert one.planted.session.info().digest == two.planted.session.info().digest
    assert one.planted.session.info().digest != other.planted.session.info().digest


MOVING = [
    "uneven-weights, outputs", "uneven channels, w8a8", "outlier-channels", "stretched-range, weight", "fp16-overflow",
    "dead-channels", "extreme-constant", "coarse-values, norm or addition",
]  # fmt: skip


@pytest.mark.parametrize("plant", MOVING)
@pytest.mark.parametrize("seed", [100, SEED])
def test_a_fault_leaves_the_float_network_as_it_is(plant, seed):
    planted = case(plant, "digits-mobilenet", seed).planted
    (batch, *_) = planted.session.subject.eval_batches
    before, after = (one.output("w32a32", batch) for one in (planted.reference[0], planted.session))
    # Factors are powers of two; an offset costs the last bits of what it is added to.
    near = 1e-4 if plant.startswith("coarse-values") else 1e-5
    assert (before - after).abs().max() <= near * before.abs().max()


def test_an_offset_of_the_keys_leaves_a_transformer_as_it_is():
    planted = case("coarse-values, softmax", "digits-vit", SEED).planted
    (batch, *_) = planted.session.subject.eval_batches
    before, after = (one.output("w32a32", batch) for one in (planted.reference[0], planted.session))
    assert (before - after).abs().max() <= 1e-4 * before.abs().max()


@pytest.mark.parametrize("model", [*LIGHT, pytest.param("digits-vit", marks=pytest.mark.slow)])
def test_the_networks_are_sound_before(model):
    assert noise(sound(model), qdebug.preset("w8a8-pc")) < 0.002
    assert sound(model).score("w8a8-pc").metric.harmless


def test_every_kind_is_planted():
    kinds = {plant.split(",")[0] for plant in PLANTS} - {"uneven channels"}
    assert kinds | {"inf"} == set(get_args(CauseKind))
    assert len(MODELS) == 4


def test_the_table_has_a_row_for_each_plant_and_one_for_all(outcomes):
    lines = table(outcomes, "make it").splitlines()
    plants = dict.fromkeys(one.plant for one in outcomes)
    assert [line.split(" | ")[0].strip("| *") for line in lines[4:]] == [*plants, "all"]
    assert f"| **all** | {len(outcomes)} |" in lines[-1]
