"""Random directions at the model's output: whichever error is squared along them, its mean is what is asked for."""

from __future__ import annotations

import torch
from scipy.linalg import hadamard
from torch import Tensor

from qdebug.results.sensitivity import Measure


def draw(output: Tensor, measure: Measure, generator: torch.Generator, axis: int = -1) -> Tensor:
    """A cotangent for every sample.

    For ``squared`` their covariance is the identity, so that the mean of ⟨δ, c⟩² is ‖δ‖². For ``kl`` it is the Fisher
    matrix of the softmax, diag(p) − p pᵀ, so that half the mean of ⟨δ, c⟩² is the divergence to second order (Amari
    1998): with ε of identity covariance that is √p∘ε − p⟨√p, ε⟩.

    Args:
        output: ``[N, …]``, class scores but for ``squared``.
        measure: ``loss`` draws as ``kl`` does: the softmax's Fisher matrix is what curves the loss of any label.
        generator: the dice.
        axis: along which the scores of classes lie.

    Returns:
        The shape and dtype of ``output``.
    """
    noise = _signs(len(output), output[0].numel(), generator).view(output.shape).to(output.dtype)
    if measure == "squared":
        return noise
    p = torch.softmax(output.detach().float(), axis)
    root = p.sqrt()
    return (root * noise - p * (root * noise).sum(axis, keepdim=True)).to(output.dtype)


def _signs(samples: int, values: int, generator: torch.Generator) -> Tensor:
    """Random signs ``[samples, values]``: of all independent draws those whose squares spread least (Hutchinson 1990).

    Where there are samples enough, neighbours get orthogonal rows of a Hadamard matrix with its columns' signs drawn
    anew for each round: what the error of neighbouring samples has in common is then measured without any chance.
    """
    rows = 1 << max(values - 1, 0).bit_length()
    if rows > samples:
        return torch.randint(0, 2, (samples, values), generator=generator).float() * 2 - 1
    matrix = torch.from_numpy(hadamard(rows)[:, :values].astype("float32"))
    rounds = -(-samples // rows)
    flips = torch.randint(0, 2, (rounds, 1, values), generator=generator).float() * 2 - 1
    order = torch.stack([torch.randperm(rows, generator=generator) for _ in range(rounds)])
    return (matrix[order] * flips).view(-1, values)[:samples]
