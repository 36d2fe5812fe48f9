"""Plans of keys, values, scores and probabilities: what they may say, and their short notation."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from qdebug.errors import RecipeError
from qdebug.formats import Gguf, find
from qdebug.recipes.check import Complaint, check_tensor_plan
from qdebug.recipes.notation import STORAGE_FLAGS, parse_activation_format, stored_as, tensor_format
from qdebug.recipes.plan import FLOAT, AttentionPlan, TensorPlan

TOKENS = 32
"""Tokens that share a scale of a channel where nobody says: KIVI's groups (Liu et al. 2024, arXiv 2402.02750)."""
_SHARING = ("pc", "tok", "static")


def check_attention(plan: AttentionPlan, file: str | None = None) -> None:
    """Refuse plans that contradict themselves, or that would let a token see later ones.

    Raises:
        RecipeError: naming the place, ``attention.keys`` for instance.
    """
    for name in ("keys", "values"):
        one: TensorPlan = getattr(plan, name)
        _check_cached(one, f"attention.{name}", file)
        for what, do in _cached(one):
            raise RecipeError(f"attention.{name}: {what}", file=file, do=do)
    for name, sees in (("scores", _scores), ("probs", _probs)):
        one = getattr(plan, name)
        check_tensor_plan(one, "activation", f"attention.{name}", file)
        for what, do in sees(one):
            raise RecipeError(f"attention.{name}: {what}", file=file, do=do)
    for what, do in _window(plan):
        raise RecipeError(f"attention.window: {what}", file=file, do=do)


def _check_cached(plan: TensorPlan, where: str, file: str | None) -> None:
    """What holds of any tensor; a group along tokens is one like any other here."""
    if plan.granularity == "channel" and plan.group_size:
        plan = msgspec.structs.replace(plan, granularity="group")
    grouped = plan.granularity in ("group", "channel", "block") or isinstance(find(plan.format), Gguf)
    check_tensor_plan(plan, "weight" if grouped else "activation", where, file)


def _cached(plan: TensorPlan) -> Iterator[Complaint]:
    form = find(plan.format)
    if not (form.for_activations or isinstance(form, Gguf)):
        yield f"{form.name} is a format for weights", "Use an integer, a float, an MX format, nvfp4 or q8_0."
    if plan.granularity == "block":
        yield "a cache has no tiles", "Use token, group, channel or tensor."
    if plan.granularity == "channel" and plan.group_size < 1:
        yield "a scale per channel without a number of tokens", "Give group_size, for instance 32."
    if plan.granularity == "tensor" and plan.dynamic:
        yield "a range of all tokens at once, which the first of them cannot know", "Use token, or make it static."
    if plan.granularity in ("channel", "group") and (plan.range != "minmax" or plan.clip is not None):
        yield "a chosen range on groups, whose range is that of the values at hand", "Leave range and clip out."
    if plan.scale_format == "double":
        yield "double quantization of a cache's scales", "Use fp16."
    if plan.range == "stored":
        yield "range 'stored'", "No file stores scales of a cache here; leave range out."
    if plan.is_reduced:
        yield "a cache is neither pruned nor factorized", "Leave sparsity and rank to weights."


def _scores(plan: TensorPlan) -> Iterator[Complaint]:
    if plan.dynamic or plan.granularity == "token" or find(plan.format).own_blocks:
        yield (
            "a range of the scores at hand, among them those of later tokens that the mask takes out afterwards",
            "Use one static scale, such as int8, or a float.",
        )
    if plan.range == "stored":
        yield "range 'stored'", "No file stores scales of scores here; leave range out."


def _probs(plan: TensorPlan) -> Iterator[Complaint]:
    if plan.dynamic and plan.granularity == "tensor":
        yield "a range of all queries at once, which the first of them cannot know", "Use token, or make it static."
    if plan.range not in ("minmax", "stored") and find(plan.format).needs_scale:
        yield f"range '{plan.range}' on what lies between 0 and 1", "Leave range out; a clip range can be set."
    if plan.range == "stored":
        yield "range 'stored'", "No file stores scales of probabilities here; leave range out."


def _window(plan: AttentionPlan) -> Iterator[Complaint]:
    if not 0 <= plan.window < 2**31:
        yield f"{plan.window} tokens", "Give 0 or more."
    if plan.window and not plan.has_cache:
        yield "a window without a cache that is quantized", "Quantize keys or values, or leave window out."
    for name, one in (("keys", plan.keys), ("values", plan.values)):
        if plan.window and one.granularity == "channel" and plan.window % one.group_size:
            yield (
                f"{plan.window} tokens are no whole groups of the {name}' {one.group_size}",
                f"Use a multiple of {one.group_size}: whole groups leave the window at once.",
            )


def parse_cache_format(text: str, tensor: str) -> TensorPlan:
    """A plan of the cache from ``FORMAT[gN][-pc|-tok|-static][-flag…]``, such as ``int4``, ``int8-tok``, ``q8_0``.

    Integers: keys have a scale for each channel of each 32 tokens, values one for each token of each head, as in KIVI;
    ``-pc`` and ``-tok`` say it for either, ``gN-pc`` takes N tokens, ``gN`` groups of N channels of a token.
    ``-static`` is one scale for all, from calibration, which is also what small floats have (``fp8_e4m3fn``, as
    in vLLM). ``-sym`` leaves the minimum out; ``-fp16``, ``-bf16`` say how scales are stored; ``-away``, ``-floor`` and
    ``-stochastic`` how to round.

    Args:
        text: the notation.
        tensor: ``keys`` or ``values``.

    Raises:
        RecipeError: an unknown format or flag, or a combination that makes no sense.
    """
    form, sizes, flags = tensor_format(text, (*_SHARING, "sym", *STORAGE_FLAGS))
    if len(flags & set(_SHARING)) > 1 or ("g" in sizes and flags & {"tok", "static"}) or "rows" in sizes:
        raise RecipeError(f"'{text}' says twice how a cache shares scales", do="Write int4, int4-tok, int4g32 or so.")
    usual = "channel" if tensor == "keys" else "token"
    if not form.is_integer or "static" in flags:
        usual = "tensor"
    named = "channel" if "pc" in flags else "token" if "tok" in flags else "group" if "g" in sizes else usual
    if form.is_cast or form.own_blocks:
        named = "tensor"
    plan = TensorPlan(
        form.name, named, sizes.get("g", TOKENS if named == "channel" else 0), dynamic=named == "token",
        symmetric="sym" in flags or not form.is_integer, **stored_as(flags),
    )  # fmt: skip
    check_attention(AttentionPlan(keys=plan) if tensor == "keys" else AttentionPlan(values=plan))
    return plan


def parse_probs_format(text: str) -> TensorPlan:
    """A plan of softmax's output from the notation of activations: ``int8`` has its 256 codes between 0 and 1."""
    plan = parse_activation_format(text)
    check_attention(AttentionPlan(probs=plan))
    return plan


def parse_scores_format(text: str) -> TensorPlan:
    """A plan of attention's scores from the notation of activations, such as ``int8`` or ``fp8_e4m3fn``."""
    plan = parse_activation_format(text)
    check_attention(AttentionPlan(scores=plan))
    return plan


def in_words(plan: AttentionPlan) -> tuple[str, ...]:
    """What is quantized, each in a few words: ``keys int4 pc g32``, ``newest 32 tokens float``."""
    named = (("keys", plan.keys), ("values", plan.values), ("scores", plan.scores), ("probabilities", plan.probs))
    said = [f"{name} {one.label}" for name, one in named if one != FLOAT]
    return (*said, f"newest {plan.window} tokens float") if plan.window else tuple(said)
