"""From which number of calibration samples on a clip range no longer moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgspec

from qdebug.calibrate.ranges import choose_range
from qdebug.calibrate.stats import ActivationStats
from qdebug.recipes import TensorPlan
from qdebug.recipes.plan import ChosenRange
from qdebug.results import Convergence, RangeConvergence

METHODS: tuple[ChosenRange, ...] = get_args(ChosenRange)


def convergence(
    checkpoints: Sequence[tuple[int, ActivationStats]],
    plan: TensorPlan,
    methods: Sequence[ChosenRange] = METHODS,
    tolerance: float = 0.05,
    *,
    layer: str | None = None,
) -> Convergence:
    """The clip range each method would choose after each number of samples, and when it settles.

    Args:
        checkpoints: numbers of samples, rising, and what had been seen (:meth:`Observer.checkpoints`).
        plan: the activation's format; its range method and hand-set clip range are left aside.
        methods: the range methods.
        tolerance: share of the final range's width.
        layer: for the message.

    Raises:
        NumericError: no finite value was seen in all samples.
        ValueError: there is no checkpoint, or they are not in order.
    """
    samples = tuple(count for count, _ in checkpoints)
    if not samples or list(samples) != sorted(set(samples)):
        raise ValueError(f"checkpoints at {samples}")
    found = []
    for method in methods:
        chosen = msgspec.structs.replace(plan, range=method, clip=None)
        final = choose_range(checkpoints[-1][1], chosen, layer=layer)
        ranges = [choose_range(stats, chosen) if stats.finite else (0.0, 0.0) for _, stats in checkpoints[:-1]]
        ranges.append(final)
        slack, settled = tolerance * (final[1] - final[0]), samples[-1]
        for count, (low, high) in zip(reversed(samples), reversed(ranges), strict=True):
            if abs(low - final[0]) > slack or abs(high - final[1]) > slack:
                break
            settled = count
        low, high = zip(*ranges, strict=True)
        found.append(RangeConvergence(method=method, low=low, high=high, settled=settled))
    return Convergence(format=plan.label, samples=samples, tolerance=tolerance, methods=tuple(found))
