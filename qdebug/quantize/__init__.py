"""Arithmetic on tensors: grids, rounding, granularity. Pure functions; all real arithmetic is float32."""

from qdebug.quantize.activations import (
    Activate,
    activation_quantizer,
    dynamic_grid,
    fake_quantize_activation,
    is_dynamic,
    is_static,
)
from qdebug.quantize.basis import Basis, Rotated, Scaled, Without, in_basis
from qdebug.quantize.biases import bias_scale, fake_quantize_bias, quantize_bias
from qdebug.quantize.blocks import block_absmax, block_grid
from qdebug.quantize.floats import cast, decode, encode
from qdebug.quantize.grids import Grid, choose_grid
from qdebug.quantize.layout import by_channel, flat, from_rows, groups, memory_order, rows
from qdebug.quantize.levels import LevelGrid, level_grid
from qdebug.quantize.qparams import SMALLEST_SCALE, QParams, choose_qparams
from qdebug.quantize.ranges import aciq_range, entropy_limit, octav_range, search_clip
from qdebug.quantize.rounding import dequantize, fake_quantize, quantize
from qdebug.quantize.weights import quantize_weight, weight_grid

__all__ = [
    "SMALLEST_SCALE", "Activate", "Basis", "Grid", "LevelGrid", "QParams", "Rotated", "Scaled", "Without",
    "aciq_range", "activation_quantizer", "bias_scale", "block_absmax", "block_grid", "by_channel", "cast",
    "choose_grid", "choose_qparams", "decode", "dequantize", "dynamic_grid", "encode", "entropy_limit", "fake_quantize",
    "fake_quantize_activation", "fake_quantize_bias", "flat", "from_rows", "groups", "in_basis", "is_dynamic",
    "is_static", "level_grid", "memory_order", "octav_range", "quantize", "quantize_bias", "quantize_weight",
    "rows", "search_clip", "weight_grid",
]  # fmt: skip
