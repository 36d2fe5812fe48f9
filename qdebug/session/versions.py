"""Two versions of a model, each under a recipe, on the same data."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from qdebug.engine import Work
from qdebug.errors import UsageError
from qdebug.measure import Predictions, versus, versus_groups
from qdebug.recipes import Recipe
from qdebug.results import ComparedSide, Comparison, Flips, LayerDifference, LayerReport, LayerSide
from qdebug.results.comparison import Direction
from qdebug.session.flips import find_flips, page, reference_of, unit_of
from qdebug.session.session import Session
from qdebug.session.subgroups import partitions

_SAME_DB = 0.05
"""Two SQNRs that are written alike, to a tenth of a decibel, are no difference."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Two versions compared.

    Attributes:
        comparison: B against A; its layers are those of both whose errors or formats differ.
        removed: layers that only A has.
        added: layers that only B has.
    """

    comparison: Comparison
    removed: tuple[str, ...]
    added: tuple[str, ...]


def compare_versions(a: Session, b: Session, recipes: tuple[Recipe, Recipe], work: Work | None = None) -> Versions:
    """B against A: what is right is the label or, without labels, what A says in float. Layers are matched by name.

    Args:
        a: the version from before.
        b: the version from now, with the same evaluation data.
        recipes: A's and B's.
        work: progress and cancel.

    Raises:
        UsageError: the two do not answer the same questions: other data, another task, or outputs of other sizes.
        RecipeError: a recipe does not fit its model.
    """
    began, work = time.perf_counter(), work or Work()
    _alike(a, b)
    base, one, two = _predictions(a, b, recipes, work)
    scores = [side.score(recipe, work) for side, recipe in zip((a, b), recipes, strict=True)]
    before, after = ({row.name: row for row in side.layers(recipe, work).rows}
                     for side, recipe in zip((a, b), recipes, strict=True))  # fmt: skip
    task = a.subject.meter.task
    parts, left_out = partitions(a.subject, base)
    both = [(before[name], row) for name, row in after.items() if name in before]
    layers = tuple(LayerDifference(name=two.name, op=two.op, a=_side(one), b=_side(two)) for one, two in both
                   if _differ(one, two))  # fmt: skip
    sides = [ComparedSide(name="", recipe=recipe.digest, metric=score.metric, size=score.size)
             for recipe, score in zip(recipes, scores, strict=True)]  # fmt: skip
    info = b.info()
    found = Comparison(
        model=info.name, digest=info.digest, a=sides[0], b=sides[1], difference=versus(base, one, two, task),
        reference=reference_of(base), unit=unit_of(base), layers=layers, alike=len(both) - len(layers), between=(),
        groups=versus_groups(base, one, two, task, parts), left_out=left_out, n=info.n_eval,
        seconds=time.perf_counter() - began,
    )  # fmt: skip
    removed = tuple(name for name in before if name not in after)
    return Versions(found, removed, tuple(name for name in after if name not in before))


def version_flips(
    a: Session, b: Session, recipes: tuple[Recipe, Recipe], direction: Direction | None = None, *, start: int = 0,
    most: int = 24, work: Work | None = None,
) -> Flips:  # fmt: skip
    """The answers that differ between two versions, the most decided first; arguments as for :func:`compare_versions`.

    Args:
        a: the version from before.
        b: the version from now, with the same evaluation data.
        recipes: A's and B's.
        direction: ``lost`` (right in A alone), ``gained`` (right in B alone), ``other``, or None for all.
        start: the place of the first, from 0.
        most: how many, at most 96.
        work: progress and cancel.

    Raises:
        UsageError: as :func:`compare_versions`; or there is no such direction or page.
        RecipeError: a recipe does not fit its model.
    """
    work = work or Work()
    _alike(a, b)
    base, one, two = _predictions(a, b, recipes, work)
    sheets = (side.preparer.sheet(recipe, work) for side, recipe in zip((a, b), recipes, strict=True))
    first, second = ((side.subject, sheet) for side, sheet in zip((a, b), sheets, strict=True))
    found = find_flips((first, second), (base, one, two), work)
    return page(a.subject, found, base, direction, start, most)


def _predictions(
    a: Session, b: Session, recipes: tuple[Recipe, Recipe], work: Work
) -> tuple[Predictions, Predictions, Predictions]:
    """Of A in float, of A and of B.

    Raises:
        UsageError: the outputs of the two have other sizes.
    """
    base = a.predictions(Recipe(), work)
    one, two = (side.predictions(recipe, work) for side, recipe in zip((a, b), recipes, strict=True))
    if base.values is not None and two.values is not None and base.values.shape != two.values.shape:
        raise UsageError("The outputs of the two models have other sizes", do="Compare versions of one model.")
    return base, one, two


def _alike(a: Session, b: Session) -> None:
    one, two = a.subject, b.subject
    first, second = one.data.labels, two.data.labels
    same = first is second or (first is not None and second is not None and torch.equal(first, second))
    if one.data.digest != two.data.digest or not same:
        raise UsageError("The two models are opened with other data", do="Give both the same with --data.")
    if one.task != two.task:
        raise UsageError(f"One model is a {one.task}, the other a {two.task}", do="Compare versions of one model.")
    if one.meter.identity != two.meter.identity:
        raise UsageError("The two models are judged by different metrics", do="Open both with the same metric.")


def _differ(a: LayerReport, b: LayerReport) -> bool:
    one, two = _side(a), _side(b)
    if (one.weight, one.activation, a.op) != (two.weight, two.activation, b.op):
        return True
    pairs = ((one.weight_sqnr_db, two.weight_sqnr_db), (one.activation_sqnr_db, two.activation_sqnr_db),
             (one.output_sqnr_db, two.output_sqnr_db))  # fmt: skip
    return any((x is None) != (y is None) or (x is not None and y is not None and abs(x - y) > _SAME_DB)
               for x, y in pairs)  # fmt: skip


def _side(row: LayerReport) -> LayerSide:
    weight, activation = row.weight, row.activation
    return LayerSide(
        weight=weight.format if weight else "fp32", activation=activation.format if activation else None, more=(),
        fixes=(), weight_sqnr_db=weight and weight.sqnr_db, activation_sqnr_db=activation and activation.sqnr_db,
        output_sqnr_db=row.output.sqnr_db,
    )  # fmt: skip
