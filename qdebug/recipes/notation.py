"""The short notation: ``w8a8``, ``w4g128a8``, ``w8a8-pc``, ``cle``, ``smoothquant:alpha=0.6``."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from qdebug.errors import MethodError, RecipeError, near
from qdebug.recipes.fixes import BY_NAME, Fix
from qdebug.recipes.plan import LayerPlan, Recipe, TensorPlan

_PLAN = re.compile(r"w(?P<w>\d+)(?:g(?P<g>\d+))?a(?P<a>\d+)(?P<pc>-pc)?(?P<dyn>-dyn|-tok)?")
_BITS = {32: "fp32", 16: "fp16", **{bits: f"int{bits}" for bits in range(2, 9)}}
_HOW = "Write weight bits, group and activation bits such as w8a8, w8a8-pc, w4g32a16; bits are 2-8, 16 or 32."


def parse_plan(text: str) -> LayerPlan:
    """A layer plan from its short name.

    Weights are symmetric per tensor, per channel with ``-pc``, per group with ``gN``. Activations are affine per
    tensor, static; ``-dyn`` takes their range from each sample, ``-tok`` from each token. 16 bits mean fp16, 32 fp32.

    Raises:
        RecipeError: the text is not of this form.
    """
    match = _PLAN.fullmatch(text.strip().lower())
    if not match:
        raise RecipeError(f"'{text}' is not a layer format", do=_HOW)
    weight_bits, activation_bits = int(match["w"]), int(match["a"])
    group = int(match["g"]) if match["g"] is not None else None
    for bits in (weight_bits, activation_bits):
        if bits not in _BITS:
            raise RecipeError(f"'{text}' asks for {bits} bits, which no format has", do=_HOW)
    if group is not None and group < 1:
        raise RecipeError(f"'{text}' asks for groups of {group}", do=_HOW)
    return LayerPlan(_weight(weight_bits, group, bool(match["pc"])), _activation(activation_bits, match["dyn"]))


def _weight(bits: int, group: int | None, per_channel: bool) -> TensorPlan:
    name = _BITS[bits]
    if bits > 8:
        return TensorPlan(name)
    if group:
        return TensorPlan(name, "group", group)
    return TensorPlan(name, "channel" if per_channel else "tensor")


def _activation(bits: int, dynamic: str | None) -> TensorPlan:
    name = _BITS[bits]
    if bits > 8:
        return TensorPlan(name)
    return TensorPlan(name, "token" if dynamic == "-tok" else "tensor", symmetric=False, dynamic=dynamic is not None)


def preset(text: str) -> Recipe:
    """The recipe that gives every layer the plan of that short name."""
    return Recipe(default=parse_plan(text))


def parse_fix(text: str) -> Fix:
    """A fix from ``name[:key=value…]``, for instance ``smoothquant:alpha=0.6``.

    Raises:
        MethodError: no such fix, no such parameter, or a value of the wrong type.
    """
    name, *assignments = text.strip().split(":")
    if name not in BY_NAME:
        raise MethodError(f"Unknown fix '{name}'", do=near(name, BY_NAME))
    kind = BY_NAME[name]
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, _, value = assignment.partition("=")
        if key not in fields:
            raise MethodError(f"Fix '{name}' has no parameter '{key}'", do=near(key, fields))
        try:
            values[key] = msgspec.convert(value, fields[key].type, strict=False)
        except msgspec.ValidationError as error:
            raise MethodError(f"Fix '{name}' cannot take {key}={value}", do=f"{error}.") from None
    return kind(**values)
