"""Rounding to a grid: fake-quantize, quantize, dequantize."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.errors import NumericError
from qdebug.quantize.grids import Grid
from qdebug.quantize.layout import flat, groups
from qdebug.quantize.levels import LevelGrid, round_to_levels
from qdebug.quantize.modes import round_by
from qdebug.quantize.qparams import QParams
from qdebug.quantize.tiles import MOST, spread, tiles
from qdebug.recipes.plan import Rounding

try:
    from qdebug.quantize import kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None


def fake_quantize(
    x: Tensor,
    qparams: Grid,
    out: Tensor | None = None,
    *,
    rounding: Rounding = "half_even",
    seed: int = 0,
    samples: int = 1,
) -> Tensor:
    """Round every value to its grid and back to a real: ``clamp(rint(x / scale), qmin − z, qmax − z) · scale``.

    For a :class:`LevelGrid` the nearest level takes the place of the clamped code. Half-way values go to the even code.
    The quotient is a true division: ``x · (1 / scale)``, which torch's own fake-quantize computes, differs on some of
    them. NaN stays NaN, ±Inf becomes a clip limit.

    Args:
        x: any shape. With scales per row, ``[R, C]`` or anything whose row-major order is ``[R, C]`` (a batch of R
            samples, R tokens along the last axis, R output channels along the first).
        qparams: the grid.
        out: where to write, of the shape of ``x``; may be ``x`` itself. A new tensor by default.
        rounding: which neighbour a value goes to; see :func:`qdebug.quantize.modes.round_by`.
        seed: of stochastic rounding.
        samples: equal parts of ``x`` in row-major order that draw the same random numbers for the same values.

    Returns:
        ``out``: the dtype of ``x`` and, where it is dense, its strides. Arithmetic is float32.
    """
    plain = rounding == "half_even"
    if plain and (out is x or out is None) and isinstance(qparams, QParams):
        found = _rounded_at_once(x, qparams, over=out is x)
        if found is not None:
            return found
    result = torch.empty_like(x)
    if out is not None and out.stride() == x.stride() and out.dtype == x.dtype:
        result = out
    source, target = _pair(x, result, qparams, in_order=not plain)
    if x.numel() == 0:
        pass
    elif not plain:
        source, target = _matrix(source), _matrix(target)
        round_by(source, target, qparams, _size(source, qparams), rounding, seed, max(1, x.numel() // samples))
    elif isinstance(qparams, LevelGrid):
        source, target = _matrix(source), _matrix(target)
        round_to_levels(source, target, qparams, _size(source, qparams))
    else:
        _round(source, target, qparams)
    if target.data_ptr() != result.data_ptr():
        result.copy_(target.view(x.shape))
    return result if out is None or out is result else out.copy_(result)


def quantize(x: Tensor, qparams: QParams) -> Tensor:
    """The integer codes ``clamp(rint(x / scale) + zero_point, qmin, qmax)``, int32, in the shape of ``x``.

    Raises:
        NumericError: ``x`` holds a NaN, which has no code.
    """
    if bool(torch.isnan(x).any()):
        raise NumericError("A NaN has no integer code", do="Look for the NaN in the tensor or its producer.")
    scale, zero_point = (_spread(part, x, qparams) for part in (qparams.scale, qparams.zero_point))
    codes = torch.round(x.float() / scale) + zero_point
    return codes.clamp_(qparams.qmin, qparams.qmax).to(torch.int32)


def dequantize(codes: Tensor, qparams: QParams) -> Tensor:
    """The reals ``(codes − zero_point) · scale``, float32, in the shape of ``codes``."""
    scale, zero_point = (_spread(part, codes, qparams) for part in (qparams.scale, qparams.zero_point))
    return (codes.float() - zero_point) * scale


def _pair(x: Tensor, result: Tensor, qparams: Grid, *, in_order: bool) -> tuple[Tensor, Tensor]:
    """Input and output in equal order: flat for one scale, else ``[R, C]``; views where memory allows.

    The order of memory serves where it keeps whatever shares a scale together: always for one scale, and for scales per
    row where the rows lie one after another (samples of a channels-last batch); but never within a row with groups.
    Nor with ``in_order``, which asks for row-major order.
    """
    rows, count = qparams.scale.shape if qparams.scale.dim() else (1, 1)
    if x.numel() % rows if rows else x.numel():
        raise ValueError(f"{tuple(x.shape)} does not fall into {rows} rows")
    dense, written = flat(x), flat(result)
    stacked = rows == 1 or (x.dim() > 0 and x.shape[0] == rows and x.stride(0) * rows == x.numel())
    if dense is None or written is None or not (x.is_contiguous() or (stacked and count == 1 and not in_order)):
        dense, written = x.reshape(-1), torch.empty(x.numel(), dtype=x.dtype, device=x.device)
    shape = (rows, x.numel() // max(rows, 1)) if qparams.scale.dim() else (x.numel(),)
    return dense.view(shape), written.view(shape)


def _matrix(x: Tensor) -> Tensor:
    return x.view(1, -1) if x.dim() == 1 else x


def _size(x: Tensor, qparams: Grid) -> int:
    columns, size = x.shape[1], qparams.group_size or x.shape[1]
    if qparams.scale.dim() and groups(columns, size) != qparams.scale.shape[1]:
        raise ValueError(f"{qparams.scale.shape[1]} scales a row do not fit {columns} values in groups of {size}")
    return size


def _spread(part: Tensor, x: Tensor, qparams: QParams) -> Tensor:
    """Scales or zero points, one for every value of ``x``."""
    if part.dim() == 0:
        return part
    columns = x.numel() // part.shape[0]
    size = qparams.group_size or columns
    return part.repeat_interleave(size, dim=1)[:, :columns].reshape(x.shape)


def _compiled(*tensors: Tensor) -> bool:
    return kernels is not None and all(t.dtype == torch.float32 and t.is_cpu for t in tensors)


def _rounded_at_once(x: Tensor, qparams: QParams, *, over: bool) -> Tensor | None:
    """The short way for what the engine does most: one scale, dense values. None if that is not it."""
    if kernels is None or qparams.scale.dim() or not _compiled(x, qparams.scale):
        return None
    dense = flat(x)
    if dense is None:
        return None
    if over:
        kernels.round_over(dense.detach().numpy(), *qparams.limits)
        return x
    result = torch.empty_like(x)
    if result.stride() != x.stride():
        return None
    kernels.round_all(dense.detach().numpy(), result.as_strided(dense.shape, (1,)).numpy(), *qparams.limits)
    return result


def _round(source: Tensor, target: Tensor, qparams: QParams) -> None:
    if kernels is not None and qparams.scale.dim() == 0 and _compiled(source, target, qparams.scale):
        kernels.round_all(source.detach().numpy(), target.detach().numpy(), *qparams.limits)
        return
    low, high = qparams.qmin - qparams.zero_point, qparams.qmax - qparams.zero_point
    if qparams.scale.dim() == 0:
        _round_all(source, target, qparams.scale, low, high)
    else:
        _round_groups(source, target, qparams.scale, low, high, _size(source, qparams))


def _round_all(x: Tensor, out: Tensor, scale: Tensor, low: Tensor, high: Tensor) -> None:
    for start in range(0, x.numel(), MOST):
        part = slice(start, start + MOST)
        _round_chunk(x[part], out[part], scale, low, high)


def _round_groups(x: Tensor, out: Tensor, scale: Tensor, low: Tensor, high: Tensor, size: int) -> None:
    if kernels is not None and _compiled(x, out, scale):
        steps, below, above = (part.contiguous().numpy() for part in (scale, low, high))
        kernels.round_groups(x.detach().numpy(), out.detach().numpy(), steps, below, above, size)
        return
    for tile in tiles(*x.shape, size):
        _round_chunk(x[tile], out[tile], *(spread(part, tile, size) for part in (scale, low, high)))


def _round_chunk(x: Tensor, out: Tensor, scale: Tensor, low: Tensor, high: Tensor) -> None:
    codes = torch.div(x.detach().float(), scale).round_()
    out.copy_(codes.clamp_(low, high).add_(0.0).mul_(scale))
