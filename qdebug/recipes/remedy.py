"""A fix of the diagnosis, put into a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec

from qdebug.errors import MethodError, near
from qdebug.formats import FORMATS
from qdebug.recipes.edit import set_layers, with_fix
from qdebug.recipes.fixes import BY_NAME
from qdebug.recipes.plan import FLOAT, ChosenRange, Recipe, TensorPlan

_BITS = {8: "int8", 7: "int7", 6: "int6", 5: "int5", 4: "int4", 3: "int3", 2: "int2"}


def remedied(recipe: Recipe, method: str, params: Mapping[str, Any]) -> Recipe:
    """The recipe with a fix of the diagnosis (``docs/diagnosis.md`` lists the methods).

    Args:
        recipe: what it is put into.
        method: fixes apart by commas (``cle``, ``bias-correction``, ``smoothquant``), or a change of plans:
            ``per-channel``, ``per-group``, ``per-token``, ``dynamic``, ``range:METHOD``, ``format:NAME``, ``clip``,
            ``recalibrate``, ``more-bits``, ``fewer-bits``, ``keep-float``, ``round-to-nearest``, ``between-float``.
        params: of a fix its parameters; of a change of plans ``layers`` and ``tensor``, and what the method takes:
            ``size`` of groups, ``bits``, ``percentile``, ``ranges`` by layer.

    Raises:
        MethodError: there is no such method.
    """
    if method == "between-float":
        return msgspec.structs.replace(recipe, between=FLOAT, bias="fp32")
    names = method.split(",")
    if all(name in BY_NAME for name in names):
        for name in names:
            known = BY_NAME[name].__struct_fields__
            taken = {key: value for key, value in params.items() if key in known}
            recipe = with_fix(recipe, msgspec.convert({"method": name, **taken}, BY_NAME[name]))
        return recipe
    change = _change(method, params)
    plans = {}
    for layer in params["layers"]:
        plan = recipe.plan_for(layer)
        changed = change(layer, getattr(plan, params["tensor"]))
        plans[layer] = msgspec.structs.replace(plan, **{params["tensor"]: changed})
    return set_layers(recipe, plans)


def _change(method: str, params: Mapping[str, Any]) -> Callable[[str, TensorPlan], TensorPlan]:
    """What a method does to the plan of a layer's tensor."""
    replace = msgspec.structs.replace
    name, _, detail = method.partition(":")
    if name == "range" and detail in get_args(ChosenRange):
        percentile = params.get("percentile", 99.99)
        return lambda _, plan: replace(plan, range=detail, clip=None, percentile=percentile)
    if name == "format" and detail in FORMATS:
        return lambda _, plan: TensorPlan(detail)
    if name in ("clip", "recalibrate"):
        ranges = params["ranges"]
        return lambda layer, plan: replace(plan, range="minmax", clip=tuple(ranges[layer]))
    if name in ("more-bits", "fewer-bits"):
        return lambda _, plan: replace(plan, format=_BITS[params["bits"]])
    simple: dict[str, Callable[[str, TensorPlan], TensorPlan]] = {
        "per-channel": lambda _, plan: replace(plan, granularity="channel", group_size=0, block=None),
        "per-group": lambda _, plan: replace(plan, granularity="group", group_size=params["size"], block=None),
        "per-token": lambda _, plan: replace(plan, granularity="token", dynamic=True, clip=None, range="minmax"),
        "dynamic": lambda _, plan: replace(plan, dynamic=True, clip=None, range="minmax"),
        "keep-float": lambda _, plan: FLOAT,
        "round-to-nearest": lambda _, plan: replace(plan, rounding="half_even"),
    }
    if method in simple:
        return simple[method]
    known = (*BY_NAME, *simple, "range:mse", "format:bf16", "clip", "recalibrate", "more-bits", "fewer-bits")
    raise MethodError(f"There is no fix '{method}'", do=near(method, known))
