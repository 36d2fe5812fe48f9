"""AIMET: encodings files, versions 1.0.0 and 2.0.0.

Source: AIMET's "Encoding Format Specification" (Docs/techniques/encoding_spec.rst of qualcomm/aimet) and
``aimet_onnx.quantsim.load_encodings_to_sim`` 2.42.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from qdebug.export.document import Document, json_document
from qdebug.export.targets import remarks
from qdebug.export.targets.reach import Reach
from qdebug.formats import find
from qdebug.quantize import QParams, bias_scale
from qdebug.quantize.levels import LevelGrid
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer, DecidedTensor

TOOL = "AIMET"
_WIDE = frozenset(f"{sign}int{bits}" for bits in range(4, 17) for sign in ("", "u")) | {"fp16"}
_FLOATS = {"fp8_e4m3fn": "float8e4m3fn", "fp8_e5m2": "float8e5m2", "fp4": "float4e2m1"}
_PLAIN = frozenset(f"{sign}int{bits}" for bits in (2, 4, 8, 16) for sign in ("", "u")) | frozenset(_FLOATS)
_SHARING = frozenset({"tensor", "channel", "group"})
ONE = Reach(f"{TOOL} 1.0.0", _WIDE, _SHARING), Reach(f"{TOOL} 1.0.0", _WIDE)
TWO = Reach(f"{TOOL} 2.0.0", _PLAIN, _SHARING), Reach(f"{TOOL} 2.0.0", _PLAIN)

Entry = dict[str, Any]


def aimet_1(decided: Decided, info: ModelInfo) -> Document:
    """Encodings 1.0.0: lists for activations and parameters, offsets counted from the lowest code.

    Raises:
        RecipeError: nothing of the recipe can be said.
    """
    activations, parameters, unsaid = _entries(decided, info, ONE, _entry_1)
    first = next((layer for layer in decided.layers if layer.is_quantized), decided.layers[0])
    value = {
        "version": "1.0.0",
        "activation_encodings": activations,
        "param_encodings": parameters,
        "excluded_layers": [layer.node for layer in decided.layers if not layer.is_quantized],
        "quantizer_args": {
            "activation_bitwidth": _bits(first.activation) if first.activation else 32,
            "dtype": "int",
            "is_symmetric": first.weight.plan.symmetric,
            "param_bitwidth": _bits(first.weight),
            "per_channel_quantization": first.weight.plan.granularity == "channel",
            "quant_scheme": "post_training_tf",
        },
    }
    return json_document("aimet-1.0.0.encodings", value, unsaid)


def aimet_2(decided: Decided, info: ModelInfo) -> Document:
    """Encodings 2.0.0: one list, each entry as ONNX's QuantizeLinear says it.

    Raises:
        RecipeError: nothing of the recipe can be said.
    """
    activations, parameters, unsaid = _entries(decided, info, TWO, _entry_2)
    return json_document("aimet-2.0.0.encodings", {"version": "2.0.0", "encodings": activations + parameters}, unsaid)


def _entries(
    decided: Decided, info: ModelInfo, reach: tuple[Reach, Reach], entry: Any
) -> tuple[list[Entry], list[Entry], list[str]]:
    unsaid: list[str] = []
    activations: dict[str, Entry] = {}
    parameters: dict[str, Entry] = {}
    for layer in decided.layers:
        for word, tensor in remarks.quantized(layer):
            reason = reach[word == "activation"].obstacle(tensor.plan)
            reason = reason or (_group_obstacle(layer, tensor) if tensor.plan.granularity == "group" else None)
            reason = reason or (remarks.no_codes(layer) if word == "weight" else None)
            target = activations if word == "activation" else parameters
            if reason:
                unsaid.append(f"{layer.layer.name}: the {word} has no encoding and stays float: {reason}.")
            elif tensor.name not in target:
                target[tensor.name] = entry(tensor, layer if word == "weight" else None)
            elif word == "weight" and target[tensor.name] != entry(tensor, layer):
                unsaid.append(f"{layer.layer.name}: another layer has said how its weight '{tensor.name}' is held.")
        if decided.recipe.bias == "int32":
            parameters.update(_bias(layer, entry, unsaid))
    for point in decided.points:
        reason = reach[1].obstacle(point.plan)
        if reason:
            unsaid.append(f"The value '{point.name}' between layers has no encoding and stays float: {reason}.")
        else:
            activations.setdefault(point.name, entry(point, None))
    if not activations and not parameters:
        raise remarks.nothing_left(TOOL, unsaid, decided)
    unsaid += remarks.on_names(info)
    unsaid += remarks.on_fixes(decided)
    unsaid += remarks.on_rounding(decided, TOOL)
    unsaid += remarks.on_shared(decided, TOOL)
    return list(activations.values()), list(parameters.values()), unsaid


def _group_obstacle(layer: DecidedLayer, tensor: DecidedTensor) -> str | None:
    """AIMET's blocks lie along one axis of the weight and fill it; ours run through a row of all input features."""
    shape, size = layer.values.shape, tensor.plan.group_size
    inputs = shape[layer.layer.in_axis]
    if layer.values.numel() != shape[layer.layer.out_axis] * inputs:
        return "AIMET's blocks lie along the input channels alone, and this kernel has positions too"
    return f"{inputs} input features are no whole number of blocks of {size}" if inputs % size else None


def _entry_1(tensor: DecidedTensor, layer: DecidedLayer | None) -> Entry:
    grid, plan = tensor.grid, tensor.plan
    if plan.format == "fp16":
        return {"name": tensor.name, "enc_type": "PER_TENSOR", "dtype": "FLOAT", "bw": 16}
    assert isinstance(grid, QParams)
    kind = {"tensor": "PER_TENSOR", "channel": "PER_CHANNEL", "group": "PER_BLOCK"}[plan.granularity]
    offset = grid.qmin - grid.zero_point.flatten()
    entry: Entry = {
        "name": tensor.name, "enc_type": kind, "dtype": "INT", "bw": _width(grid), "is_sym": plan.symmetric,
        "scale": grid.scale.flatten().tolist(), "offset": [int(one) for one in offset.tolist()],
    }  # fmt: skip
    return entry | ({"block_size": plan.group_size} if plan.granularity == "group" else {})


def _entry_2(tensor: DecidedTensor, layer: DecidedLayer | None) -> Entry:
    grid, plan = tensor.grid, tensor.plan
    assert grid is not None
    if isinstance(grid, LevelGrid):
        kind, zero = _FLOATS[plan.format], None
    else:
        kind = f"{'' if grid.qmin < 0 else 'u'}int{_width(grid)}"
        zero = grid.zero_point if bool(grid.zero_point.any()) else None
    entry: Entry = {"name": tensor.name, "output_dtype": kind, "y_scale": _laid(grid.scale, tensor, layer)}
    if zero is not None:
        entry["y_zero_point"] = _integers(_laid(zero, tensor, layer))
    if layer is not None and plan.granularity == "channel":
        entry["axis"] = layer.layer.out_axis
    if layer is not None and plan.granularity == "group":
        entry |= {"axis": layer.layer.in_axis, "block_size": plan.group_size}
    return entry


def _laid(values: Tensor, tensor: DecidedTensor, layer: DecidedLayer | None) -> Any:
    """Scales or zero points as QuantizeLinear wants them: a number, one per channel, or in the weight's own shape."""
    if layer is None or tensor.plan.granularity == "tensor":
        return values.item()
    if tensor.plan.granularity == "channel":
        return values.flatten().tolist()
    shape = [1] * layer.values.dim()
    shape[0], shape[1] = values.shape
    laid = values.reshape(shape)
    return (laid if layer.layer.out_axis == 0 else laid.transpose(0, 1)).tolist()


def _integers(values: Any) -> Any:
    return [_integers(one) for one in values] if isinstance(values, list) else int(values)


def _bias(layer: DecidedLayer, entry: Any, unsaid: list[str]) -> dict[str, Entry]:
    """The encoding of a 32-bit bias, whose scale is the product of input's and weight's."""
    activation, weight = layer.activation, layer.weight.grid
    if layer.bias is None or activation is None:
        return {}
    if not isinstance(activation.grid, QParams) or not isinstance(weight, QParams) or weight.group_size:
        if layer.is_quantized:
            unsaid.append(f"{layer.layer.name}: its bias stays float, since input or weight is no plain integer.")
        return {}
    scale = bias_scale(activation.grid, weight).flatten().tolist()
    several = len(scale) > 1
    if entry is _entry_1:
        found: Entry = {
            "name": layer.bias, "enc_type": "PER_CHANNEL" if several else "PER_TENSOR", "dtype": "INT", "bw": 32,
            "is_sym": True, "scale": scale, "offset": [-(2**31)] * len(scale),
        }  # fmt: skip
    else:
        found = {"name": layer.bias, "output_dtype": "int32", "y_scale": scale if several else scale[0]}
        found |= {"axis": 0} if several else {}
    return {layer.bias: found}


def _width(grid: QParams) -> int:
    return (grid.qmax - grid.qmin).bit_length()


def _bits(tensor: DecidedTensor) -> int:
    return int(find(tensor.plan.format).bits)
