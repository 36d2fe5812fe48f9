"""AWQ's search for clip ranges.

Lin, Tang, Tang, Yang, Chen, Wang, Xiao, Dang, Gan, Han: *AWQ: Activation-aware Weight Quantization for LLM Compression
and Acceleration*, MLSys 2024 (arXiv:2306.00978), section 4.1: clipping is searched for besides the scaling. The steps
are those of the authors' implementation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qdebug.errors import MethodError
from qdebug.methods.bench import Bench
from qdebug.methods.inputs import hessians, in_waves
from qdebug.methods.ranges import blocks, changes, guarded, limits, parts
from qdebug.quantize import Grid, choose_grid, fake_quantize
from qdebug.recipes import AwqClip, TensorPlan


def search_clips(bench: Bench, fix: AwqClip) -> Bench:
    """Give every layer of the bench the clip ranges that change its output least, on the float model's inputs.

    Raises:
        MethodError: there is no range to try.
    """
    shrinks = tried(fix)
    waves, rounded = in_waves(bench.engine, bench.layers), {}
    for done, wave in enumerate(waves):
        bench.work.step(done, len(waves), f"searching clip ranges of {wave[0].layer.name}")
        found = hessians(bench.engine, wave, bench.reference, bench.batches, bench.work)
        for design in wave:
            problem = bench.problem(design.layer)
            hessian = problem.in_basis(found[design.layer.step])
            grid = guarded(problem, hessian, clipped_grid(problem.weight, hessian, problem.plan, shrinks))
            rounded[design.layer.step] = problem.rounded(fake_quantize(problem.weight, grid), grid)
    return bench.with_rounded(rounded)


def tried(fix: AwqClip) -> tuple[float, ...]:
    """The parts of the largest magnitude that are tried, falling from 1.

    Raises:
        MethodError: the parameters leave none.
    """
    count = int(fix.shrink * fix.steps)
    if fix.steps < 1 or not 0 < fix.shrink <= 1 or count < 1:
        raise MethodError(
            f"No clip range to try in {fix.steps} steps down to {1 - fix.shrink:g} of the largest magnitude",
            do="Choose steps of 1 or more and a shrink above 0 and up to 1; the authors' are 20 and 0.5.",
        )
    return tuple(1 - step / fix.steps for step in range(count))


def clipped_grid(weight: Tensor, hessian: Tensor, plan: TensorPlan, shrinks: Sequence[float]) -> Grid:
    """The grid of the clip ranges with the least change of the output, for each scale on its own.

    A group's range is cut at ±t · max|w|; what its errors alone change in the output is Δ H Δᵀ with the group's block
    of H. Of equal ones the first is taken.

    Args:
        weight: float32 ``[R, C]``.
        hessian: float64 ``[B, C, C]``, the mean of x xᵀ, one for each group of a convolution.
        plan: the weight's plan.
        shrinks: the t that are tried.
    """
    low, high, size = limits(weight, plan)
    most, diagonal = torch.maximum(-low, high), blocks(hessian, size)
    best = torch.full_like(most, torch.inf)
    below, above = low, high
    for shrink in shrinks:
        cut = torch.maximum(low, -shrink * most), torch.minimum(high, shrink * most)
        grid = choose_grid(*cut, plan, group_size=size)
        change = changes(parts((fake_quantize(weight, grid) - weight).double(), size), diagonal)
        change = change if low.dim() else change.sum()
        better = change < best
        best = torch.where(better, change, best)
        below, above = torch.where(better, cut[0], below), torch.where(better, cut[1], above)
    return choose_grid(below, above, plan, group_size=size)
