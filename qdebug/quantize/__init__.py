"""Arithmetic on tensors: grids, rounding, granularity. Pure functions; all real arithmetic is float32."""

from qdebug.quantize.activations import (
    Activate,
    activation_quantizer,
    dynamic_qparams,
    fake_quantize_activation,
    is_dynamic,
)
from qdebug.quantize.layout import by_channel, flat, from_rows, groups, memory_order, rows
from qdebug.quantize.qparams import SMALLEST_SCALE, QParams, choose_qparams
from qdebug.quantize.rounding import cast, dequantize, fake_quantize, quantize
from qdebug.quantize.search import search_clip
from qdebug.quantize.weights import quantize_weight, weight_qparams

__all__ = [
    "SMALLEST_SCALE", "Activate", "QParams", "activation_quantizer", "by_channel", "cast", "choose_qparams",
    "dequantize", "dynamic_qparams", "fake_quantize", "fake_quantize_activation", "flat", "from_rows", "groups",
    "is_dynamic", "memory_order", "quantize", "quantize_weight", "rows", "search_clip", "weight_qparams",
]  # fmt: skip
