"""NVIDIA ModelOpt: a ``quant_cfg`` for ``modelopt.torch.quantization.quantize``.

Source: ModelOpt 0.47 (``modelopt/torch/quantization/config.py``).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from qdebug.export.document import Document, json_document
from qdebug.export.targets import remarks
from qdebug.export.targets.reach import Reach
from qdebug.formats import Block, Float, find
from qdebug.quantize import QParams
from qdebug.quantize.levels import LevelGrid
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer, DecidedTensor

TOOL = "ModelOpt"
_INTEGERS = frozenset(f"int{bits}{narrow}" for bits in range(2, 9) for narrow in ("", "_narrow"))
_MX = frozenset({"mxint8", "mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "nvfp4"})
WEIGHTS = Reach(
    TOOL, _INTEGERS | _MX | {"fp8_e4m3fn"}, frozenset({"tensor", "channel", "group", "block"}), affine=False
)
ACTIVATIONS = Reach(
    TOOL, _INTEGERS | _MX | {"fp8_e4m3fn", "uint8"}, frozenset({"tensor", "token"}), affine=False, dynamic=True
)

Entry = dict[str, Any]


def modelopt(decided: Decided, info: ModelInfo) -> Document:
    """A list of entries: everything off, then each layer's quantizers by name.

    Ranges of activations are written down as ``constant_amax``, so that no calibration moves them.

    Raises:
        RecipeError: nothing of the recipe can be said.
    """
    unsaid: list[str] = []
    entries: list[Entry] = [{"quantizer_name": "*", "enable": False}]
    weights: set[str] = set()
    read: set[str] = set()
    outputs = {point.name: point for point in decided.points}
    for layer in decided.layers:
        for word, tensor in remarks.quantized(layer):
            reason = (ACTIVATIONS if word == "activation" else WEIGHTS).obstacle(tensor.plan) or _shape(layer, tensor)
            if reason:
                unsaid.append(f"{layer.layer.name}: the {word} stays float: {reason}.")
            else:
                name = "input_quantizer" if word == "activation" else "weight_quantizer"
                entries.append(_entry(layer, name, tensor))
                weights |= {layer.layer.name} if word == "weight" else set()
                read |= {tensor.name} if word == "activation" else set()
        point = outputs.pop(layer.output, None)
        if point is not None:
            reason = ACTIVATIONS.obstacle(point.plan)
            if reason:
                unsaid.append(f"{layer.layer.name}: its output stays float: {reason}.")
            else:
                entries.append(_entry(layer, "output_quantizer", point))
    if len(entries) == 1:
        raise remarks.nothing_left(TOOL, unsaid, decided)
    unsaid += _on_recipe(decided, info, weights)
    unsaid += [
        f"The value '{name}' between layers is {point.plan.label}; {TOOL} quantizes what a layer reads or writes, and "
        "no layer that it has quantized does so with this one."
        for name, point in outputs.items()
        if name not in read
    ]
    return json_document("modelopt-quant-cfg.json", {"quant_cfg": entries, "algorithm": "max"}, unsaid)


def _entry(layer: DecidedLayer, quantizer: str, tensor: DecidedTensor) -> Entry:
    return {"quantizer_name": f"{_literal(layer.node)}.{quantizer}", "cfg": _cfg(layer, quantizer, tensor)}


def _literal(name: str) -> str:
    """A layer's name so that as a wildcard pattern it matches itself alone."""
    return "".join(f"[{one}]" if one in "*?[" else one for one in name)


def _cfg(layer: DecidedLayer, quantizer: str, tensor: DecidedTensor) -> Entry:
    plan, form = tensor.plan, find(tensor.plan.format)
    if isinstance(form, Block):
        element = _bits(form.element)
        scale = [4, 3] if form.name == "nvfp4" else [8, 0]
        return {"num_bits": element, "block_sizes": {"-1": form.group, "type": "dynamic", "scale_bits": scale}}
    cfg: Entry = {"num_bits": _bits(form)}
    if form.name.endswith("_narrow"):
        cfg["narrow_range"] = True
    if form.name.startswith("uint"):
        cfg["unsigned"] = True
    if plan.dynamic or plan.granularity == "token":
        return cfg | ({"block_sizes": {"-1": None}} if plan.granularity == "token" else {}) | {"type": "dynamic"}
    if quantizer == "weight_quantizer":
        if plan.granularity == "group":
            return cfg | {"block_sizes": {"-1": plan.group_size}}
        if plan.granularity == "block" and plan.block:
            return cfg | {"block_sizes": {"-1": plan.block[1], "-2": plan.block[0]}}
        return cfg | {"axis": layer.layer.out_axis if plan.granularity == "channel" else None}
    return cfg | {"axis": None, "constant_amax": _amax(tensor)}


def _amax(tensor: DecidedTensor) -> float:
    """The largest real that a code stands for: from it ModelOpt computes the scale."""
    grid = tensor.grid
    assert isinstance(grid, QParams | LevelGrid)
    return float(grid.clip_max.item())


def _bits(form: Any) -> int | list[int]:
    return [form.exponent_bits, form.mantissa_bits] if isinstance(form, Float) else int(form.bits)


def _shape(layer: DecidedLayer, tensor: DecidedTensor) -> str | None:
    """Why ModelOpt's blocks, which lie along the weight's last axis, are not those of the plan."""
    own = find(tensor.plan.format).own_blocks
    if tensor is not layer.weight or not (own or tensor.plan.granularity in ("group", "block")):
        return None
    if layer.values.dim() != 2 or layer.layer.out_axis != 0:
        return "ModelOpt's blocks lie along the weight's last axis, which here is not that of all input features"
    return None


def _on_recipe(decided: Decided, info: ModelInfo, said: set[str]) -> list[str]:
    twice = sorted(name for name, times in Counter(layer.node for layer in decided.layers).items() if times > 1)
    return [
        *remarks.on_names(info, "torch"),
        *(f"{name}: several layers have this module; its quantizers serve all of them." for name in twice),
        *(_on_range(layer) for layer in decided.layers if layer.layer.name in said and _is_particular(layer)),
        *remarks.on_fixes(decided),
        *remarks.on_rounding(decided, TOOL),
        *remarks.on_scale_storage(decided, TOOL),
        *remarks.on_biases(decided, TOOL),
    ]


def _is_particular(layer: DecidedLayer) -> bool:
    """Whether a weight's range is other than its largest magnitude."""
    return layer.weight.plan.range != "minmax" or layer.weight.plan.clip is not None


def _on_range(layer: DecidedLayer) -> str:
    plan = layer.weight.plan
    chosen = "set by hand" if plan.clip is not None else f"chosen by {plan.range}"
    return f"{layer.layer.name}: ModelOpt takes the weight's largest magnitude for its range; the recipe's is {chosen}."
