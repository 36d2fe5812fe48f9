"""All that can be said of one tensor: granularity, symmetry, range, clip limits."""

from __future__ import annotations

from typing import Any

import streamlit as st

from qdebug.formats import find
from qdebug.results import LayerInfo, ModelInfo
from qdebug.web import edits, state
from qdebug.web.choices import GROUPS, Tensor

SCALES = {"tensor": "one scale per tensor", "channel": "one per channel", "token": "one per token"}


def draw(info: ModelInfo, layer: LayerInfo, tensor: Tensor) -> None:
    """A popover with every option of that tensor of that layer."""
    plan = getattr(edits.plan_of(state.recipe(), layer), tensor)
    with st.popover("Options", key="tensor-options"):
        if not find(plan.format).is_integer:
            st.html(f'<p class="q-quiet">{plan.format} is a cast: it has no scale and no range.</p>')
            return
        key = f"{layer.name}-{tensor}"

        def put(name: str, value: Any) -> str:
            return state.put(f"option-{name}-{key}", value)

        def change(name: str, make: Any) -> Any:
            return lambda: _change(info, layer, tensor, **make(st.session_state[f"option-{name}-{key}"]))

        scales = _scales(layer, tensor)
        now = f"group {plan.group_size}" if plan.granularity == "group" else plan.granularity
        st.selectbox(
            "Scales",
            list(dict.fromkeys([now, *scales])),
            key=put("scales", now),
            format_func=lambda one: str(scales.get(one, one)),
            on_change=change("scales", _granularity),
        )
        if not plan.dynamic:
            st.selectbox(
                "Range",
                list(edits.RANGES),
                key=put("range", plan.range),
                format_func=edits.RANGES.__getitem__,
                on_change=change("range", lambda value: {"range": value}),
            )
        if plan.range == "percentile":
            st.number_input(
                "Percentile kept",
                50.01,
                100.0,
                step=0.01,
                format="%.3f",
                key=put("percentile", plan.percentile),
                on_change=change("percentile", lambda value: {"percentile": value}),
            )
        st.toggle("Symmetric (zero point fixed at 0)", key=put("symmetric", plan.symmetric),
                  on_change=change("symmetric", lambda value: {"symmetric": value}))  # fmt: skip
        if tensor == "activation" and plan.granularity == "tensor":
            st.toggle("Dynamic (range from each sample)", key=put("dynamic", plan.dynamic),
                      on_change=change("dynamic", lambda value: {"dynamic": value}))  # fmt: skip
        if not plan.dynamic:
            _clip(info, layer, tensor, plan.clip)


def _scales(layer: LayerInfo, tensor: Tensor) -> dict[str, str]:
    if tensor == "activation":
        return {name: SCALES[name] for name in (("tensor", "token") if layer.kind == "matmul" else ("tensor",))}
    groups = {f"group {size}": f"groups of {size}" for size in GROUPS if layer.in_features > size}
    return {"tensor": SCALES["tensor"], "channel": SCALES["channel"]} | groups


def _granularity(value: str) -> dict[str, Any]:
    name, _, size = value.partition(" ")
    return {"granularity": name, "group_size": int(size or 0), "dynamic": name == "token", "clip": None}


def _change(info: ModelInfo, layer: LayerInfo, tensor: Tensor, **fields: Any) -> None:
    state.change(edits.with_options(state.recipe(), info, layer, tensor, **fields))


def _clip(info: ModelInfo, layer: LayerInfo, tensor: Tensor, clip: tuple[float, float] | None) -> None:
    # The range is part of the keys: a new one, from dragging for instance, makes new inputs that show it.
    key = f"{layer.name}-{tensor}-{clip}"
    low, high = clip or (None, None)
    with st.form(f"clip-{key}", border=False):
        left, right = st.columns(2)
        left.number_input(
            "Clip from", value=low, max_value=0.0, format="%.4g", placeholder="calibrated", key=f"clip-low-{key}"
        )
        right.number_input(
            "Clip to", value=high, min_value=0.0, format="%.4g", placeholder="calibrated", key=f"clip-high-{key}"
        )
        st.form_submit_button("Set clip range", width="stretch", on_click=_set_clip, args=(info, layer, tensor, key))
    if clip is not None:
        st.button(
            "Reset clip range",
            key=f"clip-reset-{key}",
            width="stretch",
            on_click=lambda: _change(info, layer, tensor, clip=None),
        )


def _set_clip(info: ModelInfo, layer: LayerInfo, tensor: Tensor, key: str) -> None:
    low, high = st.session_state[f"clip-low-{key}"], st.session_state[f"clip-high-{key}"]
    clip = edits.clip_range(low, high) if low is not None and high is not None else None
    if clip is not None:
        _change(info, layer, tensor, clip=clip)
