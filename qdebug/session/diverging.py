"""A recipe's distributions against the float model's."""

from __future__ import annotations

from qdebug.engine import Work
from qdebug.measure.divergence import summed_up, token_divergences
from qdebug.recipes import Recipe
from qdebug.results.divergence import Divergence
from qdebug.session.prepare import Preparer
from qdebug.session.subject import Subject


def divergence(subject: Subject, preparer: Preparer, recipe: Recipe, work: Work) -> Divergence | None:
    """Of a language model with labels; None of anything else, and where no token is a target."""
    if subject.task != "language-model":
        return None
    plain, sheet, parts = preparer.float_sheet, preparer.sheet(recipe, work), []
    batches = subject.eval_batches
    for done, (batch, labels) in enumerate(subject.labelled(batches)):
        work.step(done, len(batches), "comparing distributions")
        before, after = (batch.real_rows(subject.engine.output(one, batch, work)) for one in (plain, sheet))
        assert labels is not None
        parts.append(token_divergences(before, after, labels))
    return summed_up(parts) if any(len(each) for each, _, _ in parts) else None
