"""The logistic function as ONNX Runtime approximates it."""

from __future__ import annotations

from torch import Tensor

from qdebug.quantize.integer.fused import float32, in_pieces, polynomial

REACH = 18.0
"""Beyond it the function is taken to be flat."""
_ODD = float32(
    4.37031012579801e-11, 1.15627324459942e-07, 6.08574864600143e-05, 8.51377133304701e-03, 2.48287947061529e-01
)
_EVEN = float32(
    6.10247389755681e-13, 5.76102136993427e-09, 6.29106785017040e-06, 1.70198817374094e-03, 1.16817656904453e-01,
    9.93151921023180e-01,
)  # fmt: skip
"""Coefficients from the highest power down (Eigen's ``logistic``, also in MLAS)."""


def logistic(x: Tensor) -> Tensor:
    """``x · P(x²) / Q(x²) + ½`` in float32 with fused multiply-adds, within 0 and 1 (MLAS, ``MlasComputeLogistic``)."""
    return in_pieces(_logistic, x)


def _logistic(x: Tensor) -> Tensor:
    inside = x.clamp(-REACH, REACH)
    square = inside * inside
    return (polynomial(square, _ODD) * inside / polynomial(square, _EVEN) + 0.5).clamp(0, 1)
