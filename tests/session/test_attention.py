"""Recipes with plans of attention, against attention computed token by token in float64."""

import numpy as np
import pytest
import torch
from msgspec.structs import replace

import qdebug
from qdebug.errors import RecipeError
from qdebug.recipes import (
    AttentionPlan,
    Recipe,
    parse_activation_format,
    parse_cache_format,
    parse_probs_format,
    parse_scores_format,
)  # fmt: skip
from tests.attentions import data, fused

FORMS = ["causal", "gqa", "added", "written out"]
CACHES = ["int8", "int4", "int4g8-pc", "int3-tok", "int4g4", "int2g6-pc-sym", "mxfp4", "q8_0", "bf16"]


def cache(text: str, window: int = 0) -> AttentionPlan:
    """Keys and values in one notation."""
    return AttentionPlan(parse_cache_format(text, "keys"), parse_cache_format(text, "values"), window)


@pytest.fixture(scope="module")
def opened():
    """A session and its module for each form of attention, opened once."""
    known = {}

    def of(form):
        if form not in known:
            model = fused(form)
            known[form] = qdebug.open(model, data=data()), model
        return known[form]

    return of


def outputs(session, plan: AttentionPlan) -> torch.Tensor:
    """All outputs under a plan of attention alone."""
    batches = session.subject.eval_batches
    return torch.cat([session.output(Recipe(attention=plan), batch) for batch in batches])


def close(found: torch.Tensor, wanted: list[np.ndarray], given: torch.Tensor) -> None:
    """Whether outputs are the wanted ones, where quantization changed anything at all.

    A value halfway between two codes may fall either way in float32 and float64: a few rows may differ by a step.
    """
    error = np.abs(found.double().numpy() - np.stack(wanted))
    moved = np.abs(found.double().numpy() - given.double().numpy())
    assert np.quantile(error, 0.9) < 1e-4
    assert np.quantile(moved, 0.8) > 20 * np.quantile(error, 0.8)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("text", "window"), [*((one, 0) for one in CACHES), ("int4g8-pc", 16), ("int2-tok", 5)])
def test_a_cache_is_what_decoding_token_by_token_would_read(opened, form, text, window):
    session, model = opened(form)
    plan = cache(text, window)
    wanted = [model.by_hand(row, plan) for row in data()["tokens"]]
    close(outputs(session, plan), wanted, outputs(session, AttentionPlan()))


@pytest.mark.parametrize("form", FORMS)
def test_keys_and_values_may_differ(opened, form):
    session, model = opened(form)
    plan = AttentionPlan(keys=parse_cache_format("int8", "keys"), values=parse_cache_format("int2g4", "values"))
    wanted = [model.by_hand(row, plan) for row in data()["tokens"]]
    close(outputs(session, plan), wanted, outputs(session, AttentionPlan()))


@pytest.mark.parametrize("form", ["causal", "written out"])
@pytest.mark.parametrize("text", ["int8", "int4-tok", "bf16"])
def test_probabilities_have_their_codes_between_0_and_1(opened, form, text):
    session, model = opened(form)
    plan = AttentionPlan(probs=parse_probs_format(text))

    def rounded(row: np.ndarray) -> np.ndarray:
        if text == "bf16":
            return torch.tensor(row).bfloat16().double().numpy()
        scale = 1 / 255 if text == "int8" else row.max() / 15
        return np.round(row / scale) * scale

    wanted = [model.by_hand(row, plan, probs=rounded) for row in data()["tokens"]]
    close(outputs(session, plan), wanted, outputs(session, AttentionPlan()))


@pytest.mark.parametrize("form", ["causal", "added", "written out"])
def test_scores_have_one_scale_from_calibration(opened, form):
    session, model = opened(form)
    plan = AttentionPlan(scores=parse_scores_format("int4-sym"))
    scale = 0.25 if form == "added" else model.width**-0.5
    with torch.no_grad():
        x = (model.embed(data()["tokens"]) + model.place).double()
        q, k = (one.double()(x).unflatten(-1, (-1, 8)).transpose(1, 2) for one in (model.q, model.k))
        model.float()
        all_scores = q @ k.repeat_interleave(2, 1).transpose(-1, -2) * scale
    step = float(all_scores.abs().max()) / 7
    wanted = [
        model.by_hand(row, plan, scores=lambda row: np.clip(np.round(row / step), -8, 7) * step)
        for row in data()["tokens"]
    ]
    close(outputs(session, plan), wanted, outputs(session, AttentionPlan()))


@pytest.mark.parametrize("form", FORMS)
def test_static_scales_are_those_of_the_calibration_data(opened, form):
    session, model = opened(form)
    plan = cache("fp8_e4m3fn")
    found = session.preparer.sheet(Recipe(attention=plan), qdebug.engine.Work()).attended.values()
    with torch.no_grad():
        x = model.embed(data()["tokens"]) + model.place
        largest = float(model.k(x).abs().max()), float(model.v(x).abs().max())
    for one in found:
        for held, limit in zip((one.keys, one.values), largest, strict=True):
            assert held.grid.scale.item() == pytest.approx(limit / 448, rel=1e-5)


PLANS = [
    *(cache(text) for text in [*CACHES, "fp8_e4m3fn", "int8-static"]), cache("int4g8-pc", 16), cache("int2-tok", 5),
    AttentionPlan(scores=parse_scores_format("int4")), AttentionPlan(probs=parse_probs_format("int4-tok")),
    AttentionPlan(probs=parse_probs_format("mxfp4")),
]  # fmt: skip


@pytest.mark.parametrize("form", ["causal", "written out"])
@pytest.mark.parametrize("plan", PLANS, ids=repr)
def test_no_token_sees_a_later_one(opened, form, plan):
    """Ranges that are made of later tokens would let it; calibration data are the same here, whatever is asked."""
    session, _ = opened(form)
    batch = session.subject.eval_batches[0]
    recipe, at = Recipe(attention=plan), 13
    changed = batch.inputs["tokens"].clone()
    changed[:, at:] = (changed[:, at:] + 5) % 13
    other = replace_inputs(batch, changed)
    one, two = session.output(recipe, batch), session.output(recipe, other)
    assert torch.allclose(one[:, :at], two[:, :at], atol=1e-6)
    assert not torch.allclose(one[:, at:], two[:, at:], atol=1e-2)


def replace_inputs(batch, tokens):
    """The batch with other tokens."""
    from dataclasses import replace as with_fields

    return with_fields(batch, key=batch.key + b"changed", inputs={"tokens": tokens})


def test_without_a_mask_all_tokens_are_there_at_once(opened):
    session, model = opened("all")
    plan = cache("int4g8-pc", 8)
    assert not session.preparer.attention.causal
    from qdebug.quantize.cache import quantize_cache

    with torch.no_grad():
        x = model.embed(data()["tokens"]) + model.place
        q, k, v = (one(x).unflatten(-1, (-1, 8)).transpose(1, 2) for one in (model.q, model.k, model.v))
        k, v = (quantize_cache(one, plan.keys).repeat_interleave(2, 1) for one in (k, v))
        y = ((q @ k.transpose(-1, -2)) / 8**0.5).softmax(-1) @ v
        wanted = model.out(y.transpose(1, 2).flatten(2))
    assert torch.allclose(outputs(session, plan), wanted, atol=1e-4)
    assert session.cache_size(Recipe(attention=plan)) is None


@pytest.mark.parametrize("form", FORMS)
def test_the_float_answer_is_not_touched(opened, form):
    session, model = opened(form)
    with torch.no_grad():
        wanted = model(data()["tokens"])
    assert torch.equal(outputs(session, AttentionPlan()), wanted)
    assert not session.preparer.sheet(Recipe(), qdebug.engine.Work()).attended


@pytest.mark.parametrize("form", FORMS)
def test_a_token_s_bytes_are_those_of_the_shared_heads(opened, form):
    session, _ = opened(form)
    size = session.cache_size(Recipe(attention=cache("int4g8-pc")))
    assert size.fp16_bytes == 2 * 16 * 2  # keys and values of two heads of 8 channels
    assert size.bits_per_value == 4 + 32 / 8
    per_token = session.cache_size(Recipe(attention=replace(cache("int8-tok"), window=4)))
    assert (per_token.quantized_bytes, per_token.window) == (2 * (16 + 2 * 4), 4)


def test_an_evaluation_tells_what_attention_costs_and_does():
    model, given = fused(), data()
    with torch.no_grad():
        model.out.weight.mul_(8)  # sure of its answers
        given["labels"] = model(given["tokens"]).argmax(-1)
    session = qdebug.open(model, data=given)
    recipe = Recipe(attention=cache("int2-tok"))
    found = session.evaluate(recipe)
    assert found.cache == session.cache_size(recipe)
    assert found.attention == ("keys int2 tok", "values int2 tok")
    assert session.evaluate(Recipe()).cache is None
    verdict = session.verdict(recipe)
    assert not found.metric.harmless
    assert verdict.text.startswith("Quantized attention (keys int2 tok, values int2 tok) alone takes perplexity from")
    whole = qdebug.recipes.preset("w8a8")
    compared = session.compare(whole, replace(whole, attention=recipe.attention))
    assert compared.between == (("attention: float", "attention: keys int2 tok, values int2 tok"),)


def test_a_model_without_attention_says_so():
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Softmax(-1))
    session = qdebug.open(model, data=(torch.randn(8, 4), torch.randint(0, 4, (8,))))
    with pytest.raises(RecipeError, match="no attention was found"):
        session.score(Recipe(attention=cache("int8")))


def test_the_rest_of_a_recipe_goes_on(opened):
    session, _ = opened("written out")
    whole = qdebug.recipes.preset("w8a8-pc-all")
    plan = replace(cache("int4"), scores=parse_scores_format("int8"), probs=parse_probs_format("int8"))
    both = session.output(replace(whole, attention=plan), session.subject.eval_batches[0])
    alone = session.output(whole, session.subject.eval_batches[0])
    assert 0 < (both - alone).abs().mean() < alone.abs().mean()
    points = session.preparer.sheet(replace(whole, attention=plan), qdebug.engine.Work()).points
    (attention,) = session.subject.attentions
    assert points[attention.softmax].plan.activation == parse_activation_format("int8")
