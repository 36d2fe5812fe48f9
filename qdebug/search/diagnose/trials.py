"""Trying a fix on the whole recipe, and choosing among those that were tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qdebug.errors import Cancelled, QDebugError
from qdebug.recipes import remedied
from qdebug.results import Metric, Remedy, Trial
from qdebug.search.diagnose.certainty import is_certain
from qdebug.search.diagnose.places import Bench

_WORTH = 0.05
"""The part of the loss that a fix wins back at least, to be one."""
_NEAR = 0.005
"""Fixes this near to the best are as good: the mildest of them is taken."""
_ENOUGH = 0.9
"""What a fix that moves ranges wins back of what leaving the tensors in float does, to be preferred."""


@dataclass(frozen=True)
class Start:
    """What fixes start from: the recipe's metric and error; None where the recipe cannot run."""

    metric: Metric | None
    error: float

    @property
    def loss(self) -> float:
        """What the metric lost; 0 where that is within what is harmless, or not known."""
        return 0.0 if self.metric is None or self.metric.harmless else lost(self.metric)


def lost(metric: Metric) -> float:
    """How much worse a metric is than the float model's, in its own unit; of perplexities the logarithm's."""
    if metric.name == "sqnr_db":
        return 0.0  # a ratio to the error itself
    if not metric.higher_is_better and metric.float_ > 0:
        quantized = metric.quantized
        return math.log(quantized / metric.float_) if math.isfinite(quantized) and quantized > 0 else math.inf
    change = metric.float_ - metric.quantized
    return change if metric.higher_is_better else -change


def tried(bench: Bench, start: Start, fix: Remedy) -> Trial:
    """The effect of a fix on the whole recipe. One that the model or its numbers do not allow recovers nothing."""
    bench.work.step(0, 0, f"trying {fix.method}")
    try:
        changed = remedied(bench.recipe, fix.method, fix.params)
        metric, error = bench.whole(changed)
        certain = start.metric is None or is_certain(bench, changed)
    except Cancelled:
        raise
    except QDebugError:
        return Trial(fix=fix, metric=None, recovered=0.0)
    return Trial(fix=fix, metric=metric.quantized, recovered=recovered(start, metric, error), certain=certain)


def recovered(start: Start, metric: Metric, error: float) -> float:
    """The part of the loss that is won back, at most 1.

    Of the metric's loss, where it lost something and the fix moves it; else of the squared output error. Where nothing
    ran before, 1 stands for a harmless metric and 0 for any other.
    """
    if not math.isfinite(metric.quantized) or math.isinf(error):
        return 0.0
    if start.metric is None or not math.isfinite(start.metric.quantized):
        return float(metric.harmless)
    if math.isinf(start.loss):
        return float(metric.harmless)
    won = 1 - lost(metric) / start.loss if start.loss > 0 else 0.0
    if won < 0 or won >= _WORTH:
        return min(1.0, won)
    if lost(metric) > lost(start.metric) + 1e-9 and not metric.harmless:
        return min(0.0, lost(start.metric) - lost(metric))
    if math.isinf(start.error):
        return 1.0
    return 1 - error / start.error if start.error > 0 else 0.0


def best(trials: Sequence[Trial], last: Trial | None = None) -> Trial | None:
    """The fix that helps most; of equals the first; the last resort only where the others are far from it.

    None where nothing helps: what does harm is never chosen, nor what may owe its gain to chance.
    """
    helping = [one for one in trials if _helps(one)]
    top = max((one.recovered for one in helping), default=0.0)
    chosen = next((one for one in helping if one.recovered >= top - _NEAR), None)
    if last is None or not _helps(last) or top >= _ENOUGH * last.recovered:
        return chosen
    return last


def is_enough(trials: Sequence[Trial]) -> bool:
    """Whether no last resort needs to be tried."""
    return any(_helps(one) and one.recovered >= _ENOUGH for one in trials)


def _helps(one: Trial) -> bool:
    return one.metric is not None and one.recovered >= _WORTH and one.certain
