"""Averages of codes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qdebug.quantize.integer.requantize import Affine, requantize, rounded_together


def average_windows(taps: Sequence[Tensor], count: Tensor, of_x: Affine, y: Affine) -> Tensor:
    """The mean of each window: ``clamp(rint(Σ(c − z) · s / n / s_y + z_y))``, float32 throughout.

    The sum runs over the window's numbers row by row and is rounded at every step; the zero point is added before
    rounding (ONNX Runtime, ``QLinearAveragePool``).

    Args:
        taps: for each place of the window in row-major order the codes that lie there; the zero point in padding.
        count: how many places of each window count, float32, broadcasts.
        of_x: scale and zero point of the codes.
        y: of the result.
    """
    total = torch.zeros(taps[0].shape, device=taps[0].device)
    for tap in taps:
        total += (tap.float() - of_x.zero_point.float()) * of_x.scale
    return rounded_together(total / count / y.scale + y.zero_point.float(), y.zero_point.dtype)


def global_average(x: Tensor, of_x: Affine, y: Affine) -> Tensor:
    """The mean over all axes behind the channels: the exact sum times ``s / (s_y · n)``, rounded as any sum.

    Args:
        x: codes ``[N, C, *sizes]`` (MLAS, ``MlasQLinearGlobalAveragePool``).
        of_x: scale and zero point of the codes.
        y: of the result.

    Returns:
        ``[N, C, 1, …]``.
    """
    axes = list(range(2, x.dim()))
    total = x.sum(axes, keepdim=True, dtype=torch.int64)
    count = x.numel() // max(total.numel(), 1)
    total = total - int(of_x.zero_point) * count
    return requantize(total.double(), of_x.scale / (y.scale * count), y.zero_point)
