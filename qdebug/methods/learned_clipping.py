"""Learned weight clipping, of OmniQuant.

Shao, Chen, Zhang, Xu, Zhao, Li, Zhang, Gao, Qiao, Luo: *OmniQuant: Omnidirectionally Calibrated Quantization for Large
Language Models*, ICLR 2024 (arXiv:2308.13137), section 3.2, equation 2. Learned layer by layer, on the layer's output;
the paper learns the strengths of a block's layers together, on the block's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.engine import Work
from qdebug.errors import MethodError
from qdebug.formats import Integer, find
from qdebug.graph import Layer
from qdebug.methods.bench import Bench
from qdebug.methods.inputs import hessians, in_waves
from qdebug.methods.ranges import guarded, limits, without_ranges
from qdebug.quantize import Grid, choose_grid, fake_quantize
from qdebug.recipes import LearnedClipping, TensorPlan


def learn_clips(bench: Bench, fix: LearnedClipping) -> Bench:
    """Give every layer of the bench the clip ranges learned on the float model's inputs.

    Raises:
        MethodError: the parameters leave nothing to learn.
    """
    if fix.iterations < 1 or fix.rate <= 0:
        raise MethodError(
            f"Nothing is learned in {fix.iterations} iterations at a rate of {fix.rate:g}",
            do="Choose 1 iteration or more, and a rate above 0; 300 and 0.01 are the defaults.",
        )
    waves, rounded = in_waves(bench.engine, bench.layers), {}
    for done, wave in enumerate(waves):
        bench.work.step(done, len(waves), f"learning to clip {wave[0].layer.name}")
        found = hessians(bench.engine, wave, bench.reference, bench.batches, bench.work)
        for design in wave:
            problem = bench.problem(design.layer)
            hessian = problem.in_basis(found[design.layer.step])
            learned = learned_grid(problem.weight, hessian, problem.plan, fix, bench.work)
            grid = guarded(problem, hessian, learned)
            rounded[design.layer.step] = problem.rounded(fake_quantize(problem.weight, grid), grid)
    return bench.with_rounded(rounded)


def without_learning(bench: Bench, layer: Layer) -> str | None:
    """Why a layer's clipping cannot be learned; None where it can."""
    plan = bench.quants[layer.step].plan.weight
    if not find(plan.format).is_integer:
        return f"clipping is learned for integers, and {plan.format} is none"
    return without_ranges(bench, layer)


def learned_grid(weight: Tensor, hessian: Tensor, plan: TensorPlan, fix: LearnedClipping, work: Work) -> Grid:
    """The grid of the ranges that gradient descent finds, each row the best that it passed through.

    The range of a scale is sigmoid(β) · min w to sigmoid(γ) · max w; both logits are learned by Adam, with rounding
    taken for the identity in the gradient. What falls is the mean squared change of the output, each row over what it
    was at the start, so that all rows learn at the same pace.

    Args:
        weight: float32 ``[R, C]``.
        hessian: float64 ``[B, C, C]``, the mean of x xᵀ, one for each group of a convolution.
        plan: the weight's plan, in integers.
        fix: the parameters.
        work: cancel.
    """
    low, high, size = limits(weight, plan)
    gram = hessian.float()
    lower, upper = (torch.full(low.shape, fix.start, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.Adam([lower, upper], lr=fix.rate)
    least = torch.full((len(weight),), torch.inf)
    best, start = [lower.detach().clone(), upper.detach().clone()], None
    for _ in range(fix.iterations):
        work.check()
        values = _rounded(weight, (lower.sigmoid() * low, upper.sigmoid() * high), plan, size)
        change = _changes(values - weight, gram)
        if start is None:
            start = change.detach().clamp_min(torch.finfo(torch.float32).tiny)
        best, least = _kept(best, least, (lower, upper), change.detach())
        optimizer.zero_grad()
        (change / start if low.dim() else change.sum() / start.sum()).sum().backward()
        optimizer.step()
    below, above = (torch.sigmoid(one) for one in best)
    return choose_grid(below * low, above * high, plan, group_size=size)


def _kept(best: list[Tensor], least: Tensor, now: tuple[Tensor, Tensor], change: Tensor) -> tuple[list[Tensor], Tensor]:
    """The strengths of the rows that are better than before, those of the others as they were."""
    if not now[0].dim():
        better = change.sum() < least.sum()
        return [torch.where(better, one.detach(), old) for one, old in zip(now, best, strict=True)], torch.where(
            better, change, least
        )
    better = change < least
    rows = better.view(-1, 1)
    kept = [torch.where(rows, one.detach(), old) for one, old in zip(now, best, strict=True)]
    return kept, torch.where(better, change, least)


def _changes(off: Tensor, gram: Tensor) -> Tensor:
    """The mean squared change of each row's output ``[R]`` by errors ``[R, C]``, with gradients."""
    shared = off.view(len(gram), -1, off.shape[-1])
    return ((shared @ gram) * shared).sum(-1).view(-1)


def _rounded(weight: Tensor, ends: tuple[Tensor, Tensor], plan: TensorPlan, size: int) -> Tensor:
    """The weight rounded on the grid of a range, with gradients for the range's ends ``[]`` or ``[R, G]``.

    As :func:`qdebug.quantize.choose_qparams` has it, but for how scales are stored.
    """
    form = find(plan.format)
    assert isinstance(form, Integer)
    qmin, qmax = form.codes(plan.symmetric)
    low, high = (end.float() for end in ends)
    if plan.symmetric:
        scale = _positive((high if qmin >= 0 else torch.maximum(-low, high)) / qmax)
        zero = torch.zeros_like(scale)
    else:
        scale = _positive((high - low) / (qmax - qmin))
        zero = _straight(qmin - low / scale).clamp(qmin, qmax)
    if scale.dim():
        width = size or weight.shape[1]
        scale, zero = (one.repeat_interleave(width, dim=1)[:, : weight.shape[1]] for one in (scale, zero))
    codes = _straight(weight / scale) + zero
    return (codes.clamp(qmin, qmax) - zero) * scale


def _positive(scale: Tensor) -> Tensor:
    return torch.where(scale > 0, scale.clamp_min(torch.finfo(torch.float32).tiny), 1.0)


def _straight(x: Tensor) -> Tensor:
    """Rounded, with the gradient of x."""
    return x + (x.round() - x).detach()
