"""Recipes that are valid, of every kind."""

from typing import get_args

import msgspec
from hypothesis import strategies as st

from qdebug.formats import FORMATS, Table
from qdebug.recipes import FLOAT, BiasCorrection, CrossLayerEqualization, LayerPlan, Recipe, SmoothQuant, TensorPlan
from qdebug.recipes.plan import ChosenRange, Rounding, ScaleFormat

INTEGERS = [name for name, form in FORMATS.items() if form.is_integer]
CASTS = [name for name, form in FORMATS.items() if form.is_cast]
SCALED = [name for name, form in FORMATS.items() if form.family in ("float", "table") and not form.is_cast]
RULED = [name for name, form in FORMATS.items() if isinstance(form, Table) and form.rule != "absmax"]
BLOCKS = [name for name, form in FORMATS.items() if form.own_blocks]
ACTIVE = [name for name in (*SCALED, *BLOCKS) if FORMATS[name].for_activations]
METHODS = list(get_args(ChosenRange))
below = st.floats(-1e6, 0.0, allow_nan=False)
above = st.floats(1e-6, 1e6, allow_nan=False)
ranges = st.fixed_dictionaries(
    {
        "range": st.sampled_from(METHODS),
        "percentile": st.floats(50.0, 100.0, exclude_min=True),
        "symmetric": st.booleans(),
    }
)


@st.composite
def weights(draw):
    match draw(st.sampled_from(["integer", "cast", "scaled", "block"])):
        case "cast":
            return TensorPlan(draw(st.sampled_from(CASTS)))
        case "block":
            return TensorPlan(draw(st.sampled_from(BLOCKS)))
        case "scaled":
            name = draw(st.sampled_from(SCALED))
            if name in RULED:
                return TensorPlan(name, "group", draw(st.integers(1, 512)))
            tile = draw(st.tuples(st.integers(1, 256), st.integers(1, 256)))
            return TensorPlan(
                name, "block", block=tile, rounding=draw(st.sampled_from(get_args(Rounding))),
                seed=draw(st.integers(0, 2**31 - 1)),
                scale_format=draw(st.sampled_from([None, *get_args(ScaleFormat)])),
            )  # fmt: skip
    granularity = draw(st.sampled_from(["tensor", "channel", "group"]))
    size = draw(st.integers(1, 512)) if granularity == "group" else 0
    clip = draw(st.none() | st.tuples(below, above))
    plan = TensorPlan(draw(st.sampled_from(INTEGERS)), granularity, size, clip=clip, **draw(ranges))
    refused = granularity == "group" and plan.range == "entropy"
    return msgspec.structs.replace(plan, range="minmax") if refused else plan


@st.composite
def activations(draw):
    if draw(st.booleans()):
        return TensorPlan(draw(st.sampled_from([*CASTS, *ACTIVE])))
    plan = TensorPlan(draw(st.sampled_from(INTEGERS)), **draw(ranges))
    match draw(st.sampled_from(["static", "clip", "dynamic", "token"])):
        case "clip":
            return msgspec.structs.replace(plan, clip=draw(st.tuples(below, above)))
        case "dynamic":
            return msgspec.structs.replace(plan, range="minmax", dynamic=True)
        case "token":
            return msgspec.structs.replace(plan, range="minmax", granularity="token", dynamic=True)
    return plan


layer_plans = st.builds(LayerPlan, weights(), activations())
fixes = st.lists(
    st.sampled_from([CrossLayerEqualization(), CrossLayerEqualization(3), SmoothQuant(0.6), BiasCorrection()]),
    unique_by=type,
    max_size=3,
).map(tuple)
names = st.text(min_size=1, max_size=30)
recipes = st.builds(
    Recipe,
    default=layer_plans,
    layers=st.dictionaries(names, layer_plans, max_size=4).map(lambda plans: tuple(sorted(plans.items()))),
    fixes=fixes,
    embeddings=st.just(FLOAT) | weights(),
    model=st.none() | st.text("0123456789abcdef", min_size=16, max_size=16),
)
