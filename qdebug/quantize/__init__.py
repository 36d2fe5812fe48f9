"""Arithmetic on tensors: grids, rounding, granularity. Pure functions; all real arithmetic is float32."""

from qdebug.quantize.aciq import aciq_range
from qdebug.quantize.activations import (
    Activate,
    activation_quantizer,
    dynamic_qparams,
    fake_quantize_activation,
    is_dynamic,
)
from qdebug.quantize.entropy import entropy_limit
from qdebug.quantize.layout import by_channel, flat, from_rows, groups, memory_order, rows
from qdebug.quantize.octav import octav_range
from qdebug.quantize.qparams import SMALLEST_SCALE, QParams, choose_qparams
from qdebug.quantize.rounding import cast, dequantize, fake_quantize, quantize
from qdebug.quantize.search import search_clip
from qdebug.quantize.weights import quantize_weight, weight_qparams

__all__ = [
    "SMALLEST_SCALE", "Activate", "QParams", "aciq_range", "activation_quantizer", "by_channel", "cast",
    "choose_qparams", "dequantize", "dynamic_qparams", "entropy_limit", "fake_quantize", "fake_quantize_activation",
    "flat", "from_rows", "groups", "is_dynamic", "memory_order", "octav_range", "quantize", "quantize_weight", "rows",
    "search_clip", "weight_qparams",
]  # fmt: skip
