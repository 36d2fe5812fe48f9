"""Everything that a diff report says, measured."""

from __future__ import annotations

import time

from qdebug.engine import Work
from qdebug.figures.recipe_facts import recipe_facts
from qdebug.recipes import Recipe
from qdebug.report.origin import data_used, now, plain_recipe, versions
from qdebug.results.report import DiffReport, ReportSide
from qdebug.session import Session
from qdebug.session.versions import compare_versions, version_flips

FLIPS = 24
"""Changed answers that are shown one by one."""


def gather_recipes(
    session: Session, a: Recipe, b: Recipe, *, names: tuple[str, str] = ("A", "B"), work: Work | None = None
) -> DiffReport:
    """Hold a recipe against another of the same model.

    Args:
        session: the model with its data.
        a: what it is held against.
        b: the recipe at hand.
        names: what A and B are called.
        work: progress and cancel.

    Raises:
        RecipeError: one of them does not fit the model.
    """
    start, work = time.perf_counter(), work or Work()
    found = session.compare(a, b, work)
    flips = session.flips(a, b, most=FLIPS, work=work)
    sides = [_side(session, recipe, name, work) for recipe, name in zip((a, b), names, strict=True)]
    return DiffReport(
        made=now(), versions=versions(), kind="recipes", a=sides[0], b=sides[1], comparison=found, flips=flips,
        seconds=time.perf_counter() - start,
    )  # fmt: skip


def gather_models(
    before: Session, after: Session, recipes: tuple[Recipe, Recipe], *, names: tuple[str, str] = ("A", "B"),
    work: Work | None = None,
) -> DiffReport:  # fmt: skip
    """Hold a version of a model against another, layers matched by name.

    Args:
        before: A.
        after: B, with the same evaluation data.
        recipes: A's and B's.
        names: what A and B are called.
        work: progress and cancel.

    Raises:
        UsageError: the two do not answer the same questions.
        RecipeError: a recipe does not fit its model.
    """
    start, work = time.perf_counter(), work or Work()
    found = compare_versions(before, after, recipes, work)
    flips = version_flips(before, after, recipes, most=FLIPS, work=work)
    sides = [_side(*one, work) for one in zip((before, after), recipes, names, strict=True)]
    return DiffReport(
        made=now(), versions=versions(), kind="models", a=sides[0], b=sides[1], comparison=found.comparison,
        flips=flips, removed=found.removed, added=found.added, seconds=time.perf_counter() - start,
    )  # fmt: skip


def _side(session: Session, recipe: Recipe, name: str, work: Work) -> ReportSide:
    return ReportSide(
        name=name, model=session.info(), data=data_used(session, recipe), recipe=plain_recipe(session, recipe),
        recipe_words=recipe_facts(recipe), shares=session.shares(recipe, work),
    )  # fmt: skip
