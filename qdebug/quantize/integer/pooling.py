"""Averages of codes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qdebug.quantize.integer.requantize import requantize, rounded_together


def average_windows(
    taps: Sequence[Tensor], count: Tensor, scale: Tensor, zero_point: Tensor, y_scale: Tensor, y_zero: Tensor
) -> Tensor:
    """The mean of each window: ``clamp(rint(Σ(c − z) · s / n / s_y + z_y))``, float32 throughout.

    The sum runs over the window's numbers row by row and is rounded at every step; the zero point is added before
    rounding (ONNX Runtime, ``QLinearAveragePool``).

    Args:
        taps: for each place of the window in row-major order the codes that lie there; the zero point in padding.
        count: how many places of each window count, float32, broadcasts.
        scale, zero_point: of the input, ``[]``.
        y_scale, y_zero: of the output, ``[]``.
    """
    total = torch.zeros(taps[0].shape, device=taps[0].device)
    for tap in taps:
        total += (tap.float() - zero_point.float()) * scale
    return rounded_together(total / count / y_scale + y_zero.float(), y_zero.dtype)


def global_average(x: Tensor, scale: Tensor, zero_point: Tensor, y_scale: Tensor, y_zero: Tensor) -> Tensor:
    """The mean over all axes behind the channels: the exact sum times ``s / (s_y · n)``, rounded as any sum.

    Args:
        x: codes ``[N, C, *sizes]`` (MLAS, ``MlasQLinearGlobalAveragePool``).
        scale, zero_point: of the input, ``[]``.
        y_scale, y_zero: of the output, ``[]``.

    Returns:
        ``[N, C, 1, …]``.
    """
    axes = list(range(2, x.dim()))
    total = x.sum(axes, keepdim=True, dtype=torch.int64)
    count = x.numel() // max(total.numel(), 1)
    total = total - int(zero_point) * count
    return requantize(total.double(), scale / (y_scale * count), y_zero)
