"""The formats a select offers for one tensor, and the plan each stands for. The one place where they are mapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import msgspec

from qdebug.figures.recipe_words import Tensor, label_of
from qdebug.formats import find
from qdebug.recipes import TensorPlan, parse_activation_format, parse_weight_format
from qdebug.recipes.candidates import ACTIVATIONS, WEIGHTS
from qdebug.recipes.check import range_methods
from qdebug.results import LayerInfo

_FLOATS = ("fp32", "fp16", "bf16")
_INTEGERS = ("int8", "int7", "int6", "int5", "int4", "int3", "int2")
GROUPS = (32, 128)


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a select: what it reads, the heading it stands under, the plan it makes."""

    label: str
    heading: str
    plan: TensorPlan


def weight_choices(layer: LayerInfo | None = None) -> tuple[Choice, ...]:
    """What a layer's weights can be; for None, what some layer's can. Groups only where a row is longer than one."""
    everything = _weights()
    if layer is None:
        return everything
    sizes = {one.plan.group_size for one in everything}
    return _weights_in_groups(max(size for size in sizes if size < max(1, layer.in_features)))


def activation_choices(layer: LayerInfo | None = None) -> tuple[Choice, ...]:
    """What a layer's input can be: affine per tensor, and per token where the layer is a matrix product."""
    if layer is not None and layer.kind == "embedding":
        return ()
    return _activations(layer is None or layer.kind == "matmul")


@cache
def _weights() -> tuple[Choice, ...]:
    found = [Choice(name, "float", TensorPlan(name)) for name in _FLOATS]
    found += [Choice(name, "one scale per tensor", TensorPlan(name)) for name in _INTEGERS]
    channel = [TensorPlan(name, "channel") for name in _INTEGERS]
    found += [Choice(plan.label, "one scale per channel", plan) for plan in channel]
    for group in GROUPS:
        plans = [TensorPlan(name, "group", group) for name in _INTEGERS]
        found += [Choice(plan.label, f"groups of {group}", plan) for plan in plans]
    return (*found, *_others(WEIGHTS, parse_weight_format, "weight"))


@lru_cache(64)
def _weights_in_groups(largest: int) -> tuple[Choice, ...]:
    return tuple(one for one in _weights() if one.plan.group_size <= largest)


@cache
def _activations(tokens: bool) -> tuple[Choice, ...]:
    found = [Choice(name, "float", TensorPlan(name)) for name in _FLOATS]
    found += [Choice(name, "one scale per tensor, affine", TensorPlan(name, symmetric=False)) for name in _INTEGERS]
    if tokens:
        plans = [TensorPlan(name, "token", symmetric=False, dynamic=True) for name in _INTEGERS]
        found += [Choice(plan.label, "one scale per token, dynamic", plan) for plan in plans]
    others = _others(ACTIVATIONS, parse_activation_format, "activation")
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
    """What that tensor of a layer can be: for layers alike, the very same object."""
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
