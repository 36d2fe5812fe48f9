"""Plans of attention: their notation, their files, and what they may not say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.errors import RecipeError
from qdebug.recipes import (
    AttentionPlan,
    Recipe,
    TensorPlan,
    dumps,
    loads,
    parse_cache_format,
    parse_probs_format,
    parse_scores_format,
)  # fmt: skip
from qdebug.recipes.attention import in_words

KEYS = ["int8", "int4", "int4g64-pc", "int4-tok", "int4g32", "int8-static", "fp8_e4m3fn", "fp8_e5m2-tok", "q4_0",
        "mxfp4", "bf16", "int2-sym-fp16", "int4-tok-stochastic", "fp32"]  # fmt: skip
PLANS = st.builds(
    AttentionPlan,
    keys=st.sampled_from(KEYS).map(lambda text: parse_cache_format(text, "keys")),
    values=st.sampled_from(KEYS).map(lambda text: parse_cache_format(text, "values")),
    scores=st.sampled_from(["int8", "int6-sym", "fp8_e4m3fn", "fp16"]).map(parse_scores_format),
    probs=st.sampled_from(["int8", "int4-tok", "fp8_e5m2", "mxfp8_e4m3"]).map(parse_probs_format),
)


@pytest.mark.parametrize(
    ("text", "keys", "values"),
    [
        ("int4", TensorPlan("int4", "channel", 32, symmetric=False), ("token", 0)),
        ("int4-tok", TensorPlan("int4", "token", symmetric=False, dynamic=True), ("token", 0)),
        ("int4-pc", TensorPlan("int4", "channel", 32, symmetric=False), ("channel", 32)),
        ("int8g64-pc-sym", TensorPlan("int8", "channel", 64), ("channel", 64)),
        ("int4g16", TensorPlan("int4", "group", 16, symmetric=False), ("group", 16)),
        ("int8-static", TensorPlan("int8", symmetric=False), ("tensor", 0)),
        ("fp8_e4m3fn", TensorPlan("fp8_e4m3fn"), ("tensor", 0)),
        ("fp8_e4m3fn-tok", TensorPlan("fp8_e4m3fn", "token", dynamic=True), ("token", 0)),
        ("q8_0", TensorPlan("q8_0"), ("tensor", 0)),
        ("fp16", TensorPlan("fp16"), ("tensor", 0)),
    ],
)
def test_keys_share_scales_along_tokens_and_values_along_channels(text, keys, values):
    assert parse_cache_format(text, "keys") == keys
    found = parse_cache_format(text, "values")
    assert (found.format, found.granularity, found.group_size) == (keys.format, *values)


@given(PLANS)
def test_files_keep_them(plan):
    recipe = Recipe(attention=plan)
    for kind in ("yaml", "json"):
        assert loads(dumps(recipe, kind)) == recipe
    assert loads(dumps(recipe)).digest == recipe.digest != Recipe().digest


def test_recipes_without_one_are_written_as_before():
    assert "attention" not in dumps(Recipe())
    assert Recipe(attention=AttentionPlan()).digest == Recipe().digest


def test_each_part_has_a_digest_of_its_own():
    one = TensorPlan("fp8_e4m3fn")
    plans = [AttentionPlan(keys=one), AttentionPlan(values=one), AttentionPlan(scores=one), AttentionPlan(probs=one)]
    plans += [AttentionPlan(keys=one, window=8)]
    assert len({Recipe(attention=plan).digest for plan in plans}) == 5


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("int4g32-tok", "says twice"), ("int4-pc-tok", "says twice"), ("int4g8-static", "says twice"),
        ("int4b2x2", "says twice"), ("nf4", "format for weights"), ("kmeans4", "format for weights"),
        ("int4-dyn", "unknown flag '-dyn'"), ("int99", "Unknown number format"), ("int4-tok-dq", "unknown flag|double"),
        ("fp16-tok", "asks for a scale|no scale|no range"), ("int4g0", "groups of none"),
    ],
)  # fmt: skip
def test_a_cache_format_that_makes_no_sense_is_refused(text, what):
    with pytest.raises(RecipeError, match=what):
        parse_cache_format(text, "keys")


@pytest.mark.parametrize("text", ["int8-tok", "int8-dyn", "mxfp8_e4m3"])
def test_scores_may_not_look_at_what_the_mask_takes_out(text):
    with pytest.raises(RecipeError, match="later tokens"):
        parse_scores_format(text)


def test_probabilities_may_not_look_at_all_queries():
    with pytest.raises(RecipeError, match="all queries"):
        parse_probs_format("int8-dyn")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("attention: {keys: {format: int4, granularity: channel}}", "attention.keys: .*without a number of tokens"),
        ("attention: {keys: {format: int8, dynamic: true}}", "attention.keys: a range of all tokens at once"),
        ("attention: {values: {format: int4, granularity: block, block: [2, 2]}}", "no tiles"),
        ("attention: {values: {format: int4, granularity: token, range: mse}}", "range 'mse'"),
        ("attention: {keys: {format: int4, sparsity: '2:4'}}", "neither pruned"),
        ("attention: {keys: {format: int8, range: stored}}", "stored"),
        ("attention: {window: 8}", "without a cache"),
        ("attention: {window: -1, keys: {format: int8}}", "attention.window: -1 tokens"),
        ("attention: {window: many, keys: {format: int8}}", "attention.window is 'many'"),
        ("attention: {window: 8, keys: {format: int4, granularity: channel, group_size: 32}}", "no whole groups"),
        ("attention: {key: {format: int8}}", "Unknown key 'key' in attention"),
        ("attention: {keys: {formatt: int8}}", "Unknown key 'formatt' in attention.keys"),
        ("attention: int8", "attention must be a mapping"),
        ("attention: {probs: {format: int8, range: entropy}}", "between 0 and 1"),
    ],
)
def test_files_that_contradict_themselves_are_refused(text, what):
    with pytest.raises(RecipeError, match=what):
        loads(f"version: 1\n{text}\n")


def test_words():
    plan = AttentionPlan(parse_cache_format("int4", "keys"), parse_cache_format("int8g16", "values"), 64)
    assert in_words(plan) == ("keys int4 pc g32", "values int8 g16", "newest 64 tokens float")
    assert in_words(AttentionPlan(probs=parse_probs_format("int8"))) == ("probabilities int8",)
    assert in_words(AttentionPlan()) == ()
