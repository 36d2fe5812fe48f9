"""Everything that a report says, measured."""

from __future__ import annotations

import time
from typing import Literal

import msgspec

from qdebug.engine import Work
from qdebug.errors import QDebugError
from qdebug.figures.recipe_facts import recipe_facts
from qdebug.recipes import Recipe, as_recipe
from qdebug.recipes.fixes import written
from qdebug.report.origin import data_used, now, plain_recipe, versions
from qdebug.results import LayerDetail, Shares, Verified
from qdebug.results.report import Report, Step
from qdebug.search.diagnose import diagnose
from qdebug.session import Session

Runtime = Literal["onnxruntime", "openvino"]
WORST = 3
"""Layers that are shown one by one."""
_TELLING = 0.02
"""A layer with a smaller share of the damage is not."""


def gather(
    session: Session, recipe: Recipe | str, *, causes: bool = True, runtime: Runtime | None = "onnxruntime",
    work: Work | None = None,
) -> Report:  # fmt: skip
    """Measure everything that a report says of a model under a recipe.

    Args:
        session: the model with its data.
        recipe: the recipe, or a preset's name.
        causes: whether causes are looked for and fixes tried.
        runtime: what the exported file is held against; None for nothing.
        work: progress and cancel.

    Raises:
        RecipeError: the recipe does not fit the model.
    """
    start, work, recipe = time.perf_counter(), work or Work(), as_recipe(recipe)
    session.check(recipe)
    evaluation, shares = session.evaluate(recipe, work), session.shares(recipe, work)
    verified, unverified = _verified(session, recipe, runtime, work)
    return Report(
        made=now(),
        versions=versions(),
        model=session.info(),
        data=data_used(session, recipe),
        recipe=plain_recipe(session, recipe),
        recipe_words=recipe_facts(recipe),
        verdict=session.verdict(recipe, work),
        evaluation=evaluation,
        shares=shares,
        worst=_worst(session, recipe, shares, work),
        diagnosis=diagnose(session, recipe, work) if causes else None,
        mended=diagnose(session, _plain(recipe), work) if causes and recipe.fixes else None,
        steps=_steps(session, recipe, work),
        verified=verified,
        unverified=unverified,
        seconds=time.perf_counter() - start,
    )


def _plain(recipe: Recipe) -> Recipe:
    return msgspec.structs.replace(recipe, fixes=())


def _worst(session: Session, recipe: Recipe, shares: Shares, work: Work) -> tuple[LayerDetail, ...]:
    telling = sorted((row for row in shares.rows if row.share >= _TELLING), key=lambda row: -row.share)
    return tuple(session.detail(recipe, row.name, work) for row in telling[:WORST])


def _steps(session: Session, recipe: Recipe, work: Work) -> tuple[Step, ...]:
    """The recipe without fixes, then with one more each."""
    if not recipe.fixes:
        return ()
    steps = []
    for many in range(len(recipe.fixes) + 1):
        score = session.score(msgspec.structs.replace(recipe, fixes=recipe.fixes[:many]), work)
        last = recipe.fixes[many - 1] if many else None
        steps.append(
            Step(
                fix=written(last) if last else "", title=last.title if last else "no fix", metric=score.metric,
                size=score.size,
            )
        )  # fmt: skip
    return tuple(steps)


def _verified(session: Session, recipe: Recipe, runtime: Runtime | None, work: Work) -> tuple[Verified | None, str]:
    """The exported file in the runtime, or why it was not run."""
    if runtime is None:
        return None, "it was not asked for"
    from qdebug.verify import verify

    try:
        return verify(session, recipe, runtime=runtime, work=work), ""
    except QDebugError as error:  # a model that cannot be exported still has a report
        return None, " ".join(str(error).split())
