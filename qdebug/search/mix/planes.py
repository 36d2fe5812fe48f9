"""Planes under the prediction, what they rule out, and what is proven so far."""

from __future__ import annotations

import numpy as np

from qdebug.search.mix.choice import Check
from qdebug.search.mix.form import Cut, additive_form, quadratic_form, spread
from qdebug.search.mix.goal import Goal
from qdebug.search.mix.program import Row, minimize
from qdebug.search.mix.relax import fractions, lagrange
from qdebug.search.mix.remainder import best_of_all, how_many

_STRENGTHENINGS = 10
_STRENGTHENED = 0.95
"""A turn that leaves more than this share of the gap was idle; after two, no more are taken."""
_FLOOR = 0.2
"""What every row's share is worth at least, for the best fractions move to the rows that are left out."""
_PLANES = 12
"""How many of the strengthening's planes, the last and strongest, the integer programs see."""


class Planes:
    """The planes so far, the plans still kept, the best found and the bound.

    Args:
        goal: what is minimized and what limits it.
        best: ``[G]``, rows' plans that keep to the limit.
    """

    def __init__(self, goal: Goal, best: np.ndarray) -> None:
        self.goal, self.best, self.value = goal, best, goal.value(best)
        self.groups = goal.problem.groups
        self.kept = self.groups.open.copy()
        self.bound = goal.problem.least_cost if goal.seek_cost else 0.0
        self.cuts: list[Cut] = []
        self.refused: list[Row] = []
        self.form = additive_form(goal.problem)

    def closed(self, gap: float) -> bool:
        """Whether value and bound have met."""
        return self.value - self.bound <= gap * abs(self.value) or not self.kept.any(1).all()

    def strengthen(self, check: Check) -> None:
        """Begin with good planes; of many, the last and strongest stay."""
        self._strengthen(check)
        self.cuts = self.cuts[-_PLANES:]

    def _strengthen(self, check: Check) -> None:
        """Planes at the best fractions, and what they rule out; again while much is ruled out."""
        if self.goal.how == "additive":
            self._add(self.form.cut(np.zeros(self.kept.size)))
            return
        weights, idle = None, 0
        for turn in range(_STRENGTHENINGS):
            before = self.value - self.bound
            self.form = quadratic_form(self.goal.problem, self.kept, self.best, weights)
            points = fractions(self.form, self.groups.cost, self.kept, self._enough, check)
            for point in [*points, self._corner(self.best)]:
                self._add(self.form.cut(point))
                if self.closed(0.0):
                    return
            idle = idle + 1 if turn and self.value - self.bound > _STRENGTHENED * before else 0
            if idle == 2:
                return
            lifts = spread(self.goal.problem, points[-1])
            weights = lifts + _FLOOR if weights is None else weights + lifts

    def finish(self, few: int) -> bool:
        """Look at all choices that are left where they are few; whether they were."""
        if not 0 < how_many(self.kept, few) <= few:
            return not self.kept.any(1).all()
        at = best_of_all(self.goal, self.form, self.kept)
        if at is not None and self.goal.value(at) < self.value:
            self.best, self.value = at, self.goal.value(at)
        self.bound = self.value
        return True

    def round(self, nodes: int, seconds: float, check: Check) -> bool:
        """One integer program and what follows from it; false where nothing more can come."""
        goal, fixed = self.goal, self.goal.problem.fixed_cost
        damage = [Row(cut.slope, -cut.offset, above=True) for cut in self.cuts]
        if goal.seek_cost:
            rows = [Row(cut.slope, goal.limit - cut.offset) for cut in self.cuts]
            target, shift = self.groups.cost, fixed
        else:
            rows = [Row(self.groups.cost, goal.room)] if goal.limit < np.inf else []
            target, shift = None, 0.0
            if goal.how == "additive":
                target, shift = self.cuts[0].slope, self.cuts[0].offset
            else:
                rows += damage
        known = (self.bound - shift, self.value - shift)
        found = minimize(target, [*rows, *self.refused], self.kept, known, nodes=nodes, seconds=seconds)
        self.bound = max(self.bound, found.bound + shift)
        if found.at is None:
            return False
        new = self._try(found.at)
        if goal.met(found.at):
            better = goal.improved(found.at, check)
            new |= self._try(better)
        return new

    def _try(self, at: np.ndarray) -> bool:
        """Take a choice where it is better, and learn from it; false where nothing new was learned."""
        met = self.goal.met(at)
        if met and self.goal.value(at) < self.value:
            self.best, self.value = at.copy(), self.goal.value(at)
        corner = self._corner(at)
        known = max(cut.offset + float(cut.slope.ravel() @ corner) for cut in self.cuts)
        exact = self.goal.problem.predict(self.groups.columns(at), self.goal.how)
        new = self.goal.how == "quadratic" and exact - known > 1e-12 * abs(exact)
        if new:
            self._add(self.form.cut(corner))
        if not met and not (new and self.goal.seek_cost):
            # Within HiGHS's tolerance and yet beyond the limit: this very choice is ruled out.
            self.refused.append(Row(corner.reshape(self.kept.shape), len(at) - 1.0))
            new = True
        return new

    def _add(self, cut: Cut) -> None:
        """One more plane; what it rules out is not kept."""
        self.cuts.append(cut)
        goal, cost = self.goal, self.groups.cost
        fixed = goal.problem.fixed_cost
        if goal.seek_cost:
            bound, kept = lagrange(cost, cut.slope, goal.room - cut.offset, self.kept, self.value - fixed)
            self.bound = max(self.bound, bound + fixed)
        else:
            bound, kept = lagrange(cut.slope, cost, goal.room, self.kept, self.value - cut.offset)
            self.bound = max(self.bound, bound + cut.offset)
        self.kept = kept
        if not kept.any(1).all():
            self.bound = max(self.bound, self.value)  # nothing else can be as good

    def _corner(self, at: np.ndarray) -> np.ndarray:
        x = np.zeros(self.kept.shape)
        x[np.arange(len(at)), at] = 1
        return x.ravel()

    def _enough(self, x: np.ndarray) -> bool:
        """Whether a price was high enough: for the budget, or to use up the damage that may be."""
        if self.goal.seek_cost:
            return self.form.value(x) >= self.goal.limit
        return float(self.groups.cost.ravel() @ x) <= self.goal.room
