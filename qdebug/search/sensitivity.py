"""Which layer hurts in which format: predicted for all at once, measured one by one, most harmful first."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from qdebug.engine import Batch, Work
from qdebug.errors import QDebugError
from qdebug.measure.intervals import mean
from qdebug.recipes import LayerPlan, Recipe, parse_format, set_layers
from qdebug.results import Sensitivity, SensitivityRow
from qdebug.results.sensitivity import Measure, Mode
from qdebug.search.predict.predicted import rows as predicted_rows
from qdebug.search.predict.projector import Projector, turns_for
from qdebug.session import Session
from qdebug.session.check import check_layer

Show = Callable[[Sensitivity], None]
"""Gets what is known so far."""

FACTOR = 2.0
"""A prediction that is off by more than this factor, and more than chance allows, is outside the linear regime."""


@dataclass(frozen=True)
class Question:
    """What is asked about a session's layers.

    Attributes:
        formats: name and plan of each.
        recipe: what comes before: its fixes.
        measure: what the errors are.
    """

    formats: tuple[tuple[str, LayerPlan], ...]
    recipe: Recipe
    measure: Measure = "squared"

    @staticmethod
    def of(formats: Sequence[str], recipe: Recipe | None = None, measure: Measure = "squared") -> Question:
        """From formats as they are typed: ``w8a8``, ``nf4`` (weights alone), ``nf4/int8-tok``.

        Raises:
            RecipeError: one is no format.
        """
        return Question(tuple((name, parse_format(name)) for name in formats), recipe or Recipe(), measure)


def sensitivity(
    session: Session, question: Question, mode: Mode = "predict", *, show: Show | None = None, work: Work | None = None
) -> Sensitivity:
    """Every layer in every format, everything else float.

    Args:
        session: the model with its data.
        question: formats and measure.
        mode: ``predict``, or ``exact`` to measure all of it too.
        show: gets what is known, after each batch and each layer.
        work: progress and cancel.

    Raises:
        ModelError: no gradient gets from the output to any layer, and nothing is measured.
        RecipeError: the fixes do not fit the model.
    """
    start, work = time.perf_counter(), work or Work()
    forward = forward_seconds(session, work)
    found = _empty(session, question, mode, forward)

    def shown(rows: Sequence[SensitivityRow], n: int) -> Sensitivity:
        now = replace(found, rows=tuple(rows), n=n, seconds=time.perf_counter() - start)
        if show is not None:
            show(now)
        return now

    for rows, n, unreached in _predicted(session, question, work):
        found = replace(shown(rows, n), unreached=unreached)
    if mode == "exact":
        known = list(found.rows)
        order = sorted(range(len(known)), key=lambda place: -(known[place].predicted or 0.0))
        for done, place in enumerate(order):
            work.step(done, len(order), f"quantizing {known[place].layer} alone")
            known[place] = measured(session, question, known[place], session.subject.eval_batches, work)
            found = shown(known, len(session.subject.data))
    return found


def forward_seconds(session: Session, work: Work) -> float:
    """How long one float pass over the evaluation data takes, with nothing remembered before or after."""
    subject = session.subject
    start = time.perf_counter()
    for batch in subject.eval_batches:
        output = (subject.program.output,)
        unknown = dataclasses.replace(batch, key=b"timed " + batch.key)  # what is remembered already would cost nothing
        subject.engine.visit(session.preparer.float_sheet, unknown, output, lambda *_: None, work, remember=False)
    return time.perf_counter() - start


def alone(question: Question, layer: str, plan: LayerPlan) -> Recipe:
    """The recipe that quantizes one layer only."""
    return set_layers(replace(question.recipe, default=LayerPlan(), layers=(), bias="fp32"), {layer: plan})


def measured(
    session: Session, question: Question, row: SensitivityRow, batches: Sequence[Batch], work: Work
) -> SensitivityRow:
    """A row with its measured error, on some batches."""
    if row.refused:
        return row
    start, plan = time.perf_counter(), dict(question.formats)[row.format]
    recipe = alone(question, row.layer, plan)
    errors = session.errors(recipe, batches, work)
    found = replace(
        row, exact=float(errors.mean()), exact_ci95=mean(errors, len(session.subject.data)),
        metric=session.metric(recipe, batches, work).quantized, seconds=time.perf_counter() - start,
    )  # fmt: skip
    return replace(found, linear=is_linear(found))


def is_linear(row: SensitivityRow) -> bool | None:
    """Whether prediction and measurement are within a factor, or as near as chance allows."""
    if row.predicted is None or row.exact is None or row.predicted_ci95 is None:
        return None
    low, high = row.predicted_ci95
    return low / FACTOR <= row.exact <= high * FACTOR


def _empty(session: Session, question: Question, mode: Mode, forward: float) -> Sensitivity:
    info = session.info()
    return Sensitivity(
        model=info.name, digest=info.digest, recipe=question.recipe.digest, measure=question.measure, mode=mode,
        formats=tuple(name for name, _ in question.formats), rows=(), n=0, of=len(session.subject.data),
        forward_seconds=forward, seconds=0.0,
    )  # fmt: skip


def _predicted(
    session: Session, question: Question, work: Work
) -> Iterator[tuple[list[SensitivityRow], int, tuple[str, ...]]]:
    """The rows after each batch, how many samples they rest on, and the layers that no gradient gets to."""
    refused = _refused(session, question)
    plans = [plan for _, plan in question.formats]
    weights = dict.fromkeys(plan.weight for plan in plans if not plan.weight.is_float32)
    inputs = dict.fromkeys(plan.activation for plan in plans if not plan.activation.is_float32)
    projector = Projector(
        session, question.recipe, tuple(weights), tuple(inputs), turns=turns_for(len(session.subject.data)),
        measure=question.measure, work=work,
    )  # fmt: skip
    for found in projector.growing(projector.parts()):
        rows = predicted_rows(found, question.formats)
        rows = [replace(row, refused=refused.get((row.layer, row.format), "")) for row in rows]
        unreached = tuple(name for name, reached in zip(found.layers, found.reached, strict=True) if not reached)
        yield rows, found.samples, unreached


def _refused(session: Session, question: Question) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for name, plan in question.formats:
        for layer in session.subject.layers:
            try:
                check_layer(layer, plan, question.recipe, session.subject)
            except QDebugError as error:
                found[layer.name, name] = error.what
    return found
