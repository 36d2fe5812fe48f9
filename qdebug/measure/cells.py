"""A matrix in at most so many cells: each a block's value of largest magnitude, or its mean."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.results.closeup import Cells, CellValue

MOST_ROWS, MOST_COLUMNS = 128, 192
_LARGEST = 32767


def block_of(rows: int, columns: int) -> tuple[int, int]:
    """Height and width of the smallest blocks that leave no more than 128 × 192 cells."""
    return max(1, -(-rows // MOST_ROWS)), max(1, -(-columns // MOST_COLUMNS))


def reduced(x: Tensor, block: tuple[int, int], cell: CellValue) -> NDArray[np.float32]:
    """Each block of a matrix as one number.

    Args:
        x: ``[R, C]``; NaN and Inf count as 0.
        block: height and width of a block; those at the lower and right end may be smaller.
        cell: ``largest`` takes the value of largest magnitude with its sign (of two the positive one), ``mean`` the
            mean.

    Returns:
        ``[⌈R / height⌉, ⌈C / width⌉]``.
    """
    height, width = block
    columns = x.shape[1]
    across = -(-columns // width)
    lengths = torch.full((across,), float(width))
    lengths[-1] = columns - (across - 1) * width
    lines = []
    for strip in x.split(height):
        part = strip.detach().float().nan_to_num(0.0, 0.0, 0.0)
        part = torch.nn.functional.pad(part, (0, across * width - columns)).view(len(strip), across, width)
        if cell == "mean":
            lines.append(part.sum((0, 2), dtype=torch.float64) / (lengths * len(strip)))
        else:
            high, low = part.amax((0, 2)), part.amin((0, 2))
            lines.append(torch.where(high >= -low, high, low))
    return torch.stack(lines).float().cpu().numpy()


def packed(values: NDArray[np.float32]) -> Cells:
    """A matrix of finite numbers as 16-bit codes of its largest magnitude."""
    largest = float(np.abs(values).max()) if values.size else 0.0
    unit = largest / _LARGEST
    codes = np.rint(values.astype(np.float64) / unit) if unit else np.zeros(values.shape)
    return Cells(rows=values.shape[0], columns=values.shape[1], unit=unit, codes=codes.astype("<i2").tobytes())


def packed_counts(counts: NDArray[np.int64]) -> Cells:
    """A matrix of counts below 2³¹."""
    rows, columns = counts.shape
    return Cells(rows=rows, columns=columns, unit=1.0, codes=counts.astype("<i4").tobytes(), counts=True)


def squared_by_line(x: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sums of squares of each row and of each column of a matrix; NaN and Inf count as 0."""
    rows, columns = [], torch.zeros(x.shape[1], dtype=torch.float64)
    for strip in x.split(max(1, (1 << 20) // max(x.shape[1], 1))):
        square = strip.detach().double().nan_to_num(0.0, 0.0, 0.0).square()
        rows.append(square.sum(1))
        columns += square.sum(0)
    return torch.cat(rows).numpy(), columns.numpy()


def fewest_for(parts: NDArray[np.float64], fraction: float = 0.5) -> int:
    """How few of these parts make at least that fraction of their sum; 0 where the sum is 0."""
    total = parts.sum()
    if not total:
        return 0
    ordered = np.sort(parts)[::-1].cumsum()
    return int(np.searchsorted(ordered, fraction * total * (1 - 1e-12)) + 1)


def worst_of(parts: NDArray[np.float64]) -> tuple[int, float]:
    """The place of the largest part and its share of the sum."""
    total = parts.sum()
    place = int(parts.argmax())
    return place, float(parts[place] / total) if total else 0.0
