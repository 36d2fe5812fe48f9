"""LDLQ.

Chee, Cai, Kuleshov, De Sa: *QuIP: 2-Bit Quantization of Large Language Models With Guarantees*, NeurIPS 2023
(arXiv:2307.13304), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.methods.bench import Bench, Problem
from qdebug.methods.feedback import round_with_feedback
from qdebug.methods.inputs import require_finite
from qdebug.methods.waves import round_by_hessians, round_groups
from qdebug.quantize import Grid
from qdebug.recipes.fixes import Ldlq


def round_by_ldlq(bench: Bench, fix: Ldlq) -> Bench:
    """Round every layer of the bench by LDLQ; see :func:`qdebug.methods.waves.round_in_waves`."""
    return round_by_hessians(bench, "LDLQ", lambda problem, hessian: problem.rounded(_layer(problem, hessian, fix)))


def _layer(problem: Problem, hessian: Tensor, fix: Ldlq) -> Tensor:
    """All rows of a layer, ``[R, C]``."""

    def one(weight: Tensor, grid: Grid, gram: Tensor) -> tuple[Tensor, Grid]:
        return ldlq(weight, gram, grid, damping=fix.damping, block=fix.block, layer=problem.layer.name), grid

    return round_groups(problem, [hessian], one)[0]


def ldlq(
    weight: Tensor, hessian: Tensor, grid: Grid, *, damping: float = 0.01, block: int = 128, layer: str | None = None
) -> Tensor:
    """Round a matrix column by column, each with linear feedback from the errors of all columns before it.

    ``Ŵ_k = Q(W_k + (W_{<k} − Ŵ_{<k}) a_k)`` (the paper's equation 2) with ``a_k`` the k-th column of the strictly upper
    ``U̇`` in ``H + λI = (U̇ + I) D (U̇ + I)ᵀ`` (equation 4): of all linear feedback the one with the least
    ``tr((Ŵ − W) H (Ŵ − W)ᵀ)``, in the worst case and in the mean (theorem 1), where Q does not clip. In exact
    arithmetic it gives GPTQ's values (theorem 6).

    Args:
        weight: float32 ``[R, C]``.
        hessian: float64 ``[C, C]``, of any scale.
        grid: what the values have to lie on.
        damping: λ over the mean of the diagonal.
        block: columns whose feedback from those before them is one product.
        layer: for the message.

    Returns:
        float32 ``[R, C]``, on the grid.

    Raises:
        NumericError: the Hessian is not finite.
    """
    require_finite(hessian, layer=layer)
    feedback, _ = ldl(hessian, damping)
    return round_with_feedback(weight, grid, feedback.float(), block=block)[0]


def ldl(hessian: Tensor, damping: float) -> tuple[Tensor, Tensor]:
    """``U̇`` and the diagonal of D: ``(U̇ + I) D (U̇ + I)ᵀ`` is the Hessian with ``damping`` of its mean on its diagonal.

    From the Cholesky factor of the matrix with rows and columns reversed. The damping grows tenfold until that is
    positive definite in float64; a column whose input is always zero gives and takes no feedback.

    Args:
        hessian: float64 ``[C, C]``.
        damping: a fraction of the mean of the diagonal.

    Returns:
        float64 ``[C, C]``, strictly upper, and ``[C]``.
    """
    size = len(hessian)
    mean = hessian.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
    filled = hessian.clone()
    filled.diagonal()[hessian.diagonal() == 0] = mean
    fraction = damping or 1e-8
    while True:
        damped = filled + fraction * mean * torch.eye(size, dtype=torch.float64)
        lower, failed = torch.linalg.cholesky_ex(damped.flip(0, 1))
        if not int(failed):
            upper = lower.flip(0, 1)
            return (upper / upper.diagonal()).triu(1), upper.diagonal().square()
        fraction *= 10
