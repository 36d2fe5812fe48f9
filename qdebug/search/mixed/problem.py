"""From a session and a wish to arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from qdebug.engine import Work
from qdebug.errors import QDebugError, RecipeError
from qdebug.graph.points import grid_source
from qdebug.recipes import FLOAT, LayerPlan, Recipe, TensorPlan
from qdebug.results import LayerInfo
from qdebug.search.mix import Problem
from qdebug.search.mixed.beside import beside
from qdebug.search.mixed.costs import allowed, costs
from qdebug.search.mixed.wish import Wish, plan_of, tied, wanted
from qdebug.search.predict.projections import Projections
from qdebug.search.predict.projector import Projector, turns_for
from qdebug.session import Session
from qdebug.session.check import check_layer


def projected(session: Session, wish: Wish, work: Work) -> Projections:
    """The projections of all layers in all of the wish's formats, and of what is between them, on all evaluation data.

    Raises:
        RecipeError: the platform refuses what is between layers.
    """
    between = wish.recipe.between
    reason = wish.platform.refuses_between(between) if wish.platform else None
    if reason:
        raise RecipeError(reason.rstrip("."), do="Leave them float, or name another platform.")
    plans = [plan for _, plan in wish.formats]
    weights = dict.fromkeys(plan.weight for plan in plans if not plan.weight.is_float32)
    inputs = dict.fromkeys(one for one in (*(plan.activation for plan in plans), between) if not one.is_float32)
    projector = Projector(
        session, wish.recipe, tuple(weights), tuple(inputs), turns=turns_for(len(session.subject.data)), work=work
    )
    return projector.project(projector.parts())


def problem(session: Session, wish: Wish, found: Projections, work: Work | None = None) -> Problem:
    """What the search decides over.

    Raises:
        RecipeError: constraints and platform leave a layer no format; the message says which.
    """
    info = session.info()
    may = np.array(wanted(wish, info.layers)) & allowed(info.layers, wish) & _possible(session, wish)
    for layer, row in zip(info.layers, may, strict=True):
        if not row.any():
            raise RecipeError(
                f"None of {', '.join(wish.names)} can be had"
                + (f" on {wish.platform.title}" if wish.platform else ""),
                layer=layer.name, do="Add a format that can, for instance w16a16 or w32a32.",
            )  # fmt: skip
    held = _held(session, found)
    damage = np.stack([_damage(found, layer, wish, layer.name in held) for layer in info.layers])
    table, fixed = costs(info, wish, beside(session, wish, may, work or Work()))
    may &= np.isfinite(table)
    for layer, row in zip(info.layers, may, strict=True):
        if not row.any():
            raise RecipeError(
                f"None of {', '.join(wish.names)} has a known cost", layer=layer.name,
                do=" ".join((*(wish.times.reasons if wish.times else ()), "Add one that has, such as w32a32.")),
            )  # fmt: skip
    return Problem(
        damage, np.where(may, table, 0.0), may, base=_between(found, wish), fixed_cost=fixed,
        ties=tied(wish, info.layers), names=[layer.name for layer in info.layers],
    )  # fmt: skip


def recipe_of(session: Session, wish: Wish, columns: Sequence[int]) -> Recipe:
    """The recipe of a choice: the most frequent format everywhere, the others by name."""
    layers = session.info().layers
    plans = [plan for _, plan in wish.formats]
    counted = [columns[place] for place, layer in enumerate(layers) if layer.kind != "embedding"] or [0]
    default = plans[max(set(counted), key=lambda column: (counted.count(column), -column))]
    base = replace(wish.recipe, default=default, layers=())
    chosen = {layer.name: plan_of(layer, plans[column]) for layer, column in zip(layers, columns, strict=True)}
    differing = {
        layer.name: chosen[layer.name]
        for layer in layers
        if chosen[layer.name] != base.plan_for(layer.name, layer.kind)
    }
    return replace(base, layers=tuple(sorted(differing.items())))


def _held(session: Session, found: Projections) -> frozenset[str]:
    """The layers whose input is on the grid of a quantized value between layers."""
    subject, points = session.subject, set(found.points)
    return frozenset(
        layer.name
        for layer in subject.layers
        if layer.kind != "embedding" and grid_source(subject.program, layer.x) in points
    )


def _damage(found: Projections, layer: LayerInfo, wish: Wish, held: bool) -> np.ndarray:
    """``[formats, directions · samples]``; NaN where nothing is known.

    Where the input is ``held`` in the plan of what is between layers, that quantizes it, and the layer adds nothing.
    """
    if not found.reached[found.places[layer.name]]:
        return np.full((len(wish.formats), found.weight.shape[2] * found.samples), np.nan, np.float32)

    def own(plan: LayerPlan) -> TensorPlan:
        there = held and plan.activation == wish.recipe.between
        return FLOAT if there or layer.kind == "embedding" else plan.activation

    return np.stack([found.of(layer.name, plan.weight, own(plan)).reshape(-1) for _, plan in wish.formats])


def _between(found: Projections, wish: Wish) -> np.ndarray | None:
    """``[directions · samples]`` of what is quantized between layers in every candidate; None where nothing is."""
    plan = wish.recipe.between
    if plan.is_float32 or not found.points:
        return None
    return found.between[:, found.activations.index(plan)].sum(0, dtype=np.float64).reshape(-1)


def _possible(session: Session, wish: Wish) -> np.ndarray:
    """Which formats each layer can have at all, ``[layers, formats]``."""

    def can(place: int, plan: LayerPlan) -> bool:
        try:
            info, layer = session.info().layers[place], session.subject.layers[place]
            check_layer(layer, plan_of(info, plan), wish.recipe, session.subject)
        except QDebugError:
            return False
        return True

    return np.array([[can(place, plan) for _, plan in wish.formats] for place in range(len(session.info().layers))])
