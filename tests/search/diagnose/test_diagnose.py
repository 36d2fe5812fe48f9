"""What the diagnosis says of the samples, and that each fix does what it says."""

import msgspec
import pytest

import qdebug
from qdebug.doors import load_sample
from qdebug.engine import Work
from qdebug.errors import Cancelled, MethodError, RecipeError
from qdebug.recipes import CrossLayerEqualization, SmoothQuant, TensorPlan, remedied, set_layers
from qdebug.results import Diagnosis
from qdebug.search.diagnose import apply, diagnose
from tests.networks import Residual, data_for, seeded


@pytest.fixture(scope="module")
def mobilenet():
    session = qdebug.open("digits-mobilenet")
    return session, diagnose(session, "w8a8")


def test_mobilenet_s_weights_are_uneven_and_equalization_mends_them(mobilenet):
    _, found = mobilenet
    first = found.causes[0]
    assert (first.kind, first.tensor) == ("uneven-weights", "weight")
    assert first.layer.endswith(".dw")
    assert first.fix is not None
    assert first.fix.method == "cle"
    assert (round(first.metric_before, 3), round(first.metric_after, 3)) == (0.191, 0.996)
    assert "uneven between channels" in first.text
    assert not found.healthy


def test_what_is_said_of_a_fix_is_what_it_does(mobilenet):
    session, found = mobilenet
    recipe = qdebug.preset("w8a8")
    for cause in found.causes:
        assert cause.fix is not None
        assert session.score(apply(recipe, cause.fix)).metric.quantized == cause.metric_after
        for trial in cause.tried:
            if trial.metric is not None:
                assert session.score(apply(recipe, trial.fix)).metric.quantized == trial.metric


def test_it_crosses_between_processes_as_plain_values(mobilenet):
    _, found = mobilenet
    assert msgspec.json.decode(msgspec.json.encode(found), type=Diagnosis) == found


def test_a_sound_recipe_has_no_causes():
    found = diagnose(qdebug.open("digits-resnet"), "w8a8")
    assert found.healthy
    assert found.causes == ()
    assert "sound" in found.text


def test_vit_s_outlier_channels_are_smoothed():
    found = diagnose(qdebug.open("digits-vit"), "w8a8")
    first = found.causes[0]
    assert (first.kind, first.layer, first.fix.method) == ("outlier-channels", "blocks.0.attn.qkv", "smoothquant")
    assert first.recovered == 1.0


def test_values_between_layers_are_places_too():
    session = qdebug.open(seeded(Residual), data_for(Residual, 32))
    recipe = msgspec.structs.replace(qdebug.preset("w8a8-pc"), between=TensorPlan("int2", symmetric=False))
    found = diagnose(session, recipe)
    first = found.causes[0]
    assert first.tensor == "output"
    assert first.evidence["operator"]
    assert first.fix.method == "between-float"
    assert first.recovered > 0.9


def test_for_an_integer_runtime_saturation_stands_beside_the_loss():
    found = diagnose(qdebug.open("digits-resnet"), "w8a8-pc-all")
    assert found.healthy
    (cause,) = found.causes
    assert (cause.kind, cause.share, cause.fix.method) == ("saturation", 0.0, "fewer-bits")
    assert cause.evidence["saturating"] > 0
    assert cause.recovered == 1.0  # two products of 7 bits always fit


def test_all_fixes_together_are_better_than_each_alone():
    session = qdebug.open("digits-mobilenet", {key: value[:128] for key, value in sample_data().items()})
    recipe = msgspec.structs.replace(qdebug.preset("w8a8"), fixes=(CrossLayerEqualization(),))
    recipe = set_layers(recipe, {"fc": qdebug.preset("w2a2").default})
    found = diagnose(session, recipe)
    assert len(found.together.fixes) > 1
    assert found.together.recovered >= max(cause.recovered for cause in found.causes)
    mended = recipe
    for fix in found.together.fixes:
        mended = apply(mended, fix)
    assert session.score(mended).metric.quantized == found.together.metric


def sample_data():
    return load_sample("digits-mobilenet").data


def test_it_stops_when_asked():
    work = Work()
    work.cancel()
    with pytest.raises(Cancelled):
        diagnose(qdebug.open(seeded(Residual), data_for(Residual, 8)), "w4a8", work)


def test_a_recipe_that_does_not_fit_is_refused():
    session = qdebug.open(seeded(Residual), data_for(Residual, 8))
    with pytest.raises(RecipeError):
        diagnose(session, set_layers(qdebug.preset("w8a8"), {"nowhere": qdebug.preset("w8a8").default}))


WHERE = {"layers": ["a"], "tensor": "weight"}
INPUT = {"layers": ["a"], "tensor": "activation"}


@pytest.mark.parametrize(("method", "params", "side", "fields"), [
    ("per-channel", WHERE, "weight", {"granularity": "channel"}),
    ("per-group", {**WHERE, "size": 32}, "weight", {"granularity": "group", "group_size": 32}),
    ("per-token", INPUT, "activation", {"granularity": "token", "dynamic": True}),
    ("dynamic", INPUT, "activation", {"dynamic": True}),
    ("range:percentile", {**INPUT, "percentile": 99.0}, "activation", {"range": "percentile", "percentile": 99.0}),
    ("clip", {**INPUT, "ranges": {"a": [-1.0, 2.0]}}, "activation", {"clip": (-1.0, 2.0)}),
    ("recalibrate", {**INPUT, "ranges": {"a": [0.0, 2.0]}}, "activation", {"clip": (0.0, 2.0)}),
    ("more-bits", {**WHERE, "bits": 6}, "weight", {"format": "int6"}),
    ("format:bf16", INPUT, "activation", {"format": "bf16"}),
    ("keep-float", WHERE, "weight", {"format": "fp32"}),
    ("round-to-nearest", INPUT, "activation", {"rounding": "half_even"}),
])  # fmt: skip
def test_a_fix_changes_those_plans_and_nothing_else(method, params, side, fields):
    before = qdebug.preset("w4a4")
    after = remedied(before, method, params)
    plan = getattr(after.plan_for("a"), side)
    assert {name: getattr(plan, name) for name in fields} == fields
    other = "activation" if side == "weight" else "weight"
    assert getattr(after.plan_for("a"), other) == getattr(before.default, other)
    assert after.plan_for("b") == before.default


def test_fixes_of_the_recipe():
    after = remedied(qdebug.preset("w8a8"), "smoothquant", {"alpha": 0.7})
    assert after.fixes == (SmoothQuant(alpha=0.7),)
    assert len(remedied(after, "cle,bias-correction", {}).fixes) == 3
    assert remedied(qdebug.preset("w8a8-pc-all"), "between-float", {}) == qdebug.preset("w8a8-pc")


def test_an_unknown_fix_is_refused_with_near_names():
    with pytest.raises(MethodError, match="per-channel"):
        remedied(qdebug.preset("w8a8"), "per-chanel", WHERE)
