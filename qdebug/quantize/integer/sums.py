"""Sums of products of codes, exact as in int32 registers, by way of floating-point products that cannot round.

A sum of integers is exact in float32, in whatever order it is added, while the absolute products sum to at most 2²⁴,
and in float64 to at most 2⁵³. The bound is taken from the numbers at hand, so that most layers run in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

EXACT = 2**24
"""Integers up to here are float32 numbers."""
REACH = 255
"""The largest difference of a code of eight bits and its zero point."""
WRAP = 2**31
ROUNDING = 1e-3
"""What a float32 sum of absolute weights may be too small by."""
FEWEST = 64
"""Products that are worth a piece of their own."""


@dataclass(frozen=True)
class Windows:
    """Where a convolution's windows lie.

    Attributes:
        strides, dilations: one per axis.
        pads: beginnings, then ends; padding is real zero, that is the input's zero point.
        groups: of channels.
    """

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    groups: int = 1


def convolution_sums(x: Tensor, weight: Tensor, windows: Windows) -> Tensor:
    """A convolution of integers, as float32 or float64 that hold it exactly, wrapped to int32.

    Args:
        x: codes less their zero point, ``[N, C, *sizes]``, integers or whole float32.
        weight: codes less theirs, ``[M, C / groups, *kernel]``.
        windows: strides, dilations, padding and groups; up to three axes.
    """
    bound = _bound(weight.flatten(1), 1)
    if bound <= EXACT:
        return _convolved(x.float(), weight.float(), windows)
    pieces = -(-bound // EXACT)
    size = max(weight.shape[1] // (pieces + 1), 1)
    if windows.groups == 1 and all(_bound(part.flatten(1), 1) <= EXACT for part in weight.split(size, 1)):
        pairs = zip(x.float().split(size, 1), weight.float().split(size, 1), strict=True)
        first, *rest = (_convolved(part, factor, windows) for part, factor in pairs)
        return _wrapped(sum((one.double() for one in rest), first.double()), bound)
    return _wrapped(_convolved(x.double(), weight.double(), windows), bound)


def matrix_sums(a: Tensor, b: Tensor) -> Tensor:
    """A matrix product of integers, as float32 or float64 that hold it exactly, wrapped to int32.

    Args:
        a: codes less their zero point, ``[..., M, K]``.
        b: codes less theirs, ``[..., K, N]``.
    """
    bound = _bound(b, -2 if b.dim() > 1 else 0)
    if bound <= EXACT:
        return a.float() @ b.float()
    size = max(b.shape[-2] // -(-bound // EXACT), 1) if b.dim() > 1 else 0
    if size < FEWEST:
        return _wrapped(a.double() @ b.double(), bound)
    total = None
    for left, right in zip(a.split(size, -1), b.split(size, -2), strict=True):
        kind = torch.float32 if _bound(right, -2) <= EXACT else torch.float64
        part = (left.to(kind) @ right.to(kind)).double()
        total = part if total is None else total.add_(part)
    assert total is not None
    return _wrapped(total, bound)


def _bound(weight: Tensor, axis: int) -> int:
    """The most that absolute products with codes can sum to."""
    if weight.numel() == 0:
        return 0
    total = float(weight.abs().sum(axis, dtype=torch.float32).amax())
    return math.ceil(total * REACH * (1 + ROUNDING))


def _wrapped(total: Tensor, bound: int) -> Tensor:
    """A sum as an int32 register holds it."""
    return total if bound < WRAP else torch.remainder(total + WRAP, 2 * WRAP) - WRAP


def _convolved(x: Tensor, weight: Tensor, windows: Windows) -> Tensor:
    begin, end = _halves(windows.pads)
    if begin != end or min(begin, default=0) < 0:
        sides = [side for pair in zip(reversed(begin), reversed(end), strict=True) for side in pair]
        x, begin = F.pad(x, sides), [0] * len(begin)
    run = (F.conv1d, F.conv2d, F.conv3d)[weight.dim() - 3]
    return run(x, weight, None, windows.strides, begin, windows.dilations, windows.groups)


def _halves(pads: Sequence[int]) -> tuple[list[int], list[int]]:
    half = len(pads) // 2
    return list(pads[:half]), list(pads[half:])
