"""Keys and values as a cache holds them: scales for tokens, for groups of their channels, or channel by channel."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.formats import Gguf, find
from qdebug.quantize.activations import fake_quantize_activation
from qdebug.quantize.ggml.rows import quantize_rows
from qdebug.quantize.grids import Grid, choose_grid
from qdebug.quantize.layout import groups
from qdebug.quantize.ranges import minmax
from qdebug.quantize.rounding import fake_quantize
from qdebug.recipes import TensorPlan


def quantize_cache(x: Tensor, plan: TensorPlan, grid: Grid | None = None) -> Tensor:
    """Keys or values ``[N, …, T, D]`` of T tokens with D channels as the plan stores them and attention reads them.

    Per token and in groups, scales lie along the channels of one token of one head; per channel along
    ``plan.group_size`` tokens of one channel, the first group from the first token on, the last one shorter where
    tokens do not suffice. Integers that are not symmetric are ``minimum + code · scale`` with the group's real minimum
    and ``scale = (maximum − minimum) / (2^b − 1)``, as in KIVI (Liu et al. 2024, arXiv 2402.02750, section 3) and
    llama.cpp's ``q4_1``; zero need not be among the values, as it must where products are added up in integers.

    Args:
        x: keys or values, float32.
        plan: checked by ``qdebug.recipes.attention``.
        grid: that of a static plan; ignored by others.

    Returns:
        The shape of ``x``.
    """
    form = find(plan.format)
    if plan.is_float32 or not x.numel():
        return x
    if isinstance(form, Gguf):
        return quantize_rows(x.reshape(-1, x.shape[-1]), form)[0].view(x.shape)
    if plan.granularity == "tensor":
        return fake_quantize_activation(x.contiguous(), plan, grid)
    along = plan.granularity == "channel"
    moved = (x.transpose(-1, -2) if along else x).contiguous()
    matrix = moved.view(-1, moved.shape[-1])
    size = min(plan.group_size, matrix.shape[1])
    rounded = _grouped(matrix, plan, size, len(x)).view(moved.shape)
    return rounded.transpose(-1, -2) if along else rounded


def _grouped(matrix: Tensor, plan: TensorPlan, size: int, samples: int) -> Tensor:
    """``[R, C]`` with a scale for each ``size`` values of a row; 0 for one scale per row."""
    how = {"rounding": plan.rounding, "seed": plan.seed, "samples": samples}
    if plan.symmetric:
        return fake_quantize(matrix, choose_grid(*minmax(matrix, size), plan, group_size=size), **how)
    low, high = _limits(matrix, size or matrix.shape[1])
    grid = choose_grid(torch.zeros_like(low), high - low, plan, group_size=size)
    offset = low.float().repeat_interleave(size or matrix.shape[1], dim=1)[:, : matrix.shape[1]]
    return fake_quantize(matrix - offset, grid, **how) + offset


def _limits(matrix: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Smallest and largest finite value of each group, float64 ``[R, G]``; 0 where a group has none."""
    count = groups(matrix.shape[1], size)
    beyond = count * size - matrix.shape[1]
    finite = torch.isfinite(matrix)
    found = []
    for missing, name in ((torch.inf, "amin"), (-torch.inf, "amax")):
        known = torch.nn.functional.pad(torch.where(finite, matrix, missing), (0, beyond), value=missing)
        limit = getattr(known.view(len(matrix), count, size), name)(-1).double()
        found.append(torch.where(torch.isfinite(limit), limit, 0.0))
    return found[0], found[1]
