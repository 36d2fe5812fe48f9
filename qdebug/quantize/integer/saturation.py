"""Pairs of products that leave 16 bits on processors without dot-product instructions.

Before VNNI, u8·s8 products are added two by two in 16 bits, which saturate (x86, ``VPMADDUBSW``); only the pairs are
added up in 32. ONNX Runtime's advice there is to give weights seven bits. Which products make a pair: neighbours along
the reduction as MLAS packs it, k = 2p and 2p + 1; for convolutions the reduction runs over the window first and over
the channels within, as its channels-last convolution unrolls images. Depthwise convolutions have 16-bit products of
their own and do not saturate, nor do u8·u8 products.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from qdebug.quantize.integer.sums import Windows

LOWEST, HIGHEST = -(2**15), 2**15 - 1
ELEMENTS = 2**24
"""Sums that are looked at at once."""


class Pairs(NamedTuple):
    """Pairs that saturate, of so many."""

    saturating: int
    total: int


def saturating_pairs(rows: Tensor, weight: Tensor) -> Pairs:
    """Count the pairs of a matrix product.

    Args:
        rows: unsigned codes as they are stored, zero points and all, ``[..., M, K]``.
        weight: signed codes as they are stored, ``[..., K, N]``.
    """
    depth = weight.shape[-2]
    wide, factor = rows.short(), weight.short()
    if depth % 2:  # an odd end stands beside zeros
        wide = torch.cat([wide, torch.zeros_like(wide[..., :1])], -1)
        factor = torch.cat([factor, torch.zeros_like(factor[..., :1, :])], -2)
    found = total = 0
    for pair in range((depth + 1) // 2):
        here = slice(2 * pair, 2 * pair + 2)
        two = factor[..., here, :]
        total += rows[..., 0].numel() * weight.shape[-1]
        if not _can_saturate(two):
            continue
        for part in wide[..., here].split(max(ELEMENTS // max(weight.shape[-1], 1), 1), -2):
            sums = part[..., :1].int() * two[..., :1, :].int() + part[..., 1:].int() * two[..., 1:, :].int()
            found += int(((sums > HIGHEST) | (sums < LOWEST)).sum())
    return Pairs(found, total)


def _can_saturate(pair: Tensor) -> bool:
    """Whether the largest codes would saturate with any of these weights."""
    high, low = pair.clamp(min=0).int().sum(-2), pair.clamp(max=0).int().sum(-2)
    return bool(((high * 255 > HIGHEST) | (low * 255 < LOWEST)).any())


def unrolled(x: Tensor, weight: Tensor, windows: Windows, zero_point: int) -> tuple[Tensor, Tensor]:
    """A convolution as a matrix product per group of channels.

    Args:
        x: codes ``[N, C, *sizes]``.
        weight: codes ``[M, C / groups, *kernel]``.
        windows: strides, dilations, padding and groups.
        zero_point: what padding holds.

    Returns:
        rows ``[G, places, K]`` and weights ``[G, K, M / G]``, with the channels innermost in K.
    """
    axes = weight.dim() - 2
    begin, end = windows.pads[:axes], windows.pads[axes:]
    sides = [side for pair in zip(reversed(begin), reversed(end), strict=True) for side in pair]
    wide = torch.nn.functional.pad(x, sides, value=zero_point)
    for axis, (width, stride, dilation) in enumerate(
        zip(weight.shape[2:], windows.strides, windows.dilations, strict=True)
    ):
        wide = wide.unfold(2 + axis, (width - 1) * dilation + 1, stride)[..., ::dilation]
    groups, inner = windows.groups, weight.shape[1]
    grouped = wide.unflatten(1, (groups, inner))  # N, G, C, places, kernel
    places, kernel = list(range(3, 3 + axes)), list(range(3 + axes, 3 + 2 * axes))
    rows = grouped.permute(1, 0, *places, *kernel, 2).flatten(-axes - 1).flatten(1, -2)
    turned = weight.unflatten(0, (groups, -1)).permute(0, *range(3, 3 + axes), 2, 1)
    return rows, turned.flatten(1, -2)
