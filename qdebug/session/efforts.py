"""What the parts of fixes take, beside the iterations of a descent: rough counts of products, values and calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qdebug.recipes import Awq, Qat, SmoothQuant
from qdebug.session.descents import PER_CALL, PER_VALUE, Shape

BACKWARD = 5.0
"""Forward and backward through a network over forward alone."""
PER_STEP = 0.002
"""Seconds for a step of a training of the whole model, whatever it is."""
PER_LAYER = 5e-4
"""Seconds for a layer of a step of a training: its rounding, its steps' gradients, the optimizer."""
LOOKS = 20
"""Times a training looks at held-out samples."""
PER_GROUP = 5e-4
"""Seconds for a matrix that is rounded by itself: the calls, whatever its size."""
PER_COLUMN = 1e-5
"""Seconds for a column that is rounded by itself, whatever its length."""
DOUBLE = 4.0
"""A product in float64, or a factorization, over one in float32, per multiply-add."""
PER_TRIED = 1.5e-8
"""Seconds to scale a value of an activation, to find its range and to round it."""
PER_LAYER_TABLE = 2e-2
"""Seconds to measure a layer for the table, whatever its size."""
VECTORS = 2**12
"""Vectors of a place that a search for factors tries them on, about."""


@dataclass(frozen=True)
class Passes:
    """Passes through the model.

    Attributes:
        forward: seconds of a float pass over the calibration data.
        quantized: of one with the recipe's formats.
        samples: of the calibration data.
        first: samples of its first batch.
        evaluated: samples of the evaluation data.
        layers: of the model.
    """

    forward: float
    quantized: float
    samples: int
    first: int
    evaluated: int
    layers: int


def evaluation(passes: Passes) -> float:
    """Seconds for the score on the evaluation data and for the table of layers."""
    table = PER_LAYER_TABLE * passes.layers + passes.quantized
    return table + passes.quantized * passes.evaluated / max(1, passes.samples)


def training(fix: Qat, passes: Passes, samples: int) -> float:
    """Seconds of a training: its steps, and its looks at held-out samples and at the error.

    Args:
        fix: the training.
        passes: through the model.
        samples: to train on.
    """
    each = passes.quantized / max(1, passes.samples)
    steps = fix.stop or fix.iterations
    step = PER_STEP + PER_LAYER * passes.layers + BACKWARD * each * min(fix.batch, samples)
    held_out = min(512, fix.held_out * samples)
    look = each * held_out + (passes.forward + passes.quantized) * passes.first / max(1, passes.samples)
    floats = passes.forward / max(1, passes.samples) * min(samples, steps * fix.batch)
    return steps * step + LOOKS * look + floats


def moments(shape: Shape, samples: int, product: float) -> float:
    """Seconds of a layer's rows times themselves, on all calibration data, and to unfold them."""
    seen = samples * shape.positions * shape.groups
    return seen * shape.columns**2 * product + 4 * seen * shape.columns * PER_VALUE


def columns(shape: Shape, product: float) -> float:
    """Seconds of a factor and of the columns one by one, for each group of a layer."""
    work = DOUBLE * shape.groups * shape.columns**3 / 3 + shape.rows * shape.columns**2
    return work * product + shape.groups * (PER_GROUP + PER_COLUMN * shape.columns)


def iteration(shape: Shape, samples: int, product: float) -> float:
    """Seconds of an iteration of a method that learns something else than codes: on the weight alone."""
    weights = shape.rows * shape.columns
    return weights * shape.columns * product + 40 * weights * PER_VALUE + 50 * PER_CALL


def scaling(fix: Awq, shapes: Sequence[Shape], samples: int, product: float) -> float:
    """Seconds of AWQ's search at a place, whose layers have these shapes: the moments of what they read, then trials.

    A trial rounds the weights and weighs what changed, in float64, with the moments.
    """
    found = moments(shapes[0], samples, product)
    for shape in shapes:
        weights = shape.rows * shape.columns
        each = DOUBLE / 2 * weights * shape.columns * product + 30 * weights * PER_VALUE + 40 * PER_CALL
        found += fix.steps * each
    return found


def smoothing(fix: SmoothQuant, shapes: Sequence[Shape], samples: int, product: float) -> float:
    """Seconds of SmoothQuant's search at a place, whose layers have these shapes; none where α is given.

    A trial rounds what they read, on some vectors, and the weights, and multiplies them.
    """
    if not fix.search:
        return 0.0
    seen = min(samples * shapes[0].positions, VECTORS + shapes[0].positions)
    found = seen * shapes[0].columns * PER_TRIED
    for shape in shapes:
        weights = shape.rows * shape.columns
        found += 2 * seen * weights * product + (20 * weights + 4 * seen * shape.rows) * PER_VALUE + 40 * PER_CALL
    return (fix.steps + 2) * found
