"""Rounding other than half to even: half away from zero, down, and stochastic.

One plain path for every grid, in float64, where the place between two levels is exact. Half to even has paths of its
own, which are what nearly everyone uses.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.formats import Float
from qdebug.quantize.floats import step
from qdebug.quantize.levels import LevelGrid
from qdebug.quantize.qparams import QParams
from qdebug.quantize.tiles import spread, tiles
from qdebug.recipes.plan import Rounding

_WORD = 0xFFFFFFFF


def round_by(
    x: Tensor, out: Tensor, grid: QParams | LevelGrid, size: int, mode: Rounding, seed: int, period: int
) -> None:
    """Write ``x [R, C]``, rounded to its grid by that mode, to ``out``.

    ``half_away``: half-way values go away from zero. ``floor``: to the level below. ``stochastic``: to the level above
    with the probability of the part of the way there, so that the mean error is zero (Gupta et al. 2015,
    arXiv 1502.02551). Beyond the clip limits all give the limit; NaN stays NaN. A value that is itself a real of the
    grid stays, though the product that made it was rounded and the quotient may fall an ulp short of the level: else
    ``floor`` would take a quantized tensor down another step each time.

    Args:
        x: contiguous, in row-major order of the tensor.
        out: of its shape.
        grid: scales ``[]``, ``[R, 1]`` or ``[R, G]``.
        size: values per scale along a row.
        mode: the mode.
        seed: of the stochastic mode.
        period: values of a sample: the random numbers depend on a value's place in its sample, its bits and the seed,
            so that results do not depend on how samples are put into batches.
    """
    columns = x.shape[1]
    for tile in tiles(*x.shape, size):
        values = x[tile].detach().float()
        scale = spread(grid.scale, tile, size)
        t = torch.div(values, scale).double()
        dice = None
        if mode == "stochastic":
            down, across = (torch.arange(part.start, part.stop, device=x.device) for part in tile)
            dice = uniform(values, (down.unsqueeze(1) * columns + across) % period, seed)
        if isinstance(grid, QParams):
            zero = spread(grid.zero_point, tile, size)
            low, high = grid.qmin - zero.double(), grid.qmax - zero.double()
            near, level = (whole.clamp(low, high) for whole in (torch.round(t), _rounded(t, mode, dice)))
        elif isinstance(grid.form, Float):
            quantum, limit = step(t, grid.form), grid.form.largest
            places = t / quantum
            near, level = (
                (whole * quantum).clamp(-limit, limit) for whole in (torch.round(places), _rounded(places, mode, dice))
            )
        else:
            near, level = _between(t, grid.levels.double(), mode, dice)
        real, kept = ((found.float() + 0.0) * scale for found in (level, near))
        out[tile] = torch.where(kept == values, kept, real)


def cast_by(x: Tensor, fmt: Float, mode: Rounding, seed: int, samples: int = 1) -> Tensor:
    """The values of ``x`` rounded to a float format without a scale; what is too large becomes the largest number."""
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    grid = LevelGrid(fmt, torch.empty(0), torch.ones(()))
    matrix = x.contiguous().view(samples, -1)
    if x.numel():
        round_by(matrix, out.view(matrix.shape), grid, matrix.shape[1], mode, seed, matrix.shape[1])
    return torch.empty_like(x).copy_(out)


def uniform(x: Tensor, place: Tensor, seed: int) -> Tensor:
    """A number in [0, 1) for each value, of 32 random bits: a hash of its bits, its place and the seed.

    The mixing is the 32-bit finalizer of Wellons' hash-prospector, applied twice.
    """
    key = (place * 0x9E3779B1 + (seed + 1) * 0x85EBCA6B) & _WORD
    key = _mix(key) ^ (x.contiguous().view(torch.int32).long() & _WORD)
    return _mix(key).double() / 2.0**32


def _mix(h: Tensor) -> Tensor:
    h = ((h ^ (h >> 16)) * 0x7FEB352D) & _WORD
    h = ((h ^ (h >> 15)) * 0x846CA68B) & _WORD
    return h ^ (h >> 16)


def _rounded(place: Tensor, mode: Rounding, dice: Tensor | None) -> Tensor:
    """Places in units of the local step, as whole numbers."""
    if mode == "half_away":
        size = place.abs()
        below = size.floor()
        return torch.copysign(below + (size - below >= 0.5), place)
    below = place.floor()
    if mode == "floor":
        return below
    assert dice is not None
    return below + (dice < place - below)


def _between(t: Tensor, levels: Tensor, mode: Rounding, dice: Tensor | None) -> tuple[Tensor, Tensor]:
    """The nearest level of a table, and the one that the mode takes."""
    last = len(levels) - 1
    above = torch.bucketize(t, levels, right=True).clamp(1, last)
    low, high = levels[above - 1], levels[above]
    twice, ends = 2.0 * t, low + high  # both exact, where a quotient would round
    if mode == "half_away":
        up = (twice > ends) | ((twice == ends) & (ends >= 0))
    elif mode == "floor":
        up = t >= high
    else:
        assert dice is not None
        up = dice < (t - low) / (high - low)
    near, level = (torch.where(torch.isnan(t), t, torch.where(to, high, low)) for to in (twice > ends, up))
    return near, level
