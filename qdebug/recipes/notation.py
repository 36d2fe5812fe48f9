"""The short notation: ``w8a8``, ``w4g128a8``, ``w8a8-pc``, ``int4g32``, ``cle``, ``smoothquant:alpha=0.6``."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from qdebug.errors import MethodError, RecipeError, near
from qdebug.formats import FORMATS
from qdebug.recipes.fixes import BY_NAME, Fix
from qdebug.recipes.plan import LayerPlan, Recipe, TensorPlan

_PLAN = re.compile(r"w(?P<w>\d+)(?:g(?P<g>\d+))?a(?P<a>\d+)(?P<pc>-pc)?(?P<dyn>-dyn|-tok)?", re.ASCII)
_BITS = {32: "fp32", 16: "fp16", **{bits: f"int{bits}" for bits in range(2, 9)}}
_TENSOR = re.compile(r"(?P<format>[a-z]+\d+)(?:g(?P<g>\d+))?(?P<flags>(?:-[a-z]+)*)", re.ASCII)
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


def parse_weight_format(text: str) -> TensorPlan:
    """A weight plan from ``FORMAT[gN][-pc][-affine]``, for instance ``int4g32``, ``int8-pc``, ``fp16``.

    Raises:
        RecipeError: an unknown format or flag; the message lists near names.
    """
    name, group, flags = _tensor_format(text, ("pc", "affine"))
    if group is not None and "pc" in flags:
        raise RecipeError(f"'{text}' asks for groups and for channels", do="Leave out one of them.")
    granularity = "group" if group is not None else "channel" if "pc" in flags else "tensor"
    return TensorPlan(name, granularity, group or 0, symmetric="affine" not in flags)


def parse_activation_format(text: str) -> TensorPlan:
    """An activation plan from ``FORMAT[-tok|-dyn][-sym]``, for instance ``int8``, ``int8-tok``, ``bf16``.

    Raises:
        RecipeError: an unknown format or flag; the message lists near names.
    """
    name, group, flags = _tensor_format(text, ("tok", "dyn", "sym"))
    if group is not None:
        raise RecipeError(f"'{text}' asks for groups, which activations do not have", do="Write for instance int8-tok.")
    if not FORMATS[name].is_integer:
        return TensorPlan(name)
    granularity = "token" if "tok" in flags else "tensor"
    return TensorPlan(name, granularity, symmetric="sym" in flags, dynamic=bool(flags & {"tok", "dyn"}))


def _tensor_format(text: str, known: tuple[str, ...]) -> tuple[str, int | None, set[str]]:
    """Format name, group size and flags of a tensor's short notation."""
    match = _TENSOR.fullmatch(text.strip().lower())
    name = match["format"] if match else text
    if match is None or name not in FORMATS:
        raise RecipeError(f"Unknown number format '{text}'", do=near(name, FORMATS))
    flags = set(match["flags"].split("-")[1:])
    for flag in sorted(flags - set(known)):
        raise RecipeError(f"'{text}' has the unknown flag '-{flag}'", do=near(flag, known))
    group = int(match["g"]) if match["g"] is not None else None
    if group is not None and group < 1:
        raise RecipeError(f"'{text}' asks for groups of {group}", do="Give a size, for instance int4g32.")
    if (group is not None or flags) and not FORMATS[name].is_integer:
        raise RecipeError(f"'{text}' asks for a scale, which {name} does not have", do=f"Write {name} alone.")
    return name, group, flags


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
