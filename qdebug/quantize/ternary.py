"""Ternary and binary weights, each by the rule of its paper. Rows ``[R, C]``, one scale per group of a row."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.formats import Table
from qdebug.quantize.layout import groups
from qdebug.quantize.levels import LevelGrid, level_grid

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
    for g in range(count):
        part = slice(g * size, min((g + 1) * size, columns))
        codes, scale[:, g] = _rule(x[:, part].float(), form, run or size)
        out[:, part] = codes * scale[:, g : g + 1] + 0.0
    return out, level_grid(form, scale, size if count > 1 else 0)


def _rule(w: Tensor, form: Table, run: int) -> tuple[Tensor, Tensor]:
    """Codes and scale ``[R]`` of one group; NaN among the codes where there is one among the weights."""
    finite = torch.isfinite(w)
    size = torch.where(finite, w.abs(), 0.0)
    many = finite.sum(1).clamp(min=1)
    mean = size.double().sum(1) / many
    if form.rule == "absmean":
        scale = _positive(mean)
        codes = torch.round(w / scale.unsqueeze(1)).clamp(-1, 1)
        return codes, scale
    if form.rule == "mean":
        scale = mean.float().clamp(min=torch.finfo(torch.float32).tiny)
        codes = torch.where(w < 0, -1.0, 1.0)
        return torch.where(torch.isnan(w), w, codes), scale
    keep = size.double() > 0.7 * mean.unsqueeze(1) if form.rule == "twn" else _three_of_four(w.abs(), run)
    keep = keep | torch.isinf(w)
    signs = torch.where(w < 0, -1.0, 1.0)
    kept = (keep & finite).sum(1).clamp(min=1)
    scale = _positive(torch.where(keep, size, 0.0).double().sum(1) / kept)
    codes = torch.where(keep, signs, 0.0)
    empty = (size == 0).all(1, keepdim=True) & ~torch.isinf(w).any(1, keepdim=True)
    return torch.where(torch.isnan(w), w, torch.where(empty, 0.0, codes)), scale


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


def _positive(mean: Tensor) -> Tensor:
    scale = mean.float()
    return torch.where(scale == 0, 1.0, scale.clamp(min=torch.finfo(torch.float32).tiny))
