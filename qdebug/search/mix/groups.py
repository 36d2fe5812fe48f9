"""Tied layers as one row: what is open to it, what it costs, what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qdebug.errors import RecipeError

if TYPE_CHECKING:
    from qdebug.search.mix.problem import Problem


@dataclass(frozen=True, eq=False)
class Groups:
    """G rows that are decided alone, each one layer or several that are tied.

    Args:
        members: the layers of each row, rows in order of their first layers.
        row_of: int ``[L]``, the row of each layer.
        open: bool ``[G, P]``, what can be chosen; at least one in every row.
        cost: float64 ``[G, P]``, summed over the members.
        additive: float64 ``[G, P]``, the summed mean squares of the members' damage; 0 where not open.
        layer_additive: float64 ``[L, P]``, each layer's mean square: inf where it cannot be predicted, and 0 where it
            is counted as none for want of an alternative.
        counted: bool ``[L, P]``, false where damage is left out of every prediction.
        base_square: the mean square of the base.
    """

    members: tuple[tuple[int, ...], ...]
    row_of: np.ndarray
    open: np.ndarray
    cost: np.ndarray
    additive: np.ndarray
    layer_additive: np.ndarray
    counted: np.ndarray
    base_square: float

    @property
    def unpredicted(self) -> tuple[int, ...]:
        """Layers that must take a plan nothing is known of."""
        return tuple(int(k) for k in np.flatnonzero(~self.counted.all(1)))

    @property
    def open_cost(self) -> np.ndarray:
        """Float64 ``[G, P]``: the costs, inf where not open."""
        return np.where(self.open, self.cost, np.inf)

    def left_out(self, columns: np.ndarray) -> np.ndarray:
        """The layers whose damage does not count in a choice ``[L]``."""
        return np.flatnonzero(~self.counted[np.arange(len(columns)), columns])

    def columns(self, at: np.ndarray) -> tuple[int, ...]:
        """The plans of the layers ``[L]``, of those of the rows ``[G]``."""
        return tuple(at[self.row_of].tolist())


def group(problem: Problem) -> Groups:
    """Rows of a problem; see :class:`Problem` for what happens to plans that cannot be predicted.

    Raises:
        RecipeError: nothing is open to a row.
    """
    layers, plans, _ = problem.damage.shape
    free = sorted(set(range(layers)) - {k for tie in problem.ties for k in tie})
    members = tuple(sorted([*problem.ties, *((k,) for k in free)]))
    row_of = np.empty(layers, np.int64)
    for row, layers_of_row in enumerate(members):
        row_of[list(layers_of_row)] = row
    finite = np.isfinite(problem.damage).all(2)
    counted = np.ones((layers, plans), bool)
    is_open = np.zeros((len(members), plans), bool)
    cost = np.zeros((len(members), plans))
    for row, tied in enumerate(map(list, members)):
        allowed = problem.allowed[tied].all(0)
        if not allowed.any():
            raise _nothing_open([problem.names[k] for k in tied])
        cost[row] = np.where(allowed, problem.cost[tied].sum(0), 0.0)
        is_open[row] = allowed & finite[tied].all(0)
        if not is_open[row].any():
            only = int(np.where(allowed, cost[row], -np.inf).argmax())
            is_open[row, only] = True
            counted[tied, only] = finite[tied, only]
    layer_additive = np.where(counted, _mean_squares(problem.damage, finite), 0.0)
    additive = np.add.reduceat(layer_additive[np.concatenate(members)], _starts(members), axis=0)
    return Groups(
        members=members,
        row_of=row_of,
        open=is_open,
        cost=cost,
        additive=np.where(is_open, additive, 0.0),
        layer_additive=layer_additive,
        counted=counted,
        base_square=float(np.square(problem.base).mean()),
    )


def _mean_squares(damage: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """The mean of squares over samples ``[L, P]``, in float64; inf where a value is not finite."""
    squares = np.stack([np.square(layer, dtype=np.float64).mean(1) for layer in damage])
    return np.where(finite, squares, np.inf)


def _starts(members: tuple[tuple[int, ...], ...]) -> np.ndarray:
    return np.cumsum([0, *(len(tied) for tied in members[:-1])])


def _nothing_open(names: list[str]) -> RecipeError:
    if len(names) == 1:
        return RecipeError("No plan is allowed for a layer", do="Allow at least one, or pin it.", layer=names[0])
    return RecipeError(
        "Layers that are to take the same plan have none that all of them may take",
        do="Untie them, or allow one plan for all.",
        layers=", ".join(names),
    )
