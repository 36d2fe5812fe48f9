"""How a layer's input is quantized, in the words of a compressed-tensors config."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qdebug.doors.checkpoints import StoredLinear
from qdebug.formats import find
from qdebug.quantize import QParams

_INTEGERS = {"int4": 4, "int8": 8}
_BLOCKS = {"mxfp4": 4, "mxfp8_e4m3": 8}


def input_scheme(layer: StoredLinear, unsaid: list[str]) -> tuple[dict[str, Any] | None, dict[str, Tensor]]:
    """The ``input_activations`` of a layer, and the tensors that hold a fixed scale.

    Args:
        layer: the layer.
        unsaid: gets a sentence where the input has to stay float.
    """
    plan = layer.activation
    if plan.is_float32 or find(plan.format).is_cast:
        return None, {}
    why = _obstacle(layer)
    if why:
        unsaid.append(f"{layer.module}: the activation stays float: {why}.")
        return None, {}
    if plan.format in _BLOCKS:
        return {
            "num_bits": _BLOCKS[plan.format], "type": "float", "symmetric": True, "strategy": "group",
            "group_size": 32, "dynamic": True, "scale_dtype": "torch.uint8",
        }, {}  # fmt: skip
    dynamic = plan.dynamic or plan.granularity == "token"
    said = {
        "num_bits": _INTEGERS.get(plan.format, 8), "type": "int" if plan.format in _INTEGERS else "float",
        "symmetric": plan.symmetric, "strategy": "token" if plan.granularity == "token" else "tensor",
        "dynamic": dynamic,
    }  # fmt: skip
    if dynamic:
        return said, {}
    grid = layer.activation_grid
    assert grid is not None
    parts = {"input_scale": grid.scale.reshape(1)}
    if isinstance(grid, QParams) and not plan.symmetric:
        middle = 1 << (said["num_bits"] - 1) if grid.qmin >= 0 else 0
        parts["input_zero_point"] = (grid.zero_point - middle).to(torch.int8).reshape(1)
    return said, parts


def _obstacle(layer: StoredLinear) -> str | None:
    """Why an input cannot be said, as the end of a sentence."""
    plan = layer.activation
    if plan.format == "nvfp4":
        return "NVFP4 inputs need a scale of the whole tensor fixed beforehand"
    if plan.format not in (*_INTEGERS, *_BLOCKS, "fp8_e4m3fn"):
        return f"compressed-tensors has no inputs of {plan.format}"
    if plan.format in _BLOCKS or plan.dynamic or plan.granularity == "token":
        return None
    if layer.activation_grid is None or layer.activation_grid.scale.dim():
        return "there is no one scale for it"
    return None
