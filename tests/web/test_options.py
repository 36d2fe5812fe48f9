"""What the options popover offers for each kind of format, and what a change makes of the plan."""

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.recipes import LayerPlan, parse_activation_format, parse_weight_format
from qdebug.recipes.check import check_tensor_plan
from qdebug.web.editing.options import ROUNDING, STORED, why_no_range
from tests.web.conftest import html
from tests.web.test_screens import recipe

SCALES, RANGE, ROUND, STORE = "Scales", "Range", "Rounding", "Scales are stored as"
SYMMETRIC, DYNAMIC = "Symmetric (zero point fixed at 0)", "Dynamic (range from each sample)"
CLIP = "Clip from"
KNOWN = {SCALES, RANGE, ROUND, STORE, SYMMETRIC, DYNAMIC, CLIP}


def script(name, tensor, plan):
    """A page with nothing but the options of one tensor of a layer that has that plan at first."""
    import streamlit as st

    from qdebug.recipes import Recipe, set_layers
    from qdebug.web.core import state
    from qdebug.web.editing import options
    from tests.web.values import model

    state.start()
    st.session_state.histories.setdefault(state.ref(), state.History((set_layers(Recipe(), {name: plan}),)))
    info = model()
    options.draw(info, next(layer for layer in info.layers if layer.name == name), tensor)


def drawn(weight="int8", activation="int8", *, tensor="weight", name="head"):
    """The page, run once."""
    plan = LayerPlan(parse_weight_format(weight), parse_activation_format(activation))
    app = AppTest.from_function(script, kwargs={"name": name, "tensor": tensor, "plan": plan}).run()
    assert not app.exception
    return app


def plan_of(app, tensor="weight", name="head"):
    """What the changes have made of the plan."""
    return getattr(recipe(app).plan_for(name), tensor)


def option(app, name, tensor="weight", layer="head", kind="selectbox"):
    """The widget of an option; its key ends with the value it shows."""
    (found,) = (one for one in getattr(app, kind) if (one.key or "").startswith(f"option-{name}-{layer}-{tensor}--"))
    return found


def change(app, kind, name, value, tensor="weight"):
    option(app, name, tensor, kind=kind).set_value(value).run()
    assert not app.exception


def labels(app):
    return {one.label for kind in (app.selectbox, app.toggle, app.number_input) for one in kind} & KNOWN


@pytest.mark.parametrize(("notation", "offered"), [
    ("int8", {SCALES, RANGE, SYMMETRIC, ROUND, STORE, CLIP}),
    ("int4g32-affine", {SCALES, RANGE, SYMMETRIC, ROUND, STORE, CLIP}),
    ("int4b4x4", {SCALES, SYMMETRIC, ROUND, STORE, CLIP}),
    ("fp8_e4m3fn-pc", {SCALES, RANGE, ROUND, STORE, CLIP}),
    ("nf4", {SCALES, RANGE, ROUND, STORE, CLIP}),
    ("mxfp4", {ROUND}), ("nvint4", {ROUND}), ("fp16", {ROUND}),
    ("fp32", set()), ("q4_0", set()), ("kmeans4-pc", set()), ("vq2_16", set()), ("ternary-pc", set()),
])  # fmt: skip
def test_what_is_offered_for_weights(notation, offered):
    app = drawn(weight=notation)
    assert labels(app) == offered
    assert (why_no_range(parse_weight_format(notation)) in html(app)) == (SCALES not in offered)


@pytest.mark.parametrize(("notation", "offered"), [
    ("int8", {SCALES, RANGE, SYMMETRIC, DYNAMIC, ROUND, STORE, CLIP}),
    ("int8-tok", {SCALES, SYMMETRIC, ROUND, STORE}),
    ("int8-dyn", {SCALES, SYMMETRIC, DYNAMIC, ROUND, STORE}),
    ("fp8_e4m3fn", {SCALES, RANGE, DYNAMIC, ROUND, STORE, CLIP}),
    ("mxfp4", {ROUND}), ("bf16", {ROUND}), ("fp32", set()),
])  # fmt: skip
def test_what_is_offered_for_activations(notation, offered):
    assert labels(drawn(activation=notation, tensor="activation")) == offered


def test_ranges_of_small_floats_are_those_that_need_no_uniform_grid():
    assert option(drawn(weight="fp4-pc"), "range").options == ["min–max", "moving average", "percentile"]
    assert "least squared error" in option(drawn(weight="int4-pc"), "range").options


def test_scales_that_a_layer_can_have():
    assert option(drawn(), "scales").options == [
        "one scale per tensor", "one per channel", "groups of 32",
    ]  # fmt: skip
    assert "tiles of (4, 4)" in option(drawn(weight="int4b4x4"), "scales").options
    inputs = option(drawn(tensor="activation"), "scales", "activation").options
    assert inputs == ["one scale per tensor", "one per token"]
    pixels = option(drawn(tensor="activation", name="a.pw"), "scales", "activation", "a.pw").options
    assert pixels == ["one scale per tensor"]


def test_changes_reach_the_plan():
    app = drawn(weight="int4g32")
    change(app, "selectbox", "rounding", "half_away")
    change(app, "selectbox", "scale_format", "double")
    change(app, "toggle", "symmetric", False)
    assert plan_of(app) == parse_weight_format("int4g32-affine-away-dq")
    change(app, "selectbox", "scales", "tensor")
    assert plan_of(app) == parse_weight_format("int4-affine-away")
    assert STORED["double"] not in option(app, "scale_format").options
    change(app, "selectbox", "rounding", "half_even")
    assert plan_of(app) == parse_weight_format("int4-affine")


def test_a_dynamic_range_leaves_no_method_behind():
    app = drawn(tensor="activation")
    change(app, "selectbox", "range", "mse", "activation")
    assert plan_of(app, "activation").range == "mse"
    change(app, "toggle", "dynamic", True, "activation")
    assert plan_of(app, "activation") == parse_activation_format("int8-dyn")
    change(app, "toggle", "dynamic", False, "activation")
    assert plan_of(app, "activation") == parse_activation_format("int8")


def test_a_percentile_is_asked_for_with_its_method():
    app = drawn(weight="fp8_e4m3fn-pc")
    change(app, "selectbox", "range", "percentile")
    change(app, "number_input", "percentile", 99.5)
    assert (plan_of(app).range, plan_of(app).percentile) == ("percentile", 99.5)


@pytest.mark.parametrize("notation", ["int4g32-affine", "fp8_e4m3fn-pc", "nf4", "mxfp4", "fp16", "int4b4x4"])
def test_every_rounding_and_every_storage_that_is_offered_makes_a_plan_that_holds(notation):
    first = drawn(weight=notation)
    for name in ("rounding", "scale_format"):
        found = [one for one in first.selectbox if one.key.startswith(f"option-{name}-head-weight--")]
        words = {"rounding": ROUNDING, "scale_format": STORED}[name]
        for value in (key for key, text in words.items() if found and text in found[0].options):
            app = drawn(weight=notation)
            change(app, "selectbox", name, value)
            check_tensor_plan(plan_of(app), "weight", "here")
            assert (getattr(plan_of(app), name) or "") == value


def test_every_reason_is_one():
    reasons = {
        name: why_no_range(parse_weight_format(name)) for name in ("fp16", "kmeans4", "mxfp4", "q4_k", "ternary")
    }
    assert "is a cast" in reasons["fp16"]
    assert "learns its levels" in reasons["kmeans4"]
    assert all("by its own rule" in reasons[name] for name in ("mxfp4", "q4_k", "ternary"))
    assert all(text.startswith(name) for name, text in reasons.items())
    assert len(set(ROUNDING.values())) == len(ROUNDING)
    assert len(set(STORED.values())) == len(STORED)


PRUNE, RANK = "Pruned", "Rank of two factors (0: one piece)"


def test_a_weight_is_pruned_or_factorized():
    app = drawn()
    change(app, "selectbox", "sparsity", "2:4")
    assert plan_of(app) == parse_weight_format("int8@2:4")
    assert not any(one.label == RANK for one in app.number_input)
    change(app, "selectbox", "sparsity", "")
    change(app, "number_input", "rank", 3)
    assert plan_of(app) == parse_weight_format("int8@r3")
    assert not any(one.label == PRUNE for one in app.selectbox)


def test_a_share_of_ones_own_is_shown():
    assert option(drawn("int8@37.5%"), "sparsity").value == "37.5%"


@pytest.mark.parametrize(("weight", "pruned", "factorized"), [
    ("kmeans4", False, False), ("q4_k", False, False), ("binary-pc", False, True), ("nf4", True, True),
    ("fp16", True, True),
])  # fmt: skip
def test_what_a_format_cannot_is_not_offered(weight, pruned, factorized):
    app = drawn(weight)
    assert any(one.label == PRUNE for one in app.selectbox) == pruned
    assert any(one.label == RANK for one in app.number_input) == factorized


def test_an_input_is_neither_pruned_nor_factorized():
    app = drawn(tensor="activation")
    assert not any(one.label == PRUNE for one in app.selectbox) and not any(
        one.label == RANK for one in app.number_input
    )
