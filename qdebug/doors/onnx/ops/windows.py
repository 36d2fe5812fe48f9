"""Where windows of convolutions and poolings lie."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F


def ones(values: Sequence[int] | None, count: int) -> list[int]:
    """Strides or dilations; one for each axis where none are given."""
    return list(values) if values else [1] * count


def halves(pads: Sequence[int]) -> list[int] | None:
    """Padding for one side of each axis where both sides agree, as torch's operators take it; else None."""
    begin, end = list(pads[: len(pads) // 2]), list(pads[len(pads) // 2 :])
    return begin if begin == end and min(begin, default=0) >= 0 else None


def same_pads(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], upper: bool
) -> list[int]:
    """Padding such that each axis has ``ceil(size / stride)`` windows (ONNX, attribute ``auto_pad``).

    Returns:
        beginnings, then ends; an odd element goes to the end for SAME_UPPER, to the beginning for SAME_LOWER.
    """
    begin, end = [], []
    for size, width, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        whole = max((-(-size // stride) - 1) * stride + (width - 1) * dilation + 1 - size, 0)
        begin.append(whole // 2 if upper else whole - whole // 2)
        end.append(whole - begin[-1])
    return begin + end


def padded(x: Tensor, pads: Sequence[int], value: float = 0.0) -> Tensor:
    """A tensor padded on its last axes; ``pads`` are beginnings, then ends, as ONNX has them. Negative ones crop."""
    half = len(pads) // 2
    order = [side for axis in reversed(range(half)) for side in (pads[axis], pads[half + axis])]
    return F.pad(x, order, value=value) if any(order) else x
