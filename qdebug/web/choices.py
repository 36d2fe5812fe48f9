"""The formats a select offers for one tensor, and the plan each stands for. The one place where they are mapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from qdebug.formats import find
from qdebug.recipes import TensorPlan
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


def label_of(plan: TensorPlan, tensor: Tensor) -> str:
    """The short name of a plan, with whatever departs from what is usual for that tensor."""
    if not find(plan.format).is_integer:
        return plan.label
    unusual = " sym" if tensor == "activation" and plan.symmetric else ""
    unusual += " affine" if tensor == "weight" and not plan.symmetric else ""
    return plan.label + unusual + (" dyn" if plan.dynamic and plan.granularity != "token" else "")


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
    return tuple(found)


def activation_choices(layer: LayerInfo | None = None) -> tuple[Choice, ...]:
    """What a layer's input can be: affine per tensor, and per token where the layer is a matrix product."""
    if layer is not None and layer.kind == "embedding":
        return ()
    found = [Choice(name, "float", TensorPlan(name)) for name in _FLOATS]
    found += [Choice(name, "one scale per tensor, affine", TensorPlan(name, symmetric=False)) for name in _INTEGERS]
    if layer is None or layer.kind == "matmul":
        plans = [TensorPlan(name, "token", symmetric=False, dynamic=True) for name in _INTEGERS]
        found += [Choice(plan.label, "one scale per token, dynamic", plan) for plan in plans]
    return tuple(found)


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
    keeps_range = not (found.granularity == "group" and current.range == "entropy")  # too few values in a group
    keeps_clip = found.granularity == current.granularity and find(current.format).is_integer
    return msgspec.structs.replace(
        found,
        range=current.range if keeps_range else "minmax",
        percentile=current.percentile,
        clip=current.clip if keeps_clip else None,
    )
