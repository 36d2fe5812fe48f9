"""What belongs to which sample: the rows of a value, and sums over them."""

from __future__ import annotations

import torch
from torch import Tensor


def by_sample(x: Tensor, samples: int) -> Tensor:
    """A value as ``[samples, …]``: its first axis holds the samples, one or more rows each.

    A value whose first axis is no multiple of them holds them elsewhere or not at all. All of it then counts for the
    first sample: the sum over samples of products with independent directions has the same mean, if a wider spread.
    """
    if x.dim() and len(x) % samples == 0:
        return x if len(x) == samples else x.reshape(samples, -1, *x.shape[1:])
    return torch.cat([x.unsqueeze(0), x.new_zeros(samples - 1, *x.shape)])


def totals(one: Tensor, two: Tensor, samples: int) -> Tensor:
    """Σ one · two for each sample, float32 ``[samples]``."""
    if one.dim() and len(one) % samples == 0:
        product = one * two
        return product.reshape(samples, -1).sum(1, dtype=torch.float32)
    found = torch.zeros(samples)
    found[0] = (one * two).sum(dtype=torch.float32)
    return found
