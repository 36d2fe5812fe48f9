"""What was measured in a search, taught to the predictions of what was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from qdebug.engine import Work
from qdebug.recipes import Recipe
from qdebug.results.mixture import MixturePoint
from qdebug.search.mix import Correction, Evidence, corrected, with_changes
from qdebug.search.mixed.swept import Alone
from qdebug.session import Session

FEWEST = 3
"""Measured mixtures from which on predictions of others are set right."""
RUINED = 0.5
"""An error above this part of the output's own square is none that predictions are about, and teaches nothing."""


def most_error(session: Session, work: Work) -> float:
    """The error per sample from which on a recipe counts as ruined."""
    square = 0.0
    for batch in session.subject.eval_batches:
        square += float(session.output(Recipe(), batch).double().square().sum())
        work.check()
    return RUINED * square / len(session.subject.data)


def learnt(
    known: Evidence, held: Sequence[MixturePoint], most: float, alone: Mapping[tuple[int, int], Alone] | None = None
) -> Correction | None:
    """What was measured and is not ruined says about the other points; None where too few points were.

    Args:
        known: the predictions.
        held: the points.
        most: the error from which on a recipe is ruined.
        alone: what was measured of single layers, by row and plan.
    """
    measured = {one.columns: one.confirmed for one in held if one.confirmed is not None and one.confirmed < most}
    if len(measured) < FEWEST:
        return None
    sound = {place: one for place, one in (alone or {}).items() if one.error < most}
    together = with_changes(known, {place: one.change for place, one in sound.items()})
    found = corrected(together, measured, {place: one.error for place, one in sound.items()})
    return found if found is not None and found.measured >= FEWEST else None


def with_expected(point: MixturePoint, correction: Correction) -> MixturePoint:
    """A point that was not measured, with the error it is expected to have."""
    if point.confirmed is not None:
        return point
    found = correction.expected(point.columns)
    return replace(point, expected=found.value, expected_ci95=(found.low, found.high))
