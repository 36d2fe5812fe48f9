"""Which tensors carry the loss: predicted for all at once, measured where it counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qdebug.errors import ModelError
from qdebug.search.diagnose.places import Bench, Place
from qdebug.search.predict.projections import Floats, mean_square
from qdebug.search.predict.projector import Projector

_FEW = 8
"""So few tensors are measured one by one without a prediction, which costs some four passes itself."""
_REST = 0.03
"""Measuring stops where what is left would not make more than this part of the damage."""
_MOST = 32
"""And where so many are measured."""
_STEADY = 64
"""With as many samples one direction for each is enough to rank by."""


@dataclass(frozen=True)
class Damaged:
    """A place with the squared change of the output that it makes alone, per sample; infinite where that is no number.

    Attributes:
        place: which.
        error: as measured; as predicted where it is not.
        share: its part of the sum over all places.
        is_measured: whether it was quantized alone.
    """

    place: Place
    error: float
    share: float
    is_measured: bool = True


def damage(bench: Bench, *, every: bool = False) -> list[Damaged]:
    """Every place with its isolated error and its share, most harmful first.

    Those that are predicted to do most are measured, until the others, by their predictions and by how much the
    measured ones exceed theirs, make up 3 % of the sum or 32 are measured. Places whose gradient is not known come
    first.

    Args:
        bench: the recipe.
        every: measure all of them.
    """
    places = bench.places()
    expected = None if every or len(places) <= _FEW else predicted(bench, places)
    if expected is None:
        return ranked(places, [_measured(bench, place, done, len(places)) for done, place in enumerate(places)])
    errors, known = list(expected), [False] * len(places)
    for done, at in enumerate(sorted(range(len(places)), key=lambda at: -expected[at])):
        if done == _MOST or (math.isfinite(expected[at]) and _is_enough(errors, expected, known)):
            break
        errors[at], known[at] = _measured(bench, places[at], done, min(len(places), _MOST)), True
    return ranked(places, errors, known)


def predicted(bench: Bench, places: Sequence[Place]) -> list[float] | None:
    """The isolated error of every place, from a few passes for all; infinite where there is no prediction.

    None where no gradient gets from the output to any of the layers.
    """
    count = sum(batch.count for batch in bench.batches)
    turns = 1 if count >= _STEADY else 2
    projector = Projector(bench.session, bench.recipe, (), (), turns=turns, own=True, work=bench.work)
    try:
        found = projector.project(projector.parts(count))
    except ModelError:
        return None

    def of(place: Place) -> Floats:
        if place.layer is None:
            between: Floats = found.between[found.points.index(place.step), 0]
            return between
        at = found.places[place.name]
        one: Floats = (found.weight if place.side == "weight" else found.activation)[at, 0]
        return one if found.reached[at] else np.full_like(one, np.inf)

    with np.errstate(over="ignore", invalid="ignore"):
        errors = [mean_square(of(place)) for place in places]
    return [error if math.isfinite(error) else math.inf for error in errors]


def ranked(places: Sequence[Place], errors: Sequence[float], known: Sequence[bool] = ()) -> list[Damaged]:
    """Places by their share. Where some errors are without bound, these share all of the damage."""
    lost = sum(math.isinf(error) for error in errors)
    total = sum(errors) or 1.0
    found = [
        Damaged(place, error, (1 / lost if math.isinf(error) else 0.0) if lost else error / total, measured)
        for place, error, measured in zip(places, errors, known or [True] * len(places), strict=True)
    ]
    return sorted(found, key=lambda one: -one.share)


def _measured(bench: Bench, place: Place, done: int, of: int) -> float:
    bench.work.step(done, of, f"quantizing the {place.side} of {place.name} alone")
    return bench.alone(place)


def _is_enough(errors: Sequence[float], expected: Sequence[float], known: Sequence[bool]) -> bool:
    """Whether what is not measured can hardly matter; all that is left has a finite prediction."""
    measured = [(error, guess) for error, guess, sure in zip(errors, expected, known, strict=True) if sure]
    if any(math.isinf(error) for error, _ in measured):
        return True
    finite = [pair for pair in measured if math.isfinite(pair[1])]
    exact, guessed = (sum(column) for column in zip(*finite, strict=True)) if finite else (0.0, 0.0)
    rest = sum(guess for guess, sure in zip(expected, known, strict=True) if not sure)
    rest *= max(1.0, exact / guessed) if guessed > 0 else 1.0
    return rest <= _REST * (sum(error for error, _ in measured) + rest)
