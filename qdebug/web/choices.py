"""The formats a select offers for one tensor, and the plan each stands for. The one place where they are mapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from qdebug.formats import find
from qdebug.recipes import TensorPlan, parse_activation_format, parse_weight_format
from qdebug.recipes.candidates import ACTIVATIONS, WEIGHTS
from qdebug.recipes.check import range_methods
from qdebug.results import LayerInfo

Tensor = Literal["weight", "activation"]
_FLOATS = ("fp32", "fp16", "bf16")
_INTEGERS = ("int8", "int7", "int6", "int5", "int4", "int3", "int2")
GROUPS = (32, 128)


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a select: what it reads, the heading it stands under, the plan it makes."""

    label: str
    heading: str
    plan: TensorPlan


_STORED = {
    "fp16": " fp16 scales",
    "bf16": " bf16 scales",
    "fp32": " fp32 scales",
    "e8m0": " 2ⁿ scales",
    "double": " dq",
}
_ROUNDED = {"half_away": " away", "stochastic": " stochastic", "floor": " floor"}


def label_of(plan: TensorPlan, tensor: Tensor) -> str:
    """The short name of a plan, with whatever departs from what is usual for that tensor."""
    unusual = " dyn" if plan.dynamic and plan.granularity != "token" else ""
    if find(plan.format).is_integer:
        sign = " sym" if tensor == "activation" and plan.symmetric else ""
        unusual = sign + (" affine" if tensor == "weight" and not plan.symmetric else "") + unusual
    return plan.label + unusual + _STORED.get(plan.scale_format or "", "") + _ROUNDED.get(plan.rounding, "")


def weight_choices(layer: LayerInfo | None = None) -> tuple[Choice, ...]:
    """What a layer's weights can be; for None, what some layer's can. Groups only where a row is longer than one."""
    found = [Choice(name, "float", TensorPlan(name)) for name in _FLOATS]
    found += [Choice(name, "one scale per tensor", TensorPlan(name)) for name in _INTEGERS]
    channel = [TensorPlan(name, "channel") for name in _INTEGERS]
    found += [Choice(plan.label, "one scale per channel", plan) for plan in channel]
    for group in GROUPS:
        if layer is None or layer.in_features > group:
            plans = [TensorPlan(name, "group", group) for name in _INTEGERS]
            found += [Choice(plan.label, f"groups of {group}", plan) for plan in plans]
    others = _others(WEIGHTS, parse_weight_format, "weight")
    return (*found, *(one for one in others if layer is None or layer.in_features > one.plan.group_size))


def activation_choices(layer: LayerInfo | None = None) -> tuple[Choice, ...]:
    """What a layer's input can be: affine per tensor, and per token where the layer is a matrix product."""
    if layer is not None and layer.kind == "embedding":
        return ()
    found = [Choice(name, "float", TensorPlan(name)) for name in _FLOATS]
    found += [Choice(name, "one scale per tensor, affine", TensorPlan(name, symmetric=False)) for name in _INTEGERS]
    if layer is None or layer.kind == "matmul":
        plans = [TensorPlan(name, "token", symmetric=False, dynamic=True) for name in _INTEGERS]
        found += [Choice(plan.label, "one scale per token, dynamic", plan) for plan in plans]
    others = _others(ACTIVATIONS, parse_activation_format, "activation")
    tokens = layer is None or layer.kind == "matmul"
    return (*found, *(one for one in others if tokens or one.plan.granularity != "token"))


def _others(groups: dict[str, tuple[str, ...]], parse: Callable[[str], TensorPlan], tensor: Tensor) -> list[Choice]:
    """The formats that are neither plain integers nor floats of 16 bits."""
    found = [(heading, parse(notation)) for heading, group in groups.items() for notation in group]
    return [
        Choice(label_of(plan, tensor), heading, plan)
        for heading, plan in found
        if not (find(plan.format).is_integer or find(plan.format).is_cast)
    ]


def choices(tensor: Tensor, layer: LayerInfo | None = None) -> tuple[Choice, ...]:
    """What that tensor of a layer can be."""
    return weight_choices(layer) if tensor == "weight" else activation_choices(layer)


def picked(current: TensorPlan, label: str, tensor: Tensor, layer: LayerInfo | None = None) -> TensorPlan:
    """The plan after picking a label: format and granularity are new, how the range is found stays.

    A hand-set clip range goes when the granularity or the kind of format changes: it was meant for what was drawn.
    """
    found = next((one.plan for one in choices(tensor, layer) if one.label == label), None)
    if found is None:
        return current
    if found.dynamic or not find(found.format).is_integer:
        return found
    keeps_clip = found.granularity == current.granularity and find(current.format).is_integer
    return msgspec.structs.replace(
        found,
        range=current.range if current.range in range_methods(found) else "minmax",
        percentile=current.percentile,
        clip=current.clip if keeps_clip else None,
    )
