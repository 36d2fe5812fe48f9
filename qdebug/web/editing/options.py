"""All that can be said of one tensor: granularity, symmetry, range, clip limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import streamlit as st

from qdebug.formats import Codebook, Gguf, find
from qdebug.recipes import TensorPlan
from qdebug.recipes.check import has_range, has_zero, range_methods, rounds
from qdebug.recipes.plan import Rounding, ScaleFormat
from qdebug.results import LayerInfo, ModelInfo
from qdebug.web.core import state
from qdebug.web.core.choices import GROUPS, Tensor
from qdebug.web.editing import edits

SCALES = {"tensor": "one scale per tensor", "channel": "one per channel", "token": "one per token"}


ROUNDING: dict[str, str] = {
    "half_even": "half to even", "half_away": "half away from 0", "stochastic": "stochastic", "floor": "down",
}  # fmt: skip
STORED: dict[str, str] = {
    "": "as usual (fp32; fp16 in groups)", "fp32": "fp32", "fp16": "fp16", "bf16": "bf16", "e8m0": "power of two",
    "double": "double quantization",
}  # fmt: skip
PRUNED: dict[str, str] = {
    "": "nothing", "2:4": "2 of 4 kept", "1:4": "1 of 4 kept", "4:8": "4 of 8 kept", "25%": "the smallest quarter",
    "50%": "the smallest half", "75%": "the smallest three quarters", "90%": "the smallest nine tenths",
}  # fmt: skip
HELP: dict[str, str] = {
    "scales": "How many values share a scale: fewer fit better and take more scales ([lesson](lesson-granularity)).",
    "range": "How the clip range is found in what calibration, or the weight, holds ([lesson](lesson-calibration)).",
    "percentile": "Of all values; what lies farther out is clipped ([lesson](lesson-clipping)).",
    "symmetric": "As many codes below 0 as above, and no zero point to compute with ([lesson](lesson-symmetric)).",
    "dynamic": "Each sample's own range, found while the network runs ([lesson](lesson-dynamic)).",
    "rounding": "Where a value goes that lies between two codes, or halfway ([lesson](lesson-rounding)).",
    "scale_format": "Scales are numbers too; small groups have many, and their bits count ([lesson](lesson-formats)).",
    "sparsity": "Weights that are set to 0, the smallest ones; of 2 of 4 in a row kept, hardware can make use.",
    "rank": "The weight as a product of two thin matrices of this rank, each quantized: fewer numbers, another error.",
}  # fmt: skip
"""What an option means, on hover, with the lesson that tells more."""
assert set(ROUNDING) == set(get_args(Rounding))
assert set(STORED) == {"", *get_args(ScaleFormat)}


def draw(info: ModelInfo, layer: LayerInfo, tensor: Tensor) -> None:
    """A popover with every option of that tensor of that layer."""
    plan = getattr(edits.plan_of(state.recipe(), layer), tensor)
    form = find(plan.format)
    with st.popover("Options", key="tensor-options"):
        drawn = _Drawn(info, layer, tensor, plan)
        if has_range(form):
            drawn.scales()
            drawn.range()
        else:
            st.html(f'<p class="q-quiet">{why_no_range(plan)}</p>')
        if form.is_integer:
            drawn.toggle("Symmetric (zero point fixed at 0)", "symmetric")
        if has_range(form) and tensor == "activation" and plan.granularity == "tensor":
            drawn.toggle("Dynamic (range from each sample)", "dynamic")
        if rounds(form):
            drawn.select("Rounding", "rounding", ROUNDING)
        if has_range(form):
            several = tensor == "weight" and plan.granularity != "tensor"
            drawn.select("Scales are stored as", "scale_format", STORED, leave=() if several else ("double",))
        if tensor == "weight" and plan.range != "stored":
            drawn.reduction(has_zero(form))
        if has_range(form) and not plan.dynamic and not plan.rank:
            _clip(info, layer, tensor, plan.clip)


def why_no_range(plan: TensorPlan) -> str:
    """Why a format leaves nothing to choose about its scales."""
    form = find(plan.format)
    if form.is_cast:
        return f"{plan.format} is a cast: it has no scale and no range."
    if isinstance(form, Codebook):
        return f"{plan.format} learns its levels from the weights: it has no scale and no range."
    return f"{plan.format} finds its scales by its own rule."


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The widgets of one tensor; each shows the plan and changes it."""

    info: ModelInfo
    layer: LayerInfo
    tensor: Tensor
    plan: TensorPlan

    def scales(self) -> None:
        """How many scales there are."""
        plan, scales = self.plan, _scales(self.layer, self.tensor)
        now = f"group {plan.group_size}" if plan.granularity == "group" else plan.granularity
        st.selectbox(
            "Scales", list(dict.fromkeys([now, *scales])), key=self._put("scales", now),
            format_func=lambda one: str(scales.get(one, f"tiles of {plan.block}" if one == "block" else one)),
            on_change=self._change("scales", now, _granularity), help=HELP["scales"],
        )  # fmt: skip

    def range(self) -> None:
        """How the range is found."""
        plan = self.plan
        if plan.dynamic or plan.granularity == "block":
            return
        known = [name for name in edits.RANGES if name in range_methods(plan)]
        st.selectbox(
            "Range", known, key=self._put("range", plan.range), format_func=edits.RANGES.__getitem__,
            on_change=self._change("range", plan.range, lambda value: {"range": value}), help=HELP["range"],
        )  # fmt: skip
        if plan.range == "percentile":
            st.number_input(
                "Percentile kept", 50.01, 100.0, step=0.01, format="%.3f", key=self._put("percentile", plan.percentile),
                on_change=self._change("percentile", plan.percentile, lambda value: {"percentile": value}),
                help=HELP["percentile"],
            )  # fmt: skip

    def toggle(self, label: str, name: str) -> None:
        """A field that is on or off."""
        now = getattr(self.plan, name)
        change = self._change(name, now, lambda value: {name: value})
        st.toggle(label, key=self._put(name, now), on_change=change, help=HELP[name])

    def select(self, label: str, name: str, words: dict[str, str], leave: tuple[str, ...] = ()) -> None:
        """A field that is one of several names; the empty one stands for None."""
        now = getattr(self.plan, name) or ""
        st.selectbox(
            label, [one for one in words if one == now or one not in leave], key=self._put(name, now),
            format_func=words.__getitem__, on_change=self._change(name, now, lambda value: {name: value or None}),
            help=HELP[name],
        )  # fmt: skip

    def reduction(self, zero: bool) -> None:
        """Whether the weight is pruned, where its format holds zero, or the product of two thin matrices."""
        now = self.plan.sparsity or ""
        if zero and not self.plan.rank:
            self.select("Pruned", "sparsity", PRUNED | ({} if now in PRUNED else {now: now}))
        form = find(self.plan.format)
        if not (self.plan.sparsity or self.layer.op.startswith("depthwise") or isinstance(form, (Gguf, Codebook))):
            rank = self.plan.rank
            st.number_input(
                "Rank of two factors (0: one piece)", 0, None, step=1, key=self._put("rank", rank),
                on_change=self._change("rank", rank, lambda value: {"rank": int(value)}), help=HELP["rank"],
            )  # fmt: skip

    def _key(self, name: str, now: Any) -> str:
        # A closed popover does not hear of a new value (after undo, say): the widget in it would send its old one with
        # the next click, as if someone had chosen it. With the value in its key it is another widget.
        return f"option-{name}-{self.layer.name}-{self.tensor}--{now}"

    def _put(self, name: str, now: Any) -> str:
        return state.put(self._key(name, now), now)

    def _change(self, name: str, now: Any, make: Callable[[Any], dict[str, Any]]) -> Callable[[], None]:
        return lambda: _change(self.info, self.layer, self.tensor, **make(st.session_state[self._key(name, now)]))


def _scales(layer: LayerInfo, tensor: Tensor) -> dict[str, str]:
    if tensor == "activation":
        return {name: SCALES[name] for name in (("tensor", "token") if layer.kind == "matmul" else ("tensor",))}
    groups = {f"group {size}": f"groups of {size}" for size in GROUPS if layer.in_features > size}
    return {"tensor": SCALES["tensor"], "channel": SCALES["channel"]} | groups


def _granularity(value: str) -> dict[str, Any]:
    name, _, size = value.partition(" ")
    return {"granularity": name, "group_size": int(size or 0), "block": None, "dynamic": name == "token", "clip": None}


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
