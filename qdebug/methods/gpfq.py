"""GPFQ: greedy path following.

Lybrand and Saab: *A Greedy Algorithm for Quantizing Neural Networks*, JMLR 2021 (arXiv:2010.11065), equations 2 and 3;
Zhang, Zhou, Saab: *Post-training Quantization for Neural Networks with Provable Guarantees*, SIMODS 2023
(arXiv:2201.11113), section 2, with quantized inputs and columns of any norm.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.methods.bench import Bench, Problem
from qdebug.methods.feedback import round_with_feedback
from qdebug.methods.inputs import cross_moments, require_finite
from qdebug.methods.nearest import no_further_than_nearest
from qdebug.methods.waves import round_groups, round_in_waves
from qdebug.quantize import Grid
from qdebug.recipes.fixes import Gpfq


def round_by_gpfq(bench: Bench, fix: Gpfq) -> Bench:
    """Round every layer of the bench by GPFQ, each so that it stays next to the float network.

    See :func:`qdebug.methods.waves.round_in_waves`.
    """
    return round_in_waves(
        bench, "GPFQ",
        lambda now, wave: cross_moments(now.engine, wave, now.sheet, now.reference, now.batches, now.work),
        lambda problem, moments: problem.rounded(_layer(problem, *moments, fix)),
    )  # fmt: skip


def _layer(problem: Problem, grams: Tensor, crosses: Tensor, fix: Gpfq) -> Tensor:
    """All rows of a layer, ``[R, C]``."""

    def one(weight: Tensor, grid: Grid, gram: Tensor, cross: Tensor) -> tuple[Tensor, Grid]:
        chosen = gpfq(weight, gram, cross, grid, block=fix.block, layer=problem.layer.name)
        return no_further_than_nearest(weight, (chosen, grid), grid, gram, cross) if fix.guard else (chosen, grid)

    return round_groups(problem, [grams, crosses], one)[0]


def gpfq(
    weight: Tensor, gram: Tensor, cross: Tensor, grid: Grid, *, block: int = 128, layer: str | None = None
) -> Tensor:
    """Round a matrix column by column, each to the level that leaves the smallest error of the output so far.

    For a row w of the matrix, columns x_t of its float inputs X and x̃_t of its quantized inputs X̃: with ``u_0 = 0``,
    ``q_t`` is the level nearest to ``⟨x̃_t, u_{t−1} + w_t x_t⟩ / ‖x̃_t‖²`` and ``u_t = u_{t−1} + w_t x_t − q_t x̃_t``.
    All of these products are among ``G = X̃ᵀX̃`` and ``C = X̃ᵀX``, so that no input is kept::

        ⟨x̃_t, u_{t−1} + w_t x_t⟩ = Σ_{j≤t} w_j C_tj − Σ_{j<t} q_j G_tj
                                 = w_t C_tt + Σ_{j<t} w_j (C_tj − G_tj) + Σ_{j<t} (w_j − q_j) G_tj

    A column whose quantized input is always zero is rounded to the nearest.

    Args:
        weight: float32 ``[R, C]``.
        gram: ``X̃ᵀX̃``, float64 ``[C, C]``.
        cross: ``X̃ᵀX``, float64 ``[C, C]``, of the same scale.
        grid: what the values have to lie on.
        block: columns whose errors are gathered before they reach the rest.
        layer: for the message.

    Returns:
        float32 ``[R, C]``, on the grid.

    Raises:
        NumericError: a moment is not finite.
    """
    require_finite(gram, cross, layer=layer)
    used = gram.diagonal() > 0
    norms = torch.where(used, gram.diagonal(), 1.0)
    factor = (gram / norms).float()
    drift = (cross.T - gram).div_(norms).triu_(1)
    drift.diagonal().copy_(torch.where(used, cross.diagonal() / norms, 1.0))
    return round_with_feedback(weight, grid, factor, goal=weight @ drift.float(), block=block)[0]
