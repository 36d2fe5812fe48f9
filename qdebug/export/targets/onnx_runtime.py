"""ONNX Runtime: the arguments of ``quantize_static``, with ``TensorQuantOverrides`` that hold every scale.

Source: ``onnxruntime.quantization`` 1.31 (``quantize.py``, ``qdq_quantizer.py``, ``tensor_quant_overrides.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qdebug.errors import ModelError
from qdebug.export.document import Document, json_document
from qdebug.export.targets import remarks
from qdebug.export.targets.reach import Reach
from qdebug.quantize import QParams
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer, DecidedTensor

TOOL = "ONNX Runtime's quantize_static"
_WIDTHS = frozenset({"int8", "uint8", "int16", "uint16", "int4", "uint4"})
WEIGHTS = Reach(TOOL, _WIDTHS, frozenset({"tensor", "channel"}))
ACTIVATIONS = Reach(TOOL, frozenset({"int8", "uint8", "int16", "uint16"}))

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
#: What else reads or writes integers when a recipe says how activations between layers are held.
_BETWEEN = (
    "Add", "AveragePool", "Clip", "Concat", "Flatten", "GlobalAveragePool", "HardSigmoid", "HardSwish", "LeakyRelu",
    "MaxPool", "Mul", "ReduceMean", "Relu", "Reshape", "Sigmoid", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze",
)  # fmt: skip


def onnx_runtime(decided: Decided, info: ModelInfo) -> Document:
    """The arguments of ``quantize_static`` that reproduce a recipe.

    Raises:
        ModelError: the model is no ONNX file, so that no name in it would be right.
        RecipeError: nothing of the recipe can be said.
    """
    if info.source != "onnx":
        raise ModelError(
            f"{TOOL} knows nodes and values by the names of an ONNX file, and this model has none",
            do="Export the model to ONNX, open that file and decide on it.",
        )
    unsaid: list[str] = []
    overrides: dict[str, list[dict[str, Any]]] = {}
    taken = [layer for layer in decided.layers if _take(layer, overrides, unsaid)]
    if not taken:
        raise remarks.nothing_left(TOOL, unsaid, decided)
    points = [point for point in decided.points if _take_point(point, overrides, unsaid)]
    unsaid += remarks.on_fixes(decided)
    unsaid += remarks.on_rounding(decided, TOOL)
    unsaid += remarks.on_shared(decided, TOOL)
    unsaid += _on_floats(decided, taken)
    arguments = _arguments(decided, taken, points, overrides, unsaid)
    return json_document("onnxruntime-quantize-static.json", {"quantize_static": arguments}, unsaid)


def _take(layer: DecidedLayer, overrides: dict[str, list[dict[str, Any]]], unsaid: list[str]) -> bool:
    """Write a layer's overrides down; or why it is left float."""
    name, activation = layer.layer.name, layer.activation
    if not layer.is_quantized:
        return False
    reason = None
    if activation is None:
        reason = f"{TOOL} would treat its table as an activation"
    elif layer.weight.plan.is_float32 or activation.plan.is_float32:
        alone = "weight" if activation.plan.is_float32 else "activation"
        reason = f"{TOOL} quantizes input and weight of a node or neither, and here it is the {alone} alone"
    else:
        reason = WEIGHTS.obstacle(layer.weight.plan) or ACTIVATIONS.obstacle(activation.plan) or remarks.no_codes(layer)
    own = _override(layer.weight, layer.layer.out_axis) if reason is None else []
    if reason is None and overrides.get(layer.weight.name, own) != own:
        reason = "another layer quantizes the same weight otherwise, and a tensor has one override"
    if reason:
        unsaid.append(f"{name}: {reason}; it is left float.")
        return False
    assert activation is not None
    overrides[layer.weight.name] = own
    overrides.setdefault(activation.name, _override(activation))
    return True


def _take_point(point: DecidedTensor, overrides: dict[str, list[dict[str, Any]]], unsaid: list[str]) -> bool:
    reason = ACTIVATIONS.obstacle(point.plan)
    if reason:
        unsaid.append(f"The value '{point.name}' between layers: {reason}; its scale is left to calibration.")
        return False
    overrides.setdefault(point.name, _override(point))
    return True


def _override(tensor: DecidedTensor, axis: int = 0) -> list[dict[str, Any]]:
    """One entry for a tensor, or one for each channel, of which the first names the axis."""
    grid = tensor.grid
    assert isinstance(grid, QParams)
    kind = quant_type(grid)
    pairs = zip(grid.scale.flatten().tolist(), grid.zero_point.flatten().tolist(), strict=True)
    entries: list[dict[str, Any]] = [
        {"quant_type": kind, "scale": scale, "zero_point": int(zero)} for scale, zero in pairs
    ]
    if grid.scale.dim():
        entries[0]["axis"] = axis
    return entries


def quant_type(grid: QParams) -> str:
    """The name of ONNX Runtime's ``QuantType`` with a grid's codes."""
    width = (grid.qmax - grid.qmin).bit_length()
    return f"{'QInt' if grid.qmin < 0 else 'QUInt'}{width}"


def _on_floats(decided: Decided, taken: Iterable[DecidedLayer]) -> list[str]:
    """Layers left float whose input is quantized for another layer: an excluded node reads the quantized value."""
    names = {layer.layer.name for layer in taken}
    points = {point.name for point in decided.points}
    written = {
        one.activation.name: one.layer.name for one in taken if one.activation and one.activation.name not in points
    }
    return [
        f"{layer.layer.name}: it is left float, but its input '{layer.activation.name}' is quantized for "
        f"{written[layer.activation.name]}, and {TOOL} hands excluded nodes the quantized values too."
        for layer in decided.layers
        if layer.layer.name not in names and layer.activation and layer.activation.name in written
    ]


def _starts_at_zero(tensor: DecidedTensor) -> bool:
    """Whether the lowest code stands for 0 where no value is negative: then quantizing is all that a ReLU does.

    ONNX Runtime drops a ReLU whose output has a free zero point, whatever that is.
    """
    by_hand = tensor.plan.clip is not None and tensor.plan.clip[0] < 0
    return isinstance(tensor.grid, QParams) and tensor.grid.qmin >= 0 and not by_hand


def _arguments(
    decided: Decided, taken: list[DecidedLayer], points: list[DecidedTensor],
    overrides: dict[str, list[dict[str, Any]]], unsaid: list[str],
) -> dict[str, Any]:  # fmt: skip
    whole = bool(decided.points)
    names = {layer.layer.name for layer in taken}
    types = sorted({*_LAYERS, *_BETWEEN}) if whole else list(_LAYERS)
    inputs_only = types
    if whole:
        unsigned = all(_starts_at_zero(one) for one in [*points, *(layer.activation for layer in taken)] if one)
        inputs_only = [] if unsigned else types
        unsaid.append(
            "Which operators between layers compute in integers: ONNX Runtime takes all of the listed op types, and "
            "calibrates the values among them that the recipe leaves alone."
        )
        if not unsigned:
            unsaid += [
                f"The value '{point.name}' between layers is quantized only where an operator that computes reads it: "
                f"otherwise {TOOL} would quantize what goes into a ReLU, or leave the ReLU out."
                for point in points
            ]
    first = taken[0]
    assert first.activation is not None
    assert isinstance(first.activation.grid, QParams)
    assert isinstance(first.weight.grid, QParams)
    return {
        "quant_format": "QDQ",
        "activation_type": quant_type(first.activation.grid),
        "weight_type": quant_type(first.weight.grid),
        "per_channel": first.weight.plan.granularity == "channel",
        "reduce_range": False,
        "calibrate_method": "MinMax",
        "op_types_to_quantize": types,
        "nodes_to_quantize": [] if whole else [layer.node for layer in taken],
        "nodes_to_exclude": [layer.node for layer in decided.layers if layer.layer.name not in names],
        "extra_options": {
            "ActivationSymmetric": first.activation.plan.symmetric,
            "WeightSymmetric": first.weight.plan.symmetric,
            "QuantizeBias": decided.recipe.bias == "int32",
            "OpTypesToExcludeOutputQuantization": inputs_only,
            "QDQDisableWeightAdjustForInt32Bias": True,
            "TensorQuantOverrides": overrides,
        },
    }
