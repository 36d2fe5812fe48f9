"""What an exact search minimizes, and what limits it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qdebug.search.mix.choice import Check
from qdebug.search.mix.local import improve
from qdebug.search.mix.problem import How, Problem

_TURNS = 20


@dataclass(frozen=True, eq=False)
class Goal:
    """Least damage within a budget, or (``seek_cost``) least cost within a limit of damage; the other is ``limit``."""

    problem: Problem
    how: How
    limit: float
    seek_cost: bool

    def value(self, at: np.ndarray) -> float:
        """What is minimized, of the rows' plans ``[G]``."""
        columns = self.problem.groups.columns(at)
        return self.problem.cost_of(columns) if self.seek_cost else self.problem.predict(columns, self.how)

    def met(self, at: np.ndarray) -> bool:
        """Whether the rows' plans ``[G]`` keep to the limit."""
        columns = self.problem.groups.columns(at)
        if self.seek_cost:
            return self.problem.predict(columns, self.how) <= self.limit
        return self.problem.fits(columns, self.limit)

    @property
    def room(self) -> float:
        """The limit on what is chosen: of costs, less the fixed cost and but for round-off."""
        return self.limit if self.seek_cost else self.limit - self.problem.fixed_cost + self.problem.round_off

    def improved(self, at: np.ndarray, check: Check) -> np.ndarray:
        """What small changes make of the rows' plans ``[G]`` that keep to the limit.

        Less damage at this cost and less cost at this damage are sought in turns, as long as what is minimized falls:
        what one gains is room for the other.
        """
        best, value = at, np.inf
        for _ in range(_TURNS):
            at = improve(self.problem, at, self.how, check=check, **self._limits(at, self.seek_cost))
            if not self.value(at) < value:
                return best
            best, value = at, self.value(at)
            at = improve(self.problem, at, self.how, check=check, **self._limits(at, not self.seek_cost))
        return best

    def _limits(self, at: np.ndarray, seek_cost: bool) -> dict[str, float]:
        """The limit that was given, or else what the rows' plans reach."""
        columns = self.problem.groups.columns(at)
        if seek_cost:
            return {"most_damage": self.limit if self.seek_cost else self.problem.predict(columns, self.how)}
        return {"budget": self.problem.cost_of(columns) if self.seek_cost else self.limit}
