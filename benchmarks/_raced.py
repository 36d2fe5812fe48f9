"""Races of layers whose errors are known, on random parts of the data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from qdebug.search.sweep.race import TIE, Race, behind

Floats = NDArray[np.float64]


def races(layers: Sequence[tuple[Floats, Floats | None]], ends: Sequence[int], many: int) -> dict[str, float]:
    """How many of so many races are wrong, and what part of all measurements they use.

    Args:
        layers: each layer's errors ``[N]``, and what is predicted of them ``[sets, N]``; None for a race without.
        ends: samples seen after each part.
        many: races.
    """
    rng, wrong, used = np.random.default_rng(1), 0, 0.0
    for turn in range(many):
        order = rng.permutation(ends[-1])
        errors = {str(place): one[order] for place, (one, _) in enumerate(layers)}
        predicted = {
            str(place): one[turn % len(one)][order] for place, (_, one) in enumerate(layers) if one is not None
        }
        is_wrong, part = raced(errors, predicted, ends)
        wrong, used = wrong + is_wrong, used + part
    return {"wrong": wrong / many, "used": used / many}


def raced(errors: dict[str, Floats], predicted: dict[str, Floats], ends: Sequence[int]) -> tuple[bool, float]:
    """Whether a race claims what all data contradict, and the part of all measurements that it takes."""
    foretold = {layer: partial(predicted.__getitem__, layer) for layer in predicted}
    race = Race(ends[-1], len(ends) - 1, len(errors), predicted=foretold)
    part = dict.fromkeys(errors, 0)
    while True:
        seen = {layer: errors[layer][: ends[part[layer]]] for layer in part}
        claims = race.verdicts(seen)
        going = behind(claims, seen)
        if not going:
            break
        for layer in going:
            part[layer] += 1
    true = {layer: float(one.mean()) for layer, one in errors.items()}
    wrong = any(
        (verdict == "settled" and true[one] <= true[two])
        or (verdict == "tie" and abs(true[one] - true[two]) > TIE * max(true[one], true[two]))
        for one, two, verdict in claims
    )
    return wrong, float(np.mean([ends[one] for one in part.values()])) / ends[-1]
