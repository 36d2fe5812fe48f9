"""How attention holds keys, values, scores and probabilities: a popover, where the model has any attention."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st
from msgspec.structs import replace

from qdebug.errors import QDebugError
from qdebug.figures import numbers
from qdebug.figures.text import plural
from qdebug.recipes import (
    AttentionPlan,
    Recipe,
    TensorPlan,
    parse_cache_format,
    parse_probs_format,
    parse_scores_format,
)
from qdebug.recipes.attention import check_attention
from qdebug.results import ModelInfo
from qdebug.targets import cache_size
from qdebug.web.core import problem, state

_FLOAT = {"fp32": "float"}
_CHANNEL, _TOKEN = "per channel of 32", "per token"
"""What shares a scale: a channel of 32 tokens, or a token of one head."""
_EITHER = {
    "int4g32": "int4, per 32 channels", "int8-static": "int8, one scale",
    "fp8_e4m3fn": "fp8_e4m3fn, one scale", "q8_0": "q8_0 (llama.cpp)", "q4_0": "q4_0 (llama.cpp)", "mxfp4": "mxfp4",
}  # fmt: skip
KEYS: dict[str, str] = (
    _FLOAT
    | {name: f"{name}, {_CHANNEL}" for name in ("int8", "int4", "int2")}
    | {f"{name}-tok": f"{name}, {_TOKEN}" for name in ("int8", "int4", "int2")}
    | _EITHER
)
VALUES: dict[str, str] = (
    _FLOAT
    | {name: f"{name}, {_TOKEN}" for name in ("int8", "int4", "int2")}
    | {f"{name}-pc": f"{name}, {_CHANNEL}" for name in ("int8", "int4", "int2")}
    | _EITHER
)
INSIDE: dict[str, str] = {"fp32": "float", "int8": "int8", "int4": "int4", "fp8_e4m3fn": "fp8_e4m3fn", "bf16": "bf16"}
WINDOWS = (0, 32, 64, 128, 256)
HELP: dict[str, str] = {
    "keys": "As the cache holds them: scales are shared by 32 tokens of a channel, or by a token of a head. Others "
    "than those of the list can be written: `int4g64-pc`, `int3-tok`.",
    "values": "As the cache holds them: scales are shared by a token of a head, or by 32 tokens of a channel. Others "
    "than those of the list can be written: `int4g16`, `int3`.",
    "window": "Newest tokens that the cache keeps in full precision.",
    "scores": "Products of queries and keys, before mask and softmax: one scale, from calibration.",
    "probs": "What softmax gives: the codes lie between 0 and 1.",
}
TITLES = {"keys": "Keys", "values": "Values", "scores": "Scores", "probs": "Probabilities"}
PARSE: dict[str, Callable[[str], TensorPlan]] = {
    "keys": partial(parse_cache_format, tensor="keys"), "values": partial(parse_cache_format, tensor="values"),
    "scores": parse_scores_format, "probs": parse_probs_format,
}  # fmt: skip


def draw(info: ModelInfo) -> None:
    """The popover; nothing where no attention was found."""
    if not info.attentions:
        return
    plan = state.recipe().attention
    with st.popover("Attention", key="attention", width="stretch"):
        st.html(f'<p class="q-quiet">{plural(len(info.attentions), "attention")}, all alike.</p>')
        _format(plan, "keys", KEYS)
        _format(plan, "values", VALUES)
        if plan.has_cache:
            _window(plan)
            if info.task == "language-model":
                st.html(f'<p class="q-quiet">{size_in_words(info, plan)}</p>')
        for name in ("scores", "probs"):
            _format(plan, name, INSIDE)
        refused, digest = st.session_state.get("attention-error", (None, ""))
        if refused is not None and digest == state.recipe().digest:  # the next step makes it old news
            problem.draw(refused, "attention", retry=None)


def notation(plan: AttentionPlan, name: str, known: dict[str, str]) -> str:
    """What one would choose to get the plan of keys, values, scores or probabilities; its label where nothing does."""
    one: TensorPlan = getattr(plan, name)
    return next((text for text in known if PARSE[name](text) == one), one.label)


def changed(recipe: Recipe, name: str, text: str) -> Recipe:
    """The recipe with another format for keys, values, scores or probabilities.

    A window that no cache is left for goes, and one that cuts groups of tokens becomes the next that does not.

    Raises:
        RecipeError: there is no such format.
    """
    plan = replace(recipe.attention, **{name: PARSE[name](text)})
    return replace(recipe, attention=_fitting(plan, plan.window))


def with_window(recipe: Recipe, window: int) -> Recipe:
    """The recipe with so many newest tokens in full precision, or a few more where groups of tokens want it."""
    return replace(recipe, attention=_fitting(recipe.attention, window))


def size_in_words(info: ModelInfo, plan: AttentionPlan) -> str:
    """What a token takes in the caches, in a sentence."""
    size = cache_size(info.attentions, plan)
    if size is None:
        return ""
    quantized, fp16 = (numbers.size(round(one)) for one in (size.quantized_bytes, size.fp16_bytes))
    return f"A token takes {quantized} in the cache, {fp16} in fp16: {numbers.three(size.bits_per_value)} bits a value."


def _fitting(plan: AttentionPlan, window: int) -> AttentionPlan:
    sizes = [one.group_size for one in (plan.keys, plan.values) if one.granularity == "channel"]
    while any(window % size for size in sizes):
        window += 1
    fitting = replace(plan, window=window if plan.has_cache else 0)
    check_attention(fitting)
    return fitting


def _format(plan: AttentionPlan, name: str, known: dict[str, str]) -> None:
    now = notation(plan, name, known)
    # With the value in its key it is another widget: a closed popover does not hear of a new value.
    key = f"attention-{name}--{now}"
    st.selectbox(
        TITLES[name], list(dict.fromkeys([now, *known])), key=state.put(key, now), help=HELP[name],
        format_func=lambda one: str(known.get(one, one)), accept_new_options=True,
        on_change=lambda: _change(lambda recipe: changed(recipe, name, st.session_state[key])),
    )  # fmt: skip


def _window(plan: AttentionPlan) -> None:
    key = f"attention-window--{plan.window}"
    st.selectbox(
        "Newest tokens float", list(dict.fromkeys([plan.window, *WINDOWS])), key=state.put(key, plan.window),
        help=HELP["window"], on_change=lambda: _change(lambda recipe: with_window(recipe, st.session_state[key])),
    )  # fmt: skip


def _change(make: Callable[[Recipe], Recipe]) -> None:
    try:
        state.change(make(state.recipe()))
    except QDebugError as error:  # written by hand
        st.session_state["attention-error"] = error, state.recipe().digest
