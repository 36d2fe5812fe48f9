"""What an iteration of the methods that learn how to round takes for a layer, from its shape."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from qdebug.recipes import AdaQuant, AdaRound, Brecq
from qdebug.recipes.fixes import BaseFix

PER_VALUE = 3e-10
"""Seconds to read a value that is in a processor's cache, change it and write it."""
PER_CALL = 6e-6
"""Seconds that calling an operator takes, however small its tensors."""
_ROWS = 256
"""Rows per step of AdaQuant's descent for the step of an input."""
_SIZE = 256


@dataclass(frozen=True)
class Shape:
    """A layer as a matrix product.

    Attributes:
        rows: of its weight: output channels.
        columns: inputs that each of them reads.
        groups: of a convolution.
        positions: products with a row for one sample.
        clamped: whether a ReLU follows.
    """

    rows: int
    columns: int
    groups: int
    positions: int
    clamped: bool


def seconds(fix: BaseFix, shape: Shape, samples: int, product: float) -> float | None:
    """Seconds of an iteration for a layer; None where the fix is of another kind.

    Counted are multiply-adds, values that are read and written one by one, and calls. AdaRound's and AdaQuant's
    objective is one product of the weight with a Gram matrix; behind a ReLU it is forward and backward on a batch of
    rows, each row's inputs read once for each group. Where AdaQuant learns the step of an input, that is forward and
    backward on a batch of rows beside. BRECQ's is forward and backward, of which the latter is two
    products, on a batch of samples.

    Args:
        fix: the fix.
        shape: the layer's.
        samples: of the calibration data.
        product: seconds of a multiply-add.
    """
    weights = shape.rows * shape.columns
    match fix:
        case AdaRound(through_activation=True, batch=batch) if shape.clamped:
            seen = min(batch, shape.positions * samples)
            values = 4 * seen * shape.rows + 2 * seen * shape.columns * shape.groups + 25 * weights
            return 2 * seen * weights * product + values * PER_VALUE + (35 + 2 * _small(shape)) * PER_CALL
        case AdaRound():
            return weights * shape.columns * product + 20 * weights * PER_VALUE + (20 + _small(shape)) * PER_CALL
        case AdaQuant():
            whole = weights * shape.columns * product + 40 * weights * PER_VALUE + (50 + _small(shape)) * PER_CALL
            if not fix.steps:
                return whole
            seen = min(_ROWS, shape.positions * samples)
            values = seen * (20 * shape.columns * shape.groups + 8 * shape.rows) + 40 * weights
            return whole + 3 * seen * weights * product + values * PER_VALUE + 100 * PER_CALL
        case Brecq(batch=batch):
            seen = min(batch, samples) * shape.positions
            values = 10 * seen * (shape.rows + shape.columns * shape.groups) + 25 * weights
            return 3 * seen * weights * product + values * PER_VALUE + 140 * PER_CALL
        case _:
            return None


def _small(shape: Shape) -> int:
    """Small products that are made one by one: of the groups of a convolution, where there are several."""
    return shape.groups if shape.groups > 1 else 0


def product_seconds() -> float:
    """Seconds of one multiply-add in a product of matrices, on one thread as these methods compute."""
    one = torch.ones(_SIZE, _SIZE)
    taken = []
    for _ in range(4):
        start = time.perf_counter()
        torch.mm(one, one)
        taken.append(time.perf_counter() - start)
    return min(taken) / _SIZE**3
