"""A choice on the move: what each change of one row would do, kept current at the price of a few additions."""

from __future__ import annotations

import numpy as np

from qdebug.search.mix.problem import How, Problem


class Walk:
    """A choice under way, row by row, with the change that every other plan of every row would make.

    Changes come from the Gram matrix, whose round-off grows with the largest damages; what is reported of a choice is
    predicted anew with :meth:`Problem.predict`.

    Args:
        problem: what is decided over.
        at: ``[G]``, the plan of each row to start from.
        how: which prediction.
    """

    def __init__(self, problem: Problem, at: np.ndarray, how: How) -> None:
        self.problem, self.how = problem, how
        self.at = np.array(at, np.int64)
        self._groups = problem.groups
        self._plans = self._groups.open.shape[1]
        self._rows = np.arange(len(self.at))
        if how == "quadratic":
            products, pull = problem.gram.products, problem.gram.pull
            self._diagonal = products.diagonal().reshape(self._groups.open.shape)
            self._field = products[:, self.chosen].sum(1) + pull

    @property
    def chosen(self) -> np.ndarray:
        """``[G]``, the indices of the chosen (row, plan) pairs."""
        return self._rows * self._plans + self.at

    @property
    def columns(self) -> tuple[int, ...]:
        """The plans of the layers ``[L]``."""
        return self._groups.columns(self.at)

    def damage_changes(self) -> np.ndarray:
        """Float64 ``[G, P]``: what each plan of each row would add to the prediction; inf where not open."""
        groups, at = self._groups, self.at[:, None]
        if self.how == "additive":
            change = groups.additive - np.take_along_axis(groups.additive, at, 1)
        else:
            products = self.problem.gram.products.reshape(*groups.open.shape, *groups.open.shape)
            field = self._field.reshape(groups.open.shape)
            own = products[self._rows, :, self._rows, self.at]
            change = 2 * (field - np.take_along_axis(field, at, 1))
            change += self._diagonal - 2 * own + np.take_along_axis(self._diagonal, at, 1)
        return np.where(groups.open, change, np.inf)

    def cost_changes(self) -> np.ndarray:
        """Float64 ``[G, P]``: what each plan of each row would add to the cost; inf where not open."""
        return self._groups.open_cost - np.take_along_axis(self._groups.cost, self.at[:, None], 1)

    def pair_changes(self, pairs: np.ndarray) -> np.ndarray:
        """What two changes at once add to the prediction beyond their sum, float64 ``[M, M]``; for pairs ``[M]``."""
        if self.how == "additive":
            return np.zeros((len(pairs), len(pairs)))
        products, row, chosen = self.problem.gram.products, pairs // self._plans, self.chosen
        to_chosen = products[np.ix_(pairs, chosen)][:, row]
        among = products[np.ix_(chosen, chosen)][np.ix_(row, row)]
        return 2 * (products[np.ix_(pairs, pairs)] - to_chosen - to_chosen.T + among)

    def move(self, row: int, plan: int) -> None:
        """Take another plan for one row."""
        if self.how == "quadratic":
            products, start = self.problem.gram.products, row * self._plans
            self._field += products[start + plan] - products[start + self.at[row]]
        self.at[row] = plan
