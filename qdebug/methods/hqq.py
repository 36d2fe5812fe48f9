"""HQQ.

Badri, Shaji: *Half-Quadratic Quantization of Large Machine Learning Models*, Mobius Labs 2023; the defaults are those
of the authors' library (p = 0.7, β = 10, κ = 1.01, 20 iterations).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from qdebug.formats import QFormat, find
from qdebug.graph import Layer
from qdebug.methods.bench import Bench, refusal
from qdebug.quantize import QParams, fake_quantize
from qdebug.quantize.layout import groups
from qdebug.quantize.levels import LevelGrid
from qdebug.quantize.qparams import fitting
from qdebug.recipes import Hqq
from qdebug.recipes.plan import ScaleFormat

_REAL = 16
"""Bits of a zero point that is a real number, as the authors' library stores it with half-precision scales; a plan
counts it as a code."""


def move_zero_points(bench: Bench, fix: Hqq) -> Bench:
    """Give every layer of the bench the grid that the solver finds, and round its weight to the nearest on it."""
    rounded = {}
    for done, layer in enumerate(bench.layers):
        bench.work.step(done, len(bench.layers), f"moving the zero points of {layer.name}")
        problem = bench.problem(layer)
        assert isinstance(problem.grid, QParams)
        solved = hqq(problem.weight, problem.grid, fix, problem.plan.scale_format)
        grid = solved if fix.integer_zeros else shifted(solved, find(problem.plan.format))
        if not fix.integer_zeros:
            code = math.ceil(find(problem.plan.format).bits)
            problem = replace(problem, beside=problem.beside + (_REAL - code) * grid.scale.numel())
        rounded[layer.step] = problem.rounded(fake_quantize(problem.weight, grid), grid)
    return bench.with_rounded(rounded)


def why_not_hqq(bench: Bench, layer: Layer) -> str | None:
    """Why a layer's zero points cannot be moved; None where they can."""
    plan = bench.quants[layer.step].plan.weight
    reason = refusal(plan)
    if reason:
        return reason
    if not find(plan.format).is_integer:
        return f"{plan.format} has no zero point to move"
    if plan.symmetric:
        return "its weight is symmetric: there is no zero point to move"
    return "a scale serves a tile of several rows" if plan.granularity == "block" else None


def hqq(weight: Tensor, grid: QParams, fix: Hqq, scale_format: ScaleFormat | None = None) -> QParams:
    """The best grid that the half-quadratic solver passes through, for each scale on its own.

    Each scale keeps the iterate (see :func:`iterates`) with the least mean |W − Ŵ|, the authors' own measure. The grid
    it starts from is among them, so no group's weights end further off.

    Args:
        weight: float32 ``[R, C]``.
        grid: where it starts.
        fix: the parameters.
        scale_format: how scales are stored, where they change.

    Returns:
        Scales, and zero points that are real numbers unless integers were asked for; :func:`shifted` makes a grid of
        such.
    """
    if not weight.numel():
        return grid
    parts, real = _parted(weight, grid)
    count = real.sum(-1)
    best_scale, best_zero = (one.double().view(parts.shape[:2]) for one in (grid.scale, grid.zero_point))
    least = _error(parts, real, count, best_scale, best_zero, grid)
    for scale, zero in iterates(parts, real, grid, fix):
        whole = zero.round().clamp(grid.qmin, grid.qmax) if fix.integer_zeros else zero
        stored = scale
        if fix.scales:
            reach = torch.maximum((whole - grid.qmin).abs(), (grid.qmax - whole).abs()).view(grid.scale.shape)
            stored = fitting(scale.view(grid.scale.shape), reach, scale_format).double().view(scale.shape)
        error = _error(parts, real, count, stored, whole, grid)
        better = error < least
        least = torch.where(better, error, least)
        best_scale, best_zero = torch.where(better, stored, best_scale), torch.where(better, whole, best_zero)
    shape = grid.scale.shape
    return QParams(best_scale.float().view(shape), best_zero.float().view(shape), grid.qmin, grid.qmax, grid.group_size)


def shifted(solved: QParams, form: QFormat) -> LevelGrid:
    """The grid of real zero points: the codes as levels, each scale's moved by −z · s."""
    levels = torch.arange(solved.qmin, solved.qmax + 1, dtype=torch.float32)
    offset = (-solved.zero_point.double() * solved.scale.double()).float()
    return LevelGrid(form, levels, solved.scale, solved.group_size, offset)


def iterates(parts: Tensor, real: Tensor, grid: QParams, fix: Hqq) -> Iterator[tuple[Tensor, Tensor]]:
    """What the solver passes through: scales and *real* zero points, float64 ``[R, G]``.

    It splits min ‖W − Ŵ‖ₚᵖ by a variable E for the error, coupled by β/2 ‖E − (W − Ŵ)‖²: E by the generalized
    soft-threshold sign(x) · max(0, |x| − |x|^(p−1) / β), then the zero point as the mean of Q − (W − E) / s, and β
    grows by κ. With ``scales``, s is then fitted to W − E by least squares, the codes held.

    Args:
        parts: float64 ``[R, G, S]``, the values of each scale.
        real: which of them are not padding.
        grid: where it starts.
        fix: the parameters.
    """
    count, beta = real.sum(-1), fix.beta
    scale, zero = (one.double().view(parts.shape[:2]) for one in (grid.scale, grid.zero_point))
    for _ in range(fix.iterations):
        s, z = scale.unsqueeze(-1), zero.unsqueeze(-1)
        codes = (parts / s + z).round().clamp(grid.qmin, grid.qmax)
        aim = parts - _shrunk(parts - (codes - z) * s, fix.p, beta)
        zero = ((codes - aim / s) * real).sum(-1) / count
        if fix.scales:
            steps = (codes - zero.unsqueeze(-1)) * real
            fitted = (aim * steps).sum(-1) / steps.square().sum(-1)
            scale = torch.where(torch.isfinite(fitted) & (fitted > 0), fitted, scale)
        beta *= fix.kappa
        yield scale, zero


def _shrunk(x: Tensor, p: float, beta: float) -> Tensor:
    size = x.abs()
    return x.sign() * (size - size.pow(p - 1) / beta).clamp_min(0.0)


def _error(parts: Tensor, real: Tensor, count: Tensor, scale: Tensor, zero: Tensor, grid: QParams) -> Tensor:
    """The mean |W − Ŵ| of each scale's values ``[R, G]``."""
    s, z = scale.unsqueeze(-1), zero.unsqueeze(-1)
    values = ((parts / s + z).round().clamp(grid.qmin, grid.qmax) - z) * s
    return ((parts - values).abs() * real).sum(-1) / count


def _parted(weight: Tensor, grid: QParams) -> tuple[Tensor, Tensor]:
    """The values of each scale, float64 ``[R, G, S]`` filled up with zeros, and which are values."""
    matrix = weight if grid.scale.dim() else weight.reshape(1, -1)
    size = grid.group_size or matrix.shape[1]
    count = groups(matrix.shape[1], size)
    missing = count * size - matrix.shape[1]
    real = pad(torch.ones(matrix.shape[1], dtype=torch.bool), (0, missing)).view(1, count, size)
    return pad(matrix.double(), (0, missing)).view(len(matrix), count, size), real
