"""How far the channels of a layer's input go together: what makes errors of weights able to cancel."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.results import InputCosines

MOST = 64
"""Channels that are told one by one: evenly spaced among all."""


def input_cosines(x: Tensor, layer: str) -> InputCosines:
    """The cosine of the angle between each two channels over all rows, means not taken away.

    It is XᵀX (the Hessian of a row's squared output error) scaled to a diagonal of ones, which is what GPTQ works with
    (Frantar et al. 2022). A channel that is always 0 has the cosine 0 with all others.

    Args:
        x: ``[N, C]``, a row for each token or position.
        layer: whose input it is.
    """
    gram = x.double().T @ x.double()
    length = gram.diagonal().sqrt()
    alive = length > 0
    found = gram / torch.where(alive, length, 1.0).outer(torch.where(alive, length, 1.0))
    found.fill_diagonal_(1.0)
    channels = len(found)
    others = found[~torch.eye(channels, dtype=torch.bool)]
    kept = torch.linspace(0, channels - 1, min(channels, MOST)).round().long()
    shown = found[kept][:, kept]
    return InputCosines(
        layer=layer, channels=tuple(kept.tolist()), total=channels,
        cosines=tuple(tuple(round(value, 4) for value in row) for row in shown.tolist()),
        typical=float(others.square().mean().sqrt()) if len(others) else 0.0, n=len(x),
    )  # fmt: skip
