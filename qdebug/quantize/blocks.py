"""Formats with blocks of their own: OCP microscaling and NVFP4, and the integers like them."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.formats import Block, Float
from qdebug.formats.floats import FP8_E4M3FN
from qdebug.quantize.floats import cast
from qdebug.quantize.layout import groups
from qdebug.quantize.levels import LevelGrid, kernels, level_grid
from qdebug.quantize.qparams import QParams

_CHUNK = 1 << 20


def block_grid(x: Tensor, form: Block, samples: int = 1, *, peak: float | None = None) -> QParams | LevelGrid:
    """The grid of a matrix: a scale for every ``form.size`` consecutive values of a row.

    E8M0 (OCP MX 1.0, section 6.3): ``2^(floor(log2 absmax) − largest exponent of the element)``, an exponent between
    −127 and 127. Values that the element then cannot hold saturate. E4M3 (NVFP4): the tensor's scale is
    ``absmax / (largest element · 448)``; a block's is ``absmax / largest element``, in units of the tensor's, rounded
    to E4M3 and at least its smallest number, so that it is never zero. A block of zeros alone may have any scale. NaN
    and ±Inf set no scale.

    Args:
        x: ``[R, C]`` float32; rows of equal number belong to each sample.
        form: the format.
        samples: where the format has a scale for the whole tensor, each of so many samples has its own, as a runtime
            computes it at batch size 1.
        peak: the largest finite magnitude of the tensor, where ``x`` is only some rows of it.

    Returns:
        Scales ``[R, G]``.
    """
    absmax = block_absmax(x, form.size)
    if form.scale == "e8m0":
        scale = _power(absmax, form.largest_exponent) * form.unit
    else:
        scale = _e4m3(absmax, form.largest, samples, peak)
    if isinstance(form.element, Float):
        return level_grid(form.element, scale, form.size)
    return QParams(scale, torch.zeros_like(scale), *form.element.codes(symmetric=True), form.size)


def block_absmax(x: Tensor, size: int) -> Tensor:
    """The largest finite magnitude of each run of ``size`` values of a row of ``x [R, C]``; float32 ``[R, G]``."""
    rows, columns = x.shape
    out = torch.zeros(rows, groups(columns, size))
    if kernels is not None and x.dtype == torch.float32 and x.device.type == "cpu":
        bits = x.detach().contiguous().view(torch.int32).numpy()
        kernels.group_absmax(bits, size, out.view(torch.int32).numpy())
        return out
    out = out.to(x.device)
    step = max(1, _CHUNK // max(columns, 1))
    for start in range(0, rows, step):
        part = x[start : start + step].detach().float().contiguous()
        part = torch.where(torch.isfinite(part), part.abs(), 0.0)
        padded = torch.nn.functional.pad(part, (0, out.shape[1] * size - columns))
        out[start : start + step] = padded.view(len(part), -1, size).amax(2)
    return out


def _power(absmax: Tensor, largest_exponent: int) -> Tensor:
    _, exponent = torch.frexp(absmax.double())
    exponent = torch.where(absmax > 0, exponent - 1 - largest_exponent, 0).clamp(-127, 127)
    return torch.ldexp(torch.ones_like(absmax, dtype=torch.float64), exponent).float()


def _e4m3(absmax: Tensor, largest: float, samples: int, peak: float | None) -> Tensor:
    """Block scales times the tensor's, float32. Their product is rounded once, as kernels that fold the two do."""
    if not absmax.numel():
        return absmax + 1.0
    whole = absmax.view(samples, -1).amax(1) if peak is None else torch.tensor([peak])
    tensor = (whole.double() / (largest * FP8_E4M3FN.largest)).float()
    tensor = torch.where(tensor == 0, 1.0, tensor).clamp(min=torch.finfo(torch.float32).tiny)
    tensor = tensor.repeat_interleave(len(absmax) // samples).view(-1, 1)
    block = cast(absmax.double() / (largest * tensor.double()), FP8_E4M3FN, saturate=True).float()
    return block.clamp(min=FP8_E4M3FN.smallest) * tensor
