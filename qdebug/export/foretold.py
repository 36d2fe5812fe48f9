"""What a checkpoint will not say of a recipe, as far as its formats tell: nothing is computed for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from qdebug.export.targets.reach import Reach
from qdebug.export.targets.remarks import inside_attention
from qdebug.formats import Block, Gguf, Integer, find
from qdebug.recipes import LayerPlan, Recipe, TensorPlan
from qdebug.recipes.attention import in_words
from qdebug.results import LayerInfo, ModelInfo

MOST_NAMED = 3


@dataclass(frozen=True)
class Speech:
    """What a kind of checkpoint can hold.

    Attributes:
        weights: of a linear layer's weight.
        inputs: number formats that its input may have.
        uniform: whether it knows one number of bits and one size of groups for all layers, and words of 32 bits full of
            codes.
        half_scales: whether scales are stored in float16 alone.
        rows: what the number of output features must be a multiple of.
    """

    weights: Reach
    inputs: frozenset[str] = frozenset()
    uniform: bool = False
    half_scales: bool = False
    rows: int = 1


_SHARED = frozenset({"tensor", "channel", "group"})
SPEECH: dict[str, Speech] = {
    "compressed-tensors": Speech(
        Reach(
            "compressed-tensors",
            frozenset({*(f"int{bits}" for bits in range(2, 9)), "fp8_e4m3fn", "mxfp4", "mxfp8_e4m3", "nvfp4"}),
            _SHARED | {"block"},
        ),
        frozenset({"int4", "int8", "fp8_e4m3fn", "mxfp4", "mxfp8_e4m3"}),
    ),
    "gptq": Speech(
        Reach("GPTQ", frozenset({"int2", "int3", "int4", "int8"}), _SHARED), uniform=True, half_scales=True, rows=32
    ),
    "awq": Speech(Reach("AWQ", frozenset({"int4"}), _SHARED), uniform=True, half_scales=True, rows=8),
}
"""By the target's name. What depends on values is told when the folder is written."""


def beforehand(info: ModelInfo, recipe: Recipe, target: str) -> tuple[str, ...]:
    """Sentences on what will be left unsaid; none for targets that are no checkpoints, which are written at once.

    Args:
        info: the model.
        recipe: the recipe.
        target: its name.
    """
    if target != "gguf" and target not in SPEECH:
        return ()
    said = _of_gguf(info, recipe) if target == "gguf" else _of_checkpoint(info, recipe, SPEECH[target])
    inside = () if recipe.attention.is_float32 else (inside_attention(in_words(recipe.attention)),)
    return (*said, *inside)


def _of_checkpoint(info: ModelInfo, recipe: Recipe, speech: Speech) -> tuple[str, ...]:
    """Codes of linear layers, inputs of some formats, and nothing else."""
    plans = [(layer, recipe.plan_for(layer.name, layer.kind)) for layer in info.layers]
    kept, floats = _kept(plans, speech)
    said = [f"{_named(names)}: the weight stays float: {why}." for why, names in floats.items()]
    tool = speech.weights.tool
    inputs = [layer.name for layer, plan in kept if _is_lost(plan, speech)]
    if inputs:
        said.append(f"{_named(inputs)}: the activation stays float: {tool} cannot be told of it.")
    rounded = [layer.name for layer, plan in kept if speech.half_scales and plan.weight.scale_format != "fp16"]
    if rounded:
        said.append(f"{_named(rounded)}: {tool} stores scales in float16, which may round these.")
    if not recipe.between.is_float32:
        said.append(f"Values between layers stay float: {tool} cannot be told of each.")
    if recipe.bias == "int32":
        said.append(f"Biases are int32; {tool} decides by itself how it holds them.")
    return tuple(said)


def _of_gguf(info: ModelInfo, recipe: Recipe) -> tuple[str, ...]:
    """llama.cpp holds any values, but few formats as blocks; and nothing of activations."""
    plain: dict[str, list[str]] = {}
    inputs: list[str] = []
    for layer in info.layers:
        plan = recipe.plan_for(layer.name, layer.kind)
        if not plan.weight.is_float32 and not _has_blocks(layer, plan.weight):
            plain.setdefault(plan.weight.label, []).append(layer.name)
        if layer.kind != "embedding" and not find(plan.activation.format).is_cast:
            inputs.append(layer.name)
    said = [
        f"{_named(names)}: llama.cpp has no blocks for {label} here; values are stored rounded, as floats."
        for label, names in plain.items()
    ]
    if inputs:
        said.append(f"{_named(inputs)}: llama.cpp decides by itself how activations are quantized.")
    return tuple(said)


def _has_blocks(layer: LayerInfo, plan: TensorPlan) -> bool:
    """Whether one of llama.cpp's formats has a weight's codes and scales."""
    form = find(plan.format)
    if isinstance(form, Gguf):
        return not plan.is_reduced and layer.in_features % form.size == 0
    if plan.rank or layer.kind != "matmul" or layer.in_features % 32:
        return False
    if form.name == "mxfp4":
        return True
    size = plan.group_size if plan.granularity == "group" else 32
    return isinstance(form, Integer) and plan.symmetric and plan.scale_format == "fp16" and size % 32 == 0


def _kept(
    plans: list[tuple[LayerInfo, LayerPlan]], speech: Speech
) -> tuple[list[tuple[LayerInfo, LayerPlan]], dict[str, list[str]]]:
    """Layers whose weights are stored as planned, and the others by the reason that they stay float."""
    kept: list[tuple[LayerInfo, LayerPlan]] = []
    floats: dict[str, list[str]] = {}
    for layer, plan in plans:
        if plan.weight.is_float32:
            continue
        why = _obstacle(layer, plan.weight, speech)
        if why:
            floats.setdefault(why, []).append(layer.name)
        else:
            kept.append((layer, plan))
    if speech.uniform and kept:
        most = Counter(_choice(plan) for _, plan in kept).most_common(1)[0][0]
        others = [layer.name for layer, plan in kept if _choice(plan) != most]
        if others:
            floats[f"{speech.weights.tool} has one number of bits and one size of groups for all layers"] = others
        kept = [(layer, plan) for layer, plan in kept if _choice(plan) == most]
    return kept, floats


def _obstacle(layer: LayerInfo, plan: TensorPlan, speech: Speech) -> str | None:
    """Why a weight stays float, as the end of a sentence."""
    if layer.kind != "matmul":
        return "it is no linear layer"
    if plan.is_reduced:
        return "it is pruned or of two factors"
    if found := speech.weights.obstacle(plan):
        return found
    form, (rows, inputs) = find(plan.format), (layer.out_channels, layer.in_features)
    size = plan.group_size if plan.granularity == "group" else form.group if isinstance(form, Block) else 1
    if inputs % size:
        return f"rows of {inputs} features are no whole number of groups of {size}"
    if isinstance(form, Integer) and speech.uniform and (rows * form.bits % 32 or inputs * form.bits % 32):
        return f"{rows}×{inputs} codes of {form.bits} bits are no whole number of words"
    return f"{rows} output features are no multiple of {speech.rows}" if rows % speech.rows else None


def _choice(plan: LayerPlan) -> tuple[str, int | None]:
    return plan.weight.format, plan.weight.group_size if plan.weight.granularity == "group" else None


def _is_lost(plan: LayerPlan, speech: Speech) -> bool:
    inputs = plan.activation
    return not find(inputs.format).is_cast and inputs.format not in speech.inputs


def _named(names: list[str]) -> str:
    """Layers by name, a few of many."""
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{len(names)} layers ({shown} …)"
