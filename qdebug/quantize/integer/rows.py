"""Normalizations and the softmax of rows of float32, summed in the order in which ONNX Runtime sums.

Processors with AVX2 add eight partial sums side by side (``MlasLayerNormF32``); a softmax has sixteen of them with
AVX-512 (``MlasComputeSoftmax``). Rows stand upright here, ``[n, rows]``, so that each step of a sum is a slice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.quantize.integer.functions import exponential
from qdebug.quantize.integer.fused import fma, in_pieces

_LANES = 8
_NORM_SHORT, _RMS_SHORT = 8, 16
"""Rows that are shorter are not worth the vector kernels: they are summed one by one, and divided."""


def layer_norm(x: Tensor, scale: Tensor, bias: Tensor | None, epsilon: float) -> Tensor:
    """``(x − mean) / √(variance + ε) · scale + bias`` along the last axis.

    The mean is summed in float64, the variance then from the deviations; the last product and sum are fused. Rows of
    fewer than 8 have their mean and variance by Welford's recurrence, and nothing is fused.

    Args:
        x: float32 ``[rows, n]``.
        scale: ``[n]``.
        bias: ``[n]``, or None.
        epsilon: is rounded to float32.
    """
    count = x.shape[-1]
    if count < _NORM_SHORT:
        mean, total = _by_welford(x.T)
        normal = (x - mean.unsqueeze(-1)) / _root(total, count, epsilon) * scale
        return normal if bias is None else normal + bias
    across = x.T.contiguous()
    mean = _mean(across)
    total = _squares(across - mean)
    normal = (x - mean.unsqueeze(-1)) * (1 / _root(total, count, epsilon))
    return normal * scale if bias is None else fma(normal, scale, bias)


def rms_norm(x: Tensor, scale: Tensor, epsilon: float) -> Tensor:
    """``x / √(mean of x² + ε) · scale`` along the last axis; rows of fewer than 16 are summed one by one.

    Args:
        x: float32 ``[rows, n]``.
        scale: ``[n]``.
        epsilon: is rounded to float32.
    """
    count = x.shape[-1]
    across = x.T.contiguous()
    if count < _RMS_SHORT:
        return x / _root(_one_by_one(across * across), count, epsilon) * scale
    return x * (1 / _root(_squares(across), count, epsilon)) * scale


def float_softmax(x: Tensor, lanes: int) -> Tensor:
    """A softmax along the last axis: exponentials of differences to the maximum times one over their sum.

    Args:
        x: float32 ``[..., n]``.
        lanes: how many partial sums the processor adds side by side, 8 or 16.
    """
    return in_pieces(lambda rows: _softmax(rows, lanes), x, x.shape[-1])


def _softmax(x: Tensor, lanes: int) -> Tensor:
    found = exponential(x - x.amax(-1, keepdim=True), lanes)
    across = found.T.contiguous()
    total = x.new_zeros(lanes, len(x))
    for start in range(0, len(across), lanes):
        part = across[start : start + lanes]
        total[: len(part)] += part
    if lanes == 2 * _LANES:
        total = total[:_LANES] + total[_LANES:]
    pairs = total[::2] + total[1::2]
    fours = pairs[::2] + pairs[1::2]
    return found * (1 / (fours[0] + fours[1])).unsqueeze(-1)


def _root(total: Tensor, count: int, epsilon: float) -> Tensor:
    """``√(total / n + ε)`` of each row, ``[rows, 1]``."""
    # the root of a float32 by way of float64, since torch.sqrt of float32 is not always the nearest number
    spread = total / count + torch.tensor(epsilon, dtype=torch.float32)
    return spread.double().sqrt().float().unsqueeze(-1)


def _one_by_one(parts: Tensor) -> Tensor:
    """Sums of columns, rounded at every step."""
    total = torch.zeros_like(parts[0])
    for part in parts:
        total = total + part
    return total


def _by_welford(across: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and sum of squared deviations of each column in one go."""
    mean, total = torch.zeros_like(across[0]), torch.zeros_like(across[0])
    for place, value in enumerate(across):
        before = value - mean
        mean = mean + before / (place + 1)
        total = total + before * (value - mean)
    return mean, total


def _mean(across: Tensor) -> Tensor:
    """The mean of each column, from four partial sums in float64."""
    wide, whole = across.double(), len(across) // 4 * 4
    lanes = wide.new_zeros(4, wide.shape[1])
    for start in range(0, whole, 4):
        lanes += wide[start : start + 4]
    total = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
    for value in wide[whole:]:
        total = total + value
    return (total / len(wide)).float()


def _squares(across: Tensor) -> Tensor:
    """The sum of squares of each column, from eight partial sums.

    Of what is left behind the last eight, the first four are multiplied as one vector where there are four: their
    products are rounded before they are added. The others are fused.
    """
    whole = len(across) // _LANES * _LANES
    lanes = across.new_zeros(_LANES, across.shape[1])
    for start in range(0, whole, _LANES):
        part = across[start : start + _LANES]
        lanes = fma(part, part, lanes)
    fours = lanes[:4] + lanes[4:]
    pairs = fours[:2] + fours[2:]
    total = pairs[0] + pairs[1]
    left = across[whole:]
    rounded = 4 if len(left) >= 4 else 0
    for value in left[:rounded]:
        total = total + value * value
    for value in left[rounded:]:
        total = fma(value, value, total)
    return total
