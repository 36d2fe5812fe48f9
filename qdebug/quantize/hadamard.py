"""The randomized Hadamard rotation, which spreads outliers over their row."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_CHUNK = 1 << 18
"""Values that are transformed at once: three float64 buffers of them take 6 MB."""


def rotate(x: Tensor, seed: int) -> tuple[Tensor, int]:
    """Flip random signs along the last axis, then apply the orthonormal Hadamard transform.

    ``y = (x · s) H`` with ``s`` of ±1 per column and H the Hadamard matrix of Sylvester's construction over √block: the
    incoherence processing of QuIP# (Tseng et al. 2024) and QuaRot (Ashkboos et al. 2024). Rotating weights ``[O, I]``
    and inputs ``[N, I]`` with one seed leaves every product ``x wᵀ`` as it is.

    Where C is no power of two, H is block-diagonal with blocks of the largest power of two that divides C: an outlier
    is spread over its block only (128 of 384, 256 of 11008). With a block of 1, for odd C, nothing is changed, not even
    a sign, and with a small one little is gained: look at the block that is returned.

    The arithmetic is float32 (float64 for float64), rounded once to the dtype of ``x``. Beyond input and output there
    are at most three buffers of 2^18 values (6 MB), or of one row where that is longer. A NaN or Inf spreads over its
    block, as it would in the product.

    Args:
        x: ``[R, C]`` of a float dtype.
        seed: of the signs, see :func:`signs`.

    Returns:
        A new contiguous tensor ``[R, C]`` in the dtype of ``x``, and the block.

    Raises:
        ValueError: ``x`` is no matrix or not of a float dtype.
    """
    return _transformed(x, seed, inverse=False), block_of(x.shape[1])


def unrotate(y: Tensor, seed: int) -> Tensor:
    """The inverse of :func:`rotate` up to rounding: ``(y H) · s``, as H is symmetric and orthogonal."""
    return _transformed(y, seed, inverse=True)


def block_of(columns: int) -> int:
    """The largest power of two that divides ``columns``; 1 for none."""
    return columns & -columns if columns else 1


def signs(columns: int, seed: int) -> NDArray[np.float32]:
    """±1 for each column: −1 where the lowest bit of SplitMix64's output ``column + 1`` is set.

    SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators") is a hash of
    ``seed + (column + 1) · 0x9E3779B97F4A7C15`` in 64-bit integers: the same signs on every platform and with every
    version of numpy and torch, and a column's sign does not depend on how many there are.

    Args:
        columns: how many.
        seed: any integer; taken modulo 2^64.
    """
    state = np.uint64(seed % 2**64) + np.arange(1, columns + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    odd = (state ^ (state >> np.uint64(31))) & np.uint64(1)
    return np.where(odd == 1, np.float32(-1), np.float32(1))


def _transformed(x: Tensor, seed: int, inverse: bool) -> Tensor:
    if x.dim() != 2 or not x.is_floating_point():
        raise ValueError(f"a float matrix is rotated, not {x.dtype} of shape {tuple(x.shape)}")
    count, columns = x.shape
    block = block_of(columns)
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    if block == 1 or not x.numel():
        return out.copy_(x.detach())
    work = torch.float64 if x.dtype == torch.float64 else torch.float32
    flips = torch.from_numpy(signs(columns, seed)).to(x.device, work)
    before, after = (1 / math.sqrt(block), flips) if inverse else (flips / math.sqrt(block), None)
    step = max(1, _CHUNK // columns)
    for start in range(0, count, step):
        part = slice(start, start + step)
        turned = _walsh(x[part].detach().to(work) * before, block)
        out[part] = turned if after is None else turned.mul_(after)
    return out


def _walsh(x: Tensor, block: int) -> Tensor:
    """The fast Walsh-Hadamard transform of each block of a row, in Sylvester's order; ``x`` is used as a buffer.

    Fino & Algazi (1976, IEEE Trans. Comput. C-25:1142): log2(block) passes of sums and differences.
    """
    other, half = torch.empty_like(x), 1
    while half < block:
        pairs, into = (t.view(x.shape[0], -1, 2, half) for t in (x, other))
        torch.add(pairs[:, :, 0], pairs[:, :, 1], out=into[:, :, 0])
        torch.sub(pairs[:, :, 0], pairs[:, :, 1], out=into[:, :, 1])
        x, other, half = other, x, half * 2
    return x
