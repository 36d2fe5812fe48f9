"""GPTQ.

Frantar, Ashkboos, Hoefler, Alistarh: *GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers*, ICLR 2023 (arXiv:2210.17323), algorithm 1.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from qdebug.errors import MethodError
from qdebug.methods.bench import Bench, Problem
from qdebug.methods.feedback import Regrid, round_with_feedback
from qdebug.methods.inputs import require_finite
from qdebug.methods.nearest import no_further_than_nearest
from qdebug.methods.waves import round_by_hessians, round_groups
from qdebug.quantize import Grid, weight_grid
from qdebug.quantize.columns import joined
from qdebug.recipes.fixes import Gptq

_ROWS = 256
"""Of a matrix, turned round at a time."""


def round_by_gptq(bench: Bench, fix: Gptq) -> Bench:
    """Round every layer of the bench by GPTQ; see :func:`qdebug.methods.waves.round_in_waves`.

    Raises:
        NumericError: an input holds NaN or Inf.
        MethodError: columns in another order, and groups that are given their scale when they are reached.
    """
    if fix.act_order and fix.groups == "updated":
        raise MethodError(
            "GPTQ in the order of activations meets columns of all groups in turn, and cannot choose a group's scale "
            "when it reaches the group", do="Take groups=static with act_order=true, or act_order=false.",
        )  # fmt: skip
    return round_by_hessians(bench, "GPTQ", lambda problem, hessian: problem.rounded(*_layer(problem, hessian, fix)))


def _layer(problem: Problem, hessian: Tensor, fix: Gptq) -> tuple[Tensor, Grid]:
    """All rows of a layer, ``[R, C]``, and their grid."""
    updated = fix.groups == "updated"
    regrid = _regrid(problem) if updated else None

    def one(weight: Tensor, given: Grid, gram: Tensor) -> tuple[Tensor, Grid]:
        found = gptq(
            weight, gram, given, damping=fix.damping, act_order=fix.act_order, block=fix.block, regrid=regrid,
            layer=problem.layer.name,
        )  # fmt: skip
        return no_further_than_nearest(weight, found, given, gram) if fix.guard else found

    values, grids = round_groups(problem, [hessian], one)
    return values, joined(problem.grid, grids) if updated else problem.grid


def _regrid(problem: Problem) -> Regrid | None:
    """How a group's scale is chosen from its weights alone; None where it is not: it is shared more widely."""
    size, plan = problem.grid.group_size, problem.plan
    alone = bool(size) and (plan.granularity == "group" or plan.format.startswith("mx")) and not plan.block
    return partial(_grid_of, problem) if alone else None


def _grid_of(problem: Problem, weight: Tensor) -> Grid:
    grid = weight_grid(weight, problem.plan, layer=problem.layer.name)
    assert grid is not None
    return grid


def gptq(
    weight: Tensor, hessian: Tensor, grid: Grid, *, damping: float = 0.01, act_order: bool = False, block: int = 128,
    regrid: Regrid | None = None, layer: str | None = None,
) -> tuple[Tensor, Grid]:  # fmt: skip
    """Round a matrix column by column, each column's error spread over those not yet rounded.

    Algorithm 1 takes ``(w_j − q_j) / U_jj · U_jk`` out of each column k > j, where ``Uᵀ U = (H + λI)⁻¹``, so that the
    columns left are the best for what is rounded. When column k's turn comes it has got the same as with
    ``w_k + Σ_{j<k} (w_j − q_j) R_jk / R_kk``, where ``R Rᵀ = H + λI`` and R is upper triangular (Chee et al. 2023,
    arXiv:2307.13304, theorem 6): one Cholesky factor and no inverse. ``λ`` is a fraction of the mean of H's diagonal; a
    column whose input is always zero is rounded to the nearest and moves nothing.

    Args:
        weight: float32 ``[R, C]``.
        hessian: float64 ``[C, C]``, of any scale.
        grid: what the values have to lie on.
        damping: λ over the mean of the diagonal, of columns whose input is not always zero.
        act_order: columns in falling order of H's diagonal; groups keep the scales they have.
        block: columns whose updates are gathered before the rest is touched.
        regrid: chooses each group's scale anew when its first column is reached (section 3.3's "grouping").
        layer: for the message.

    Returns:
        float32 ``[R, C]``, and the grid it lies on.

    Raises:
        NumericError: the Hessian is not finite.
    """
    require_finite(hessian, layer=layer)
    order = torch.argsort(hessian.diagonal(), descending=True, stable=True) if act_order else None
    factor = feedback_factor(hessian if order is None else hessian[order][:, order], damping)
    return round_with_feedback(weight, grid, factor, order=order, block=block, regrid=regrid)


def feedback_factor(hessian: Tensor, damping: float) -> Tensor:
    """``R_jk / R_kk`` of the upper triangular R with ``R Rᵀ = H + λI``; float32 ``[C, C]``, computed in float64.

    R is the lower Cholesky factor of the matrix with rows and columns in reverse, reversed. The damping grows tenfold
    until the matrix is positive definite in float64.
    """
    used = hessian.diagonal() > 0
    mean = hessian.diagonal().sum() / used.sum().clamp_min(1)
    mean = torch.where(mean > 0, mean, 1.0)
    fraction = damping or 1e-8
    while True:
        damped = _reversed(hessian)
        damped.diagonal().add_(torch.where(used, fraction * mean, mean).flip(0))
        _, failed = torch.linalg.cholesky_ex(damped, out=(damped, hessian.new_empty((), dtype=torch.int32)))
        if not int(failed):
            damped /= damped.diagonal().clone()
            single = damped.float()
            del damped  # these matrices are the largest that the method holds
            return single.flip(0, 1)
        fraction *= 10


def _reversed(matrix: Tensor) -> Tensor:
    """A copy with rows and columns in reverse, column by column in memory: LAPACK factors such a one where it lies."""
    found = torch.empty_like(matrix.mT, memory_format=torch.contiguous_format).mT
    size = len(matrix)
    for start in range(0, size, _ROWS):
        part = matrix[start : start + _ROWS]
        found[size - start - len(part) : size - start] = part.flip(0, 1)
    return found
