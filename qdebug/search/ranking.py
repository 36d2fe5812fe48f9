"""Which layers do a recipe's damage: predicted from a few samples at once, then measured, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from qdebug.engine import Batch, Work
from qdebug.recipes import FLOAT, Recipe
from qdebug.results import Share, Shares
from qdebug.search.predict.predicted import error
from qdebug.search.predict.projector import Projector
from qdebug.session import Session

SAMPLES = 64
"""Samples that the prediction looks at; it ranks layers for as long as nothing better is known."""
MOST_PLANS = 8
"""Plans that a recipe may have for a prediction: each tensor's costs something in every layer."""


def shares(session: Session, recipe: Recipe, show: Callable[[Shares], None], work: Work) -> Shares:
    """Every layer's share, as :meth:`qdebug.session.Session.shares` measures it.

    Args:
        session: the model with its data.
        recipe: the recipe.
        show: gets all layers at once, predicted, and then each measured one in its place.
        work: progress and cancel.
    """
    work.step(0, 0, "predicting which layers do the damage")
    known: dict[str, Share] = {}
    for name, value in foretold(session, recipe, work).items():
        known[name] = Share(name=name, isolated=value, share=0.0, metric=None, predicted=True)
    order = sorted(known, key=lambda name: -known[name].isolated)
    if known:
        show(_shares(session, recipe, known))

    def measured(name: str, value: float, metric: float) -> None:
        known[name] = Share(name=name, isolated=value, share=0.0, metric=metric)
        if len(known) == len(session.subject.layers):
            show(_shares(session, recipe, known))

    return session.shares(recipe, work, order=order, show=measured)


def foretold(session: Session, recipe: Recipe, work: Work) -> dict[str, float]:
    """Each layer's predicted squared error per sample; nothing where the recipe has too many plans.

    A layer that no gradient gets to has 0.
    """
    layers = session.info().layers
    plans = {layer.name: recipe.plan_for(layer.name, layer.kind) for layer in layers}
    pairs = {
        layer.name: (plans[layer.name].weight, FLOAT if layer.kind == "embedding" else plans[layer.name].activation)
        for layer in layers
    }
    if len(set(pairs.values())) > MOST_PLANS:
        return {}
    weights = dict.fromkeys(weight for weight, _ in pairs.values() if not weight.is_float32)
    inputs = dict.fromkeys(activation for _, activation in pairs.values() if not activation.is_float32)
    if not weights and not inputs:
        return {}
    projector = Projector(session, Recipe(fixes=recipe.fixes), tuple(weights), tuple(inputs), turns=1, work=work)
    found = projector.project(_few(projector.parts()))
    errors = {name: float(error(found, found.of(name, *pair)).mean()) for name, pair in pairs.items()}
    return {name: value if value == value else 0.0 for name, value in errors.items()}


def _few(batches: tuple[Batch, ...]) -> tuple[Batch, ...]:
    """The first batches, until they have enough samples."""
    seen = 0
    for place, batch in enumerate(batches, 1):
        seen += batch.count
        if seen >= SAMPLES:
            return batches[:place]
    return batches


def _shares(session: Session, recipe: Recipe, known: Mapping[str, Share]) -> Shares:
    """What is known, in the order of the graph, with each layer's part of the sum."""
    ordered = [known[layer.name] for layer in session.subject.layers]
    total = sum(one.isolated for one in ordered if one.isolated == one.isolated) or 1.0
    rows = tuple(replace(one, share=one.isolated / total) for one in ordered)
    return Shares(recipe=recipe.digest, rows=rows, n=len(session.subject.data), seconds=0.0)
