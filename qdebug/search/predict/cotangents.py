"""Random directions at the model's output: whichever error is squared along them, its mean is what is asked for."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Measure = Literal["squared", "kl", "task"]
"""What is predicted: the squared change of the output, the Kullback-Leibler divergence, or the change of the loss."""


def draw(output: Tensor, measure: Measure, generator: torch.Generator) -> Tensor:
    """A cotangent for every sample.

    For ``squared`` they are N(0, I), so that the mean of ⟨δ, c⟩² is ‖δ‖². For ``kl`` their covariance is the Fisher
    matrix of the softmax, diag(p) − p pᵀ, so that half the mean of ⟨δ, c⟩² is the divergence to second order (Amari
    1998): with ε ~ N(0, I) that is √p∘ε − p⟨√p, ε⟩.

    Args:
        output: ``[N, …]``, class scores along the last axis for ``kl``.
        measure: ``squared`` or ``kl``.
        generator: the dice.

    Returns:
        The shape and dtype of ``output``.
    """
    noise = torch.randn(output.shape, generator=generator, dtype=torch.float32).to(output.dtype)
    if measure == "squared":
        return noise
    p = torch.softmax(output.detach().float(), -1)
    root = p.sqrt()
    return (root * noise - p * (root * noise).sum(-1, keepdim=True)).to(output.dtype)


def of_loss(output: Tensor, labels: Tensor, ignored: int) -> Tensor:
    """The gradient of each sample's cross-entropy: softmax minus one-hot, zero where the label is ``ignored``.

    Args:
        output: scores ``[N, C]`` or ``[N, T, C]``.
        labels: ``[N]`` or ``[N, T]``.
        ignored: the label that is none.
    """
    p = torch.softmax(output.detach().float(), -1)
    known = (labels != ignored).unsqueeze(-1)
    p.scatter_add_(-1, labels.clamp(min=0).unsqueeze(-1), -torch.ones_like(p[..., :1]))
    return torch.where(known, p, 0.0).to(output.dtype)
