"""What a problem must satisfy before it can be solved, and what to say where it does not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from qdebug.errors import NumericError, UsageError


def check_shapes(
    damage: np.ndarray,
    cost: np.ndarray,
    allowed: np.ndarray | None,
    base: np.ndarray | None,
    names: Sequence[str] | None,
) -> None:
    """Raise :class:`UsageError` unless the arrays speak of the same layers, plans and samples."""
    if damage.ndim != 3 or 0 in damage.shape:
        raise UsageError(
            "Damage must have three dimensions, layers × plans × samples, none empty",
            do="Give one row of projections for each plan of each layer.",
            shape=list(damage.shape),
        )
    layers, plans, samples = damage.shape
    expected = {"cost": (cost, (layers, plans)), "allowed": (allowed, (layers, plans)), "base": (base, (samples,))}
    for name, (array, shape) in expected.items():
        if array is not None and np.shape(array) != shape:
            raise UsageError(
                f"{name} must have one entry for each {'sample' if name == 'base' else 'layer and plan'} of the damage",
                do=f"Give it the shape {list(shape)}.",
                shape=list(np.shape(array)),
            )
    if names is not None and len(names) != layers:
        raise UsageError(f"There are {len(names)} names for {layers} layers", do="Give each layer one name.")


def check_numbers(
    cost: np.ndarray, allowed: np.ndarray, base: np.ndarray, fixed_cost: float, names: Sequence[str]
) -> None:
    """Raise :class:`NumericError` where a cost that may have to be paid, or the base, is not a finite number."""
    bad = np.argwhere(allowed & ~np.isfinite(cost))
    if len(bad):
        layer, plan = (int(i) for i in bad[0])
        raise NumericError(
            f"A plan that is allowed costs {cost[layer, plan]}",
            do="Give it a finite cost, or do not allow it.",
            layer=names[layer],
            plan=plan,
        )
    if not np.isfinite(base).all() or not math.isfinite(fixed_cost):
        raise NumericError(
            "The base error or the fixed cost is not a finite number",
            do="Leave out of the search what made it so, or look at what is quantized outside of it.",
        )


def merged(ties: Sequence[Sequence[int]], layers: int) -> tuple[tuple[int, ...], ...]:
    """Ties without overlap, each sorted, in order of their first layers; ties that share a layer become one.

    Raises:
        UsageError: a tie names a layer that is not there.
    """
    found: list[set[int]] = []
    for tie in ties:
        new = {int(k) for k in tie}
        wrong = [k for k in new if not 0 <= k < layers]
        if wrong:
            raise UsageError(f"A tie names layer {wrong[0]}", do=f"Layers are counted from 0 to {layers - 1}.")
        apart = [other for other in found if not other & new]
        found = [*apart, new.union(*(other for other in found if other & new))]
    return tuple(sorted(tuple(sorted(tie)) for tie in found if len(tie) > 1))
