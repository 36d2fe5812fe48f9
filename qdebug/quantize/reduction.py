"""Weights with fewer numbers: pruned, or the product of two thin matrices.

Pruning by magnitude: Han, Pool, Tran, Dally: *Learning both Weights and Connections for Efficient Neural Networks*,
NeurIPS 2015 (arXiv:1506.02626). N of each M: Mishra et al.: *Accelerating Sparse Deep Neural Networks*, 2021
(arXiv:2104.08378). Two matrices of a rank: Denton et al., NeurIPS 2014 (arXiv:1404.0736), after Eckart and Young.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.recipes.sparsity import Sparsity, parse_sparsity, pruned_count


def pruned(w: Tensor, sparsity: str, out_axis: int = 0) -> Tensor:
    """A weight with its smallest values zero, in its own shape and strides."""
    found = parse_sparsity(sparsity)
    if found is None:
        raise ValueError(f"no sparsity: {sparsity!r}")
    return w.masked_fill(~keep_mask(w, found, out_axis), 0.0)


def keep_mask(w: Tensor, sparsity: Sparsity, out_axis: int = 0) -> Tensor:
    """Which values of a weight are kept: those of largest magnitude, of equals the first. True where kept.

    Groups are of neighbouring input channels, for each output channel and place of a kernel by itself: what hardware
    sums over. Input channels beyond the last whole group are all kept.

    Args:
        w: the weight.
        sparsity: what is kept.
        out_axis: its axis of output channels; the first of the others is that of input channels.
    """
    if not sparsity.of:
        order = torch.argsort(w.abs().reshape(-1), dim=0, stable=True, descending=True)
        mask = torch.ones(w.numel(), dtype=torch.bool, device=w.device)
        mask[order[w.numel() - pruned_count(w.numel(), sparsity) :]] = False
        return mask.view(w.shape)
    channels = w.movedim(out_axis, 0).movedim(1, -1)
    whole = channels.shape[-1] // sparsity.of * sparsity.of
    groups = channels[..., :whole].unflatten(-1, (-1, sparsity.of)) if whole else channels[..., :0].unsqueeze(-1)
    best = torch.argsort(groups.abs(), dim=-1, stable=True, descending=True)[..., : sparsity.kept]
    mask = torch.ones(channels.shape, dtype=torch.bool, device=w.device)
    if whole:
        chosen = torch.zeros(groups.shape, dtype=torch.bool, device=w.device).scatter_(-1, best, True)
        mask[..., :whole] = chosen.flatten(-2)
    return mask.movedim(-1, 1).movedim(0, out_axis)


def thin_factors(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The two matrices ``[R, rank]`` and ``[rank, C]`` whose product is nearest to a matrix in the sum of squares.

    The truncated singular value decomposition, each factor with the roots of the singular values.
    """
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    roots = values[:rank].sqrt()
    return (left[:, :rank] * roots).to(matrix.dtype), (roots[:, None] * right[:rank]).to(matrix.dtype)
