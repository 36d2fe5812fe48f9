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


def placed(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int],
    pads: Sequence[int] | None, auto_pad: str, ceil: bool,
) -> tuple[list[int], list[int]]:  # fmt: skip
    """The padding that makes a pooling's windows fit exactly, and the padding that the node declares.

    Windows that would begin behind the input and its padding at the beginning are left out (ONNX, MaxPool, ceil_mode).

    Returns:
        both as beginnings, then ends.
    """
    count = len(kernel)
    if auto_pad.startswith("SAME"):
        declared = same_pads(sizes, kernel, strides, dilations, auto_pad == "SAME_UPPER")
        return declared, declared
    declared = [0] * (2 * count) if auto_pad == "VALID" or not pads else list(pads)
    ends = []
    for axis, (size, width, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        begin, end = declared[axis], declared[count + axis]
        span = (width - 1) * dilation + 1
        room = size + begin + end - span
        windows = (-(-room // stride) if ceil else room // stride) + 1
        if ceil and (windows - 1) * stride >= size + begin:
            windows -= 1
        ends.append(max((windows - 1) * stride + span - size - begin, 0))
    return declared[:count] + ends, declared


def taps(x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Tensor:
    """All windows of an input that needs no padding, as a view ``[N, C, *windows, *kernel]``."""
    for axis, (width, stride, dilation) in enumerate(zip(kernel, strides, dilations, strict=True)):
        x = x.unfold(2 + axis, (width - 1) * dilation + 1, stride)[..., ::dilation]
    return x
