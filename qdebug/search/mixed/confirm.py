"""Which points of a front are measured, and which of them is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from qdebug.results.mixture import MixturePoint
from qdebug.search.mixed.wish import Wish
from qdebug.search.mixed.worst import lost

Predict = Callable[[Sequence[int]], float]
Measure = Callable[[int], MixturePoint]
"""Measures the point at a place, remembers it, and returns it."""

_ROUND_OFF = 1e-9
_BELOW = 2
"""Cheaper points that are measured though a dearer one failed: the metric need not fall evenly."""


def loss(point: MixturePoint) -> float:
    """What the metric lost, overall or in the worst group where that is what is judged; see :func:`~.worst.lost`.

    inf where it was not measured.
    """
    if point.metric is None:
        return math.inf
    return lost(point.metric, point.worst or point.metric)


def fits(point: MixturePoint, wish: Wish) -> bool:
    """Whether a point is within the budget; all are where there is none."""
    return wish.budget is None or point.cost <= wish.budget * (1 + _ROUND_OFF)


def best(held: Sequence[MixturePoint], wish: Wish) -> int | None:
    """The place of the choice among what has been measured: the cheapest that keeps the metric, or the least error.

    None where there is neither budget nor largest drop, or nothing measured is good enough.
    """
    known = [place for place, point in enumerate(held) if point.confirmed is not None and fits(point, wish)]
    if wish.max_drop is not None:
        known = [place for place in known if loss(held[place]) <= wish.max_drop + _ROUND_OFF]
        return min(known, key=lambda place: (held[place].cost, _error(held[place])), default=None)
    if wish.budget is None:
        return None
    return min(known, key=lambda place: (_error(held[place]), held[place].cost), default=None)


def closest(held: Sequence[MixturePoint], predictors: Mapping[str, Predict]) -> str:
    """The predictor whose predictions were nearest to what was measured, by the mean distance of logarithms."""

    def distance(name: str) -> float:
        pairs = [(predictors[name](one.columns), one.confirmed) for one in held if one.confirmed]
        return sum(abs(math.log(two / one)) for one, two in pairs if one > 0 and math.isfinite(two))

    return min(predictors, key=distance)


def measure_some(
    held: Sequence[MixturePoint], wish: Wish, count: int, measure: Measure, rivals: Collection[int] = ()
) -> None:
    """Measure what the choice rests on; ``held`` is ordered by rising cost and changes as things are measured.

    Args:
        held: the points.
        wish: what is asked.
        count: how many to measure, about.
        measure: measures one.
        rivals: places of the best for the budget by every way of choosing: where predictions err, another of them may
            be better than the first, so that all are measured.
    """
    if count < 1:
        return
    within = [place for place, point in enumerate(held) if fits(point, wish)]
    uniform = [place for place in within if held[place].origin == "uniform"]
    searched = [place for place in within if held[place].origin == "search"]
    if wish.max_drop is not None:
        _bisect(held, wish, searched, measure)
        found = best(held, wish)
        cheaper = [place for place in uniform if found is None or held[place].cost < held[found].cost]
        for place in cheaper[-_BELOW:]:
            measure(place)
    elif wish.budget is not None:
        for places in (searched, uniform):
            first = sorted(places, key=lambda place: held[place].predicted)[: max(2, count // 2)]
            for place in dict.fromkeys((*first, *(one for one in rivals if one in places))):
                measure(place)
    else:
        spread = np.unique(np.linspace(0, len(searched) - 1, min(count, len(searched))).round().astype(int))
        for place in (*(searched[at] for at in spread), *uniform):
            measure(place)


def _bisect(held: Sequence[MixturePoint], wish: Wish, places: Sequence[int], measure: Measure) -> None:
    """Find the cheapest that keeps the metric, by halves, and look a little below it."""
    assert wish.max_drop is not None
    low, high = 0, len(places) - 1
    while low <= high:
        middle = (low + high) // 2
        if loss(measure(places[middle])) <= wish.max_drop + _ROUND_OFF:
            high = middle - 1
        else:
            low = middle + 1
    for place in places[max(0, low - _BELOW) : low]:
        if held[place].confirmed is None:
            measure(place)


def _error(point: MixturePoint) -> float:
    value = point.confirmed
    return math.inf if value is None or math.isnan(value) else value
