"""TensorRT: whether a recipe can be explicit quantization, and the precision of every layer for ``trtexec``.

Source: NVIDIA, TensorRT documentation, "Working with Quantized Types" (zero points are 0; activations have one scale,
weights one per tensor or output channel; int4 weights have blocks) and ``trtexec --help``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from qdebug.errors import ModelError, RecipeError
from qdebug.export.document import Document, json_document
from qdebug.export.targets import remarks
from qdebug.export.targets.reach import Reach
from qdebug.recipes import Recipe
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer

TOOL = "TensorRT"
WEIGHTS = Reach(TOOL, frozenset({"int8"}), frozenset({"tensor", "channel"}), affine=False)
ACTIVATIONS = Reach(TOOL, frozenset({"int8"}), affine=False)
_CASTS = {"fp32": "fp32", "fp16": "fp16", "bf16": "bf16"}
_SHOWN = 3


def for_tensorrt(decided: Decided) -> Recipe:
    """The recipe as TensorRT can have it in a QuantizeLinear / DequantizeLinear graph.

    Weights are int8 with zero point 0 per tensor or output channel, activations int8 with zero point 0 per tensor.
    Biases become float32: TensorRT adds them so, and refuses 32-bit ones. Nothing else is changed: a recipe that asks
    for something else is refused, since to make it symmetric would move every scale.

    Raises:
        RecipeError: what stands in the way, the first few places by name.
    """
    found = [reason for layer in decided.layers for reason in _obstacles(layer)]
    for point in decided.points:
        reason = ACTIVATIONS.obstacle(point.plan)
        if reason:
            found.append(f"the value '{point.name}' between layers: {reason}")
    if found:
        more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise RecipeError(
            f"TensorRT cannot have this recipe: {'; '.join(found[:_SHOWN])}{more}",
            do="Use int8 weights per tensor or channel and int8-sym activations, or leave these layers float.",
        )
    return msgspec.structs.replace(decided.recipe, bias="fp32")


def _obstacles(layer: DecidedLayer) -> list[str]:
    """Why a layer cannot be explicit int8; nothing for one that is float or a mere cast."""
    name, weight, activation = layer.layer.name, layer.weight.plan, layer.activation
    if weight.format in _CASTS and (activation is None or activation.plan.format in _CASTS):
        return []
    if activation is None:
        return [f"{name}: TensorRT has no int8 embedding"]
    found: list[str] = []
    for word, plan, reach in (("weight", weight, WEIGHTS), ("activation", activation.plan, ACTIVATIONS)):
        if plan.format in _CASTS:
            found.append(
                f"{name}: TensorRT computes in int8 where input and weight are both int8, and the {word} is not"
            )
        elif reason := reach.obstacle(plan):
            found.append(f"{name}: the {word}: {reason}")
    return found


def tensorrt(decided: Decided, info: ModelInfo) -> Document:
    """The precision of every layer, for ``trtexec --layerPrecisions`` beside the exported ONNX file.

    In an explicitly quantized graph the Q/DQ pairs say what is int8. What they cannot say is that a layer without them
    stays float32 rather than whatever ``--fp16`` makes of it: that is said here.

    Raises:
        ModelError: the model is no ONNX file, so that no name in it would be right.
        RecipeError: see :func:`for_tensorrt`.
    """
    recipe = for_tensorrt(decided)
    if info.source != "onnx":
        raise ModelError(
            "TensorRT knows layers by the names of an ONNX file's nodes, and this model has none",
            do="Export the model to ONNX, open that file and decide on it.",
        )
    precisions = {layer.node: _precision(layer) for layer in decided.layers}
    split = [name for name in precisions if "," in name or ":" in name]
    listed = ",".join(f"{name}:{precision}" for name, precision in precisions.items() if name not in split)
    arguments = [flag for kind, flag in (("fp16", "--fp16"), ("bf16", "--bf16")) if kind in precisions.values()]
    arguments += ["--int8"] if "int8" in precisions.values() else []
    arguments += ["--precisionConstraints=obey", f"--layerPrecisions={listed}"]
    unsaid = [
        f"{name}: trtexec splits its list at commas and colons, so that this name cannot stand in it." for name in split
    ]
    if recipe.bias != decided.recipe.bias:
        unsaid.append("Biases are int32 in the recipe; TensorRT adds them in float32.")
    unsaid += [
        f"{layer.layer.name}: its weight is {layer.weight.plan.format} and its activation "
        f"{layer.activation.plan.format}; a layer has one precision, and the wider is taken."
        for layer in decided.layers
        if layer.activation and layer.activation.plan.format in _CASTS
        and layer.weight.plan.format != layer.activation.plan.format
    ]  # fmt: skip
    unsaid.append("Scales are not in this file: they stand in the Q/DQ pairs of the exported ONNX file.")
    unsaid += remarks.on_rounding(decided, TOOL)
    unsaid += remarks.on_fixes(decided)
    value: dict[str, Any] = {"layer_precisions": precisions, "trtexec": arguments}
    return json_document("tensorrt-layer-precisions.json", value, unsaid)


def _precision(layer: DecidedLayer) -> str:
    """The precision of a layer that :func:`for_tensorrt` lets pass."""
    formats = {layer.weight.plan.format} | ({layer.activation.plan.format} if layer.activation else set())
    if "int8" in formats:
        return "int8"
    return "fp32" if "fp32" in formats or len(formats) > 1 else formats.pop()
