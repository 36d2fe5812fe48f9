"""What a search returns, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qdebug.search.mix.problem import How, Problem

Check = Callable[[], None]
"""Called often; raises to stop the search, as ``Work.check`` does."""


def no_check() -> None:
    """Nobody will ask for a stop."""


@dataclass(frozen=True)
class Choice:
    """A plan for every layer, with what is predicted of it.

    Args:
        columns: the plan of each layer ``[L]``.
        cost: in the problem's unit, fixed cost and all.
        additive, quadratic: squared output error per sample, by both predictions.
        bound: what no choice can be below, in what was minimized: predicted damage (:func:`solve`) or cost
            (:func:`cheapest`). None where nothing was proven.
        gap: how far what was minimized lies above the bound, relative to itself; 0 means proven best. None as above.
    """

    columns: tuple[int, ...]
    cost: float
    additive: float
    quadratic: float
    bound: float | None = None
    gap: float | None = None

    def damage(self, how: How) -> float:
        """The predicted squared output error per sample, by one of the predictions."""
        return self.additive if how == "additive" else self.quadratic


@dataclass(frozen=True)
class Limits:
    """When an exact search gives up proving, and returns the best found with the gap that is left.

    ``rounds`` and ``nodes`` stop it at the same place every time; ``seconds`` does not, and is there for the patience
    of people: where it strikes first, two runs may differ.

    Args:
        rounds: integer programs solved for the quadratic prediction, each with the planes of those before. The
            additive one needs no planes: one program, and a few more where HiGHS ends a little beyond the limit.
        nodes: branch-and-bound nodes of one integer program.
        patience: rounds in a row that close less than a hundredth of the gap.
        few: where no more choices than this are left, all of them are looked at instead.
        seconds: of wall clock, for everything.
        gap: relative gap at which value and bound count as met.
    """

    rounds: int = 40
    nodes: int = 300
    patience: int = 2
    few: int = 20_000
    seconds: float = 60.0
    gap: float = 1e-6


def describe(problem: Problem, columns: Sequence[int]) -> Choice:
    """A choice with its cost and both predictions, nothing proven."""
    columns = tuple(int(p) for p in columns)
    return Choice(
        columns=columns,
        cost=problem.cost_of(columns),
        additive=problem.predict(columns, "additive"),
        quadratic=problem.predict(columns, "quadratic"),
    )
