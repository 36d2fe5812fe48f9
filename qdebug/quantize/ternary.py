"""Ternary and binary weights, each by the rule of its paper. Rows ``[R, C]``, one scale per group of a row."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.formats import Table
from qdebug.quantize.layout import groups
from qdebug.quantize.levels import LevelGrid, level_grid

_MOST = 1 << 18
"""Values treated at once, so that little memory is needed beside the result."""

PATTERN = 4
"""Consecutive weights of which 3:4 sparse ternary leaves exactly one at zero."""


def ternarize(x: Tensor, form: Table, size: int, run: int = 0) -> tuple[Tensor, LevelGrid]:
    """Weights as ``code · scale`` with codes −1, 0 and 1 (or −1 and 1).

    - ``twn``: codes are nonzero where |w| > 0.7 · mean |w|; the scale is the mean of |w| there (Li et al. 2016,
      equations 5 and 6).
    - ``absmean``: the scale is mean |w|; codes are ``clip(round(w / scale), −1, 1)`` (Ma et al. 2024, equations 1 to 3;
      their ε guards a division by zero that cannot occur here).
    - ``mean``: sign(w) · mean |w|, zero counting as positive (Rastegari et al. 2016, equation 6).
    - ``sparse``: of each four consecutive weights the smallest magnitude becomes zero (the first of equals) and the
      others ±1, zero counting as positive; the scale is the mean of the three (Huang et al. 2026), which is the least
      squared error for that pattern. The last one to three weights of a row or group whose length is no multiple
      of four are all nonzero.

    Sums are float64 and run over finite values alone. NaN stays NaN; ±Inf becomes ± the scale.

    Args:
        x: ``[R, C]``, a contiguous matrix.
        form: one of these formats.
        size: values per scale along a row.
        run: values of a row of the weight, where ``x`` is all its rows in one: no pattern of four spans two of them.

    Returns:
        The quantized matrix, float32, and its grid; an all-zero group has the scale 1 and, where there is a zero, stays
        0 (binary weights have none: there the scale is the smallest normal number, as good as zero).
    """
    rows, columns = x.shape
    count = groups(columns, size)
    out = torch.empty(rows, columns)
    scale = torch.ones(rows, count)
    height = max(1, _MOST // max(min(size, columns), 1))
    for top in range(0, rows, height):
        for g in range(count):
            parts = _parts(slice(top, top + height), g * size, min((g + 1) * size, columns), run or size)
            mean, own = _scales([x[part].float() for part in parts], form, run or size)
            for part in parts:
                out[part] = _codes(x[part].float(), form, mean, run or size) * own.unsqueeze(1) + 0.0
            scale[top : top + height, g] = own
    return out, level_grid(form, scale, size if count > 1 else 0)


def _parts(rows: slice, first: int, last: int, run: int) -> list[tuple[slice, slice]]:
    """A group in parts of bounded size, none of which cuts a run where four weights belong together."""
    width = _MOST // run * run if run <= _MOST else run
    starts = range(first, last, width) or (first,)  # an empty group is one empty part
    return [(rows, slice(start, min(start + width, last))) for start in starts]


def _scales(parts: list[Tensor], form: Table, run: int) -> tuple[Tensor, Tensor]:
    """The mean of |w| and the scale of a group, ``[R]`` float64 and float32, from its parts."""
    total, many = _sums([(w, torch.isfinite(w)) for w in parts])
    mean = total / many.clamp(min=1)
    if form.rule == "mean":
        return mean, mean.float().clamp(min=torch.finfo(torch.float32).tiny)
    if form.rule != "absmean":
        total, many = _sums([(w, _kept(w, form, mean, run) & torch.isfinite(w)) for w in parts])
    scale = (total / many.clamp(min=1)).float()
    return mean, torch.where(scale == 0, 1.0, scale.clamp(min=torch.finfo(torch.float32).tiny))


def _sums(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Sum and number of magnitudes where a mask says so, over all parts; ``[R]`` each."""
    sums = [torch.where(mask, w.abs(), 0.0).sum(1, dtype=torch.float64) for w, mask in parts]
    counts = [mask.sum(1) for _, mask in parts]
    return torch.stack(sums).sum(0), torch.stack(counts).sum(0)


def _kept(w: Tensor, form: Table, mean: Tensor, run: int) -> Tensor:
    """Where codes are not zero."""
    if form.rule == "sparse":
        return (_three_of_four(w.abs(), run) & (mean > 0).unsqueeze(1)) | torch.isinf(w)
    return w.abs() > 0.7 * mean.unsqueeze(1)  # compared in float64; ±Inf is kept


def _codes(w: Tensor, form: Table, mean: Tensor, run: int) -> Tensor:
    """Codes of a part; NaN where the weight is."""
    if form.rule == "absmean":
        scale = mean.float().unsqueeze(1)
        scale = torch.where(scale == 0, 1.0, scale.clamp(min=torch.finfo(torch.float32).tiny))
        return torch.round(w / scale).clamp(-1, 1)
    codes = torch.where(w < 0, -1.0, 1.0)
    if form.rule != "mean":
        codes = torch.where(_kept(w, form, mean, run), codes, 0.0)
    return torch.where(torch.isnan(w), w, codes)


def _three_of_four(size: Tensor, run: int) -> Tensor:
    """Where weights stay: all but the smallest of each four of a run."""
    if run < size.shape[1]:
        return _three_of_four(size.reshape(-1, run), run).view(size.shape)
    rows, columns = size.shape
    whole = columns // PATTERN * PATTERN
    keep = torch.ones(rows, columns, dtype=torch.bool)
    fours = torch.nan_to_num(size[:, :whole], nan=torch.inf).reshape(rows, whole // PATTERN, PATTERN)
    smallest = fours.argmin(2, keepdim=True)
    keep[:, :whole] = torch.ones_like(fours, dtype=torch.bool).scatter_(2, smallest, False).view(rows, whole)
    return keep
