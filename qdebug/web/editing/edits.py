"""The changes to a recipe that the screens offer: recipes in, recipes out."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from qdebug.formats import find
from qdebug.recipes import (
    FLOAT,
    LayerPlan,
    Recipe,
    TensorPlan,
    parse_activation_format,
    parse_embedding_format,
    parse_weight_format,
    preset,
    set_layers,
    with_embeddings,
)
from qdebug.recipes.check import range_methods
from qdebug.recipes.edit import matching
from qdebug.recipes.notation import is_whole
from qdebug.recipes.plan import ChosenRange
from qdebug.results import LayerInfo, ModelInfo
from qdebug.web.core.choices import Tensor, picked

RANGES: dict[str, str] = {
    "minmax": "min–max", "moving_average": "moving average", "percentile": "percentile", "mse": "least squared error",
    "entropy": "entropy", "aciq_laplace": "ACIQ (Laplace)", "aciq_gauss": "ACIQ (Gauss)", "octav": "OCTAV",
}  # fmt: skip
assert set(RANGES) == set(get_args(ChosenRange))
STORED = "stored"
"""The range of a tensor whose scale came with the model's file."""
TABLES: dict[str, str] = {
    "fp32": "float", "int8": "int8 by row", "int4": "int4 by row", "int4g32": "int4 in groups of 32", "nf4": "nf4",
    "fp8_e4m3fn": "fp8 by row",
}  # fmt: skip
"""Formats of embeddings that are offered."""
TENSORS: tuple[Tensor, Tensor] = ("weight", "activation")


def tidy(recipe: Recipe, info: ModelInfo) -> Recipe:
    """The same decisions without entries that repeat what the default says anyway."""
    kinds = {layer.name: layer.kind for layer in info.layers}
    plain = msgspec.structs.replace(recipe, layers=())
    kept = tuple(
        (name, plan) for name, plan in recipe.layers if plain.plan_for(name, kinds.get(name, "matmul")) != plan
    )
    return msgspec.structs.replace(recipe, layers=kept)


def plan_of(recipe: Recipe, layer: LayerInfo) -> LayerPlan:
    """The plan of a layer."""
    return recipe.plan_for(layer.name, layer.kind)


def with_format(recipe: Recipe, info: ModelInfo, names: tuple[str, ...], tensor: Tensor, label: str) -> Recipe:
    """The recipe with one tensor of these layers in the format of that label, where they can have it."""
    wanted = set(names)
    plans = {}
    for layer in info.layers:
        if layer.name in wanted and not (tensor == "activation" and layer.kind == "embedding"):
            plan = plan_of(recipe, layer)
            plans[layer.name] = _replaced(plan, tensor, picked(getattr(plan, tensor), label, tensor, layer))
    return tidy(set_layers(recipe, plans), info)


def with_notation(recipe: Recipe, info: ModelInfo, layer: LayerInfo, tensor: Tensor, notation: str) -> Recipe:
    """The recipe with one tensor of a layer in a format of the command line's notation, such as ``int4g32``."""
    parse = parse_weight_format if tensor == "weight" else parse_activation_format
    plan = _replaced(plan_of(recipe, layer), tensor, parse(notation))
    return tidy(set_layers(recipe, {layer.name: plan}), info)


def with_plan(recipe: Recipe, info: ModelInfo, layer: LayerInfo, plan: LayerPlan) -> Recipe:
    """The recipe with a layer in that plan; what an embedding reads are numbers of rows, which stay as they are."""
    own = msgspec.structs.replace(plan, activation=FLOAT) if layer.kind == "embedding" else plan
    return tidy(set_layers(recipe, {layer.name: own}), info)


def with_options(recipe: Recipe, info: ModelInfo, layer: LayerInfo, tensor: Tensor, **options: Any) -> Recipe:
    """The recipe with fields of one tensor's plan replaced, such as ``range="mse"``.

    What the new fields rule out goes: a range method or a hand-set clip range that the tensor cannot have then, double
    quantization of a single scale.
    """
    plan = plan_of(recipe, layer)
    changed = msgspec.structs.replace(getattr(plan, tensor), **options)
    if changed.dynamic:
        changed = msgspec.structs.replace(changed, range="minmax", clip=None)
    if changed.range not in range_methods(changed):
        changed = msgspec.structs.replace(changed, range="minmax")
    if changed.rank:  # its factors have ranges of their own
        changed = msgspec.structs.replace(changed, clip=None)
    if changed.granularity == "tensor" and changed.scale_format == "double":
        changed = msgspec.structs.replace(changed, scale_format=None)
    return tidy(set_layers(recipe, {layer.name: _replaced(plan, tensor, changed)}), info)


def with_range(recipe: Recipe, info: ModelInfo, method: ChosenRange) -> Recipe:
    """The recipe with every integer tensor's range found by that method, where the tensor can have it."""
    plans = {name: ranged(plan, method) for name, plan in recipe.layers}
    return tidy(msgspec.structs.replace(set_layers(recipe, plans), default=ranged(recipe.default, method)), info)


def ranged(plan: LayerPlan, method: ChosenRange) -> LayerPlan:
    """The plan with the range of each integer tensor found by that method, where the tensor can have it."""
    for tensor in TENSORS:
        one = getattr(plan, tensor)
        if _integer(one) and method in range_methods(one):
            plan = _replaced(plan, tensor, msgspec.structs.replace(one, range=method))
    return plan


def range_of(recipe: Recipe) -> str | None:
    """The range method that all integer tensors of a recipe share, or None where they differ or there is none."""
    plans = [recipe.default, *(plan for _, plan in recipe.layers)]
    found = {getattr(plan, tensor).range for plan in plans for tensor in TENSORS if _integer(getattr(plan, tensor))}
    return found.pop() if len(found) == 1 else None


def with_preset(recipe: Recipe, text: str) -> Recipe:
    """The recipe with that preset for every layer, no exceptions; fixes, embeddings and attention stay as they are."""
    kept = {
        "fixes": recipe.fixes,
        "embeddings": recipe.embeddings,
        "attention": recipe.attention,
        "model": recipe.model,
    }
    return msgspec.structs.replace(preset(text), **kept)


def with_tables(recipe: Recipe, info: ModelInfo, text: str) -> Recipe:
    """The recipe with all embeddings in that format, by row, and none of them an exception.

    Raises:
        RecipeError: there is no such format.
    """
    tables = {layer.name for layer in info.layers if layer.kind == "embedding"}
    kept = tuple(one for one in recipe.layers if one[0] not in tables)
    return with_embeddings(msgspec.structs.replace(recipe, layers=kept), text)


def has_tables(info: ModelInfo) -> bool:
    """Whether the model has embeddings."""
    return any(layer.kind == "embedding" for layer in info.layers)


def tables_of(recipe: Recipe, info: ModelInfo) -> str | None:
    """Which of :data:`TABLES` all embeddings are in; None where they differ or are in another format."""
    plans = {plan_of(recipe, layer).weight for layer in info.layers if layer.kind == "embedding"}
    return next((text for text in TABLES if plans == {parse_embedding_format(text)}), None)


def with_integers(recipe: Recipe) -> Recipe | None:
    """The recipe with activations between layers in the layers' own format and biases in 32 bits.

    None where it is so already, or where layers could not run in integers anyway.
    """
    if not is_whole(recipe.default):
        return None
    between = recipe.default.activation if recipe.between.is_float32 else recipe.between
    changed = msgspec.structs.replace(recipe, between=between, bias="int32")
    return None if changed == recipe else changed


def matched(pattern: str, info: ModelInfo) -> tuple[str, ...]:
    """The layers a glob pattern selects; raises RecipeError with near names for none."""
    return matching(pattern, [layer.name for layer in info.layers])


def clip_range(first: float, second: float) -> tuple[float, float] | None:
    """Two ends as a clip range: in order, zero included; None where that leaves no range."""
    low, high = min(first, second, 0.0), max(first, second, 0.0)
    return (float(f"{low:.4g}"), float(f"{high:.4g}")) if low < high else None


def _integer(plan: TensorPlan) -> bool:
    return find(plan.format).is_integer


def _replaced(plan: LayerPlan, tensor: Tensor, new: TensorPlan) -> LayerPlan:
    return (
        msgspec.structs.replace(plan, weight=new)
        if tensor == "weight"
        else msgspec.structs.replace(plan, activation=new)
    )
