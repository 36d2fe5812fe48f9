"""What a mixed-precision search decides over: layers × plans, with what each does to the output and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from qdebug.search.mix import checks, gram
from qdebug.search.mix.groups import Groups, group

How = Literal["additive", "quadratic"]
"""Which prediction of a whole choice is meant; see :meth:`Problem.predict`."""

ROUND_OFF = 1e-12
"""Sums of the same costs in another order differ by less than this, relative to the costs' absolute sum."""


@dataclass(frozen=True, eq=False)
class Problem:
    """L layers, for each of which one of P plans is to be chosen.

    A plan whose projections are not all finite cannot be predicted: it counts as not allowed, unless nothing else is
    allowed for its layer (or the layers tied to it). Then the dearest of these plans is taken, as the most careful,
    its damage is left out of every prediction, and the layer is listed in :attr:`unpredicted`.

    Args:
        damage: float32 ``[L, P, N]``: the predicted projection of what plan p does to layer k, onto each of the N
            pairs of a sample and a random cotangent. Not written to.
        cost: ``[L, P]`` in any unit that adds up (bits, bytes, bit-operations, seconds, joules); finite where allowed.
        allowed: bool ``[L, P]``; floors and pins are said here. None: everything is.
        base: ``[N]``, the projection of what is quantized but not chosen here. None: zeros.
        fixed_cost: what is paid whatever is chosen.
        ties: groups of layers that take the same plan; groups that share a layer are one group.
        names: the layers' names, for messages. None: ``layer 0`` …

    Raises:
        UsageError: shapes do not fit, or a tie names a layer that is not there.
        RecipeError: a layer with nothing allowed, or tied layers with no plan that all of them may take.
        NumericError: a NaN or Inf among the costs of what is allowed, in ``base`` or in ``fixed_cost``.
    """

    damage: np.ndarray
    cost: np.ndarray
    allowed: np.ndarray | None = None
    base: np.ndarray | None = None
    fixed_cost: float = 0.0
    ties: Sequence[Sequence[int]] = ()
    names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        damage = np.ascontiguousarray(self.damage, np.float32)
        checks.check_shapes(damage, self.cost, self.allowed, self.base, self.names)
        layers, plans, samples = damage.shape
        arrays = {
            "damage": damage,
            "cost": np.asarray(self.cost, np.float64),
            "allowed": np.ones((layers, plans), bool) if self.allowed is None else np.asarray(self.allowed, bool),
            "base": np.zeros(samples) if self.base is None else np.asarray(self.base, np.float64),
        }
        for name, array in arrays.items():
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        names = tuple(f"layer {k}" for k in range(layers)) if self.names is None else tuple(self.names)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "fixed_cost", float(self.fixed_cost))
        object.__setattr__(self, "ties", checks.merged(self.ties, layers))
        checks.check_numbers(self.cost, self.allowed, self.base, self.fixed_cost, names)
        _ = self.groups  # so that what cannot be chosen is said now

    @cached_property
    def groups(self) -> Groups:
        """The same problem with tied layers as one row."""
        return group(self)

    @property
    def unpredicted(self) -> tuple[int, ...]:
        """Layers whose damage nothing is known of."""
        return self.groups.unpredicted

    @cached_property
    def gram(self) -> gram.Gram:
        """The quadratic prediction as a matrix over all (row, plan) pairs."""
        return gram.gram(self.damage, self.base, self.groups)

    @cached_property
    def least_cost(self) -> float:
        """What the cheapest allowed choice costs, fixed cost and all."""
        return self.fixed_cost + float(self.groups.open_cost.min(1).sum())

    @cached_property
    def round_off(self) -> float:
        """By how much a sum of costs may miss its true value."""
        largest = np.where(self.groups.open, np.abs(self.groups.cost), 0.0).max(1).sum()
        return ROUND_OFF * (abs(self.fixed_cost) + float(largest))

    def cost_of(self, columns: Sequence[int]) -> float:
        """What a choice (``[L]`` plan indices) costs, fixed cost and all."""
        return self.fixed_cost + float(self.cost[np.arange(len(self.cost)), np.asarray(columns)].sum())

    def fits(self, columns: Sequence[int], budget: float) -> bool:
        """Whether a choice costs no more than the budget, but for round-off of its sum."""
        return self.cost_of(columns) <= budget + self.round_off

    def predict(self, columns: Sequence[int], how: How) -> float:
        """The predicted squared output error per sample of a whole choice, in float64.

        Quadratic: ``mean_n (base[n] + Σ_k d[k, c_k, n])²``, which knows that errors of layers add up or cancel.
        Additive: ``mean_n base[n]² + Σ_k mean_n d[k, c_k, n]²``, which takes them for uncorrelated.

        Args:
            columns: ``[L]`` plan indices.
            how: which of the two.

        Returns:
            The prediction; inf where a plan was chosen that cannot be predicted (see the class).
        """
        at = np.asarray(columns)
        rows = np.arange(len(at))
        if how == "additive":
            return float(self.groups.base_square + self.groups.layer_additive[rows, at].sum())
        chosen = self.damage[rows, at]
        if len(self.unpredicted):
            chosen = np.delete(chosen, self.groups.left_out(at), axis=0)
        with np.errstate(invalid="ignore", over="ignore"):
            error = self.base + chosen.sum(0, dtype=np.float64)
            total = float(np.square(error).mean())
        return total if np.isfinite(total) else float("inf")
