"""The logistic function as ONNX Runtime approximates it."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.quantize.integer.requantize import fma

REACH = 18.0
"""Beyond it the function is taken to be flat."""
_ODD = (4.37031012579801e-11, 1.15627324459942e-07, 6.08574864600143e-05, 8.51377133304701e-03, 2.48287947061529e-01)
_EVEN = (
    6.10247389755681e-13, 5.76102136993427e-09, 6.29106785017040e-06, 1.70198817374094e-03, 1.16817656904453e-01,
    9.93151921023180e-01,
)  # fmt: skip
"""Coefficients from the highest power down (Eigen's ``logistic``, also in MLAS)."""


def logistic(x: Tensor) -> Tensor:
    """``x · P(x²) / Q(x²) + ½`` in float32 with fused multiply-adds, within 0 and 1 (MLAS, ``MlasComputeLogistic``)."""
    inside = x.clamp(-REACH, REACH)
    square = inside * inside
    return (_polynomial(square, _ODD) * inside / _polynomial(square, _EVEN) + 0.5).clamp(0, 1)


def _polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """By Horner's scheme."""
    first, *rest = (torch.full_like(x, one) for one in coefficients)
    for one in rest:
        first = fma(x, first, one)
    return first
