"""From a recipe's plan of attention to what the engine computes: ranges, and which attentions look back only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

from torch import Tensor

from qdebug.calibrate import AVERAGED, ActivationStats, Observer, choose_range
from qdebug.engine import Batch, LayerQuant, Overlay, Sheet, Work
from qdebug.engine.attended import Attended, Held, fused_arguments, masked, needs_range, products, softmax
from qdebug.errors import NumericError
from qdebug.graph import Program
from qdebug.graph.attention import Attention
from qdebug.graph.calls import fill
from qdebug.quantize import Grid, choose_grid, is_static
from qdebug.recipes import LayerPlan, Recipe, TensorPlan
from qdebug.session.memo import Memo

if TYPE_CHECKING:
    from qdebug.session.prepare import Preparer

_ENDS = (0.0, 1.0)
"""Where softmax's outputs lie."""


class Attending:
    """Works out plans of attention for one subject."""

    def __init__(self, preparer: Preparer) -> None:
        self._preparer, self._subject = preparer, preparer.subject
        self._grids: Memo[Grid] = Memo(1024)
        self._stats: dict[bytes, ActivationStats] = {}
        self._calibrating = threading.Lock()

    @cached_property
    def read(self) -> frozenset[int]:
        """The steps whose values may want a range: keys, values, and scores where these are a value of the graph."""
        found = self._subject.attentions
        scores = {one.first for one in found if not one.is_fused}
        return frozenset({one.key for one in found} | {one.value for one in found} | scores)

    @cached_property
    def causal(self) -> frozenset[int]:
        """The attentions, by their first step, in which no query of the first samples sees a later token."""
        subject, sheet = self._subject, self._preparer.float_sheet
        found: set[int] = set()

        def look(one: Attention, values: Mapping[int, Tensor]) -> None:
            if _looks_back(_probs(subject.program, one, values)):
                found.add(one.first)

        needs = {
            one: subject.program.sources[one.first] if one.softmax is None else (one.softmax,)
            for one in subject.attentions
        }
        self._each(needs, sheet, subject.batches(subject.data.first(1))[0], look, Work())
        return frozenset(found)

    def points(self, recipe: Recipe, overlay: Overlay, work: Work) -> dict[int, LayerQuant]:
        """Scores and probabilities that are values of the graph, by the step that computes them."""
        found: dict[int, LayerQuant] = {}
        for one in self._subject.attentions:
            for step, held in (
                (one.first, self._scores(one, recipe.attention.scores, overlay, work)),
                (one.softmax, _probs_held(recipe.attention.probs)),
            ):  # fmt: skip
                if step is not None and held is not None and not one.is_fused:
                    found[step] = LayerQuant(LayerPlan(activation=held.plan), held.grid)
        return found

    def attended(self, recipe: Recipe, overlay: Overlay, work: Work) -> tuple[Attended, ...]:
        """Every attention that is computed otherwise than in float."""
        plan = recipe.attention
        if plan.is_float32:
            return ()
        found = []
        for one in self._subject.attentions:
            fused = one.is_fused
            found.append(Attended(
                one, one.first in self.causal, plan.window,
                keys=self._cached(one, one.key, plan.keys, "keys", overlay, work),
                values=self._cached(one, one.value, plan.values, "values", overlay, work),
                scores=self._scores(one, plan.scores, overlay, work) if fused else None,
                probs=_probs_held(plan.probs) if fused else None,
            ))  # fmt: skip
        return tuple(found)

    def _cached(
        self, one: Attention, step: int, plan: TensorPlan, what: str, overlay: Overlay, work: Work
    ) -> Held | None:
        if plan.is_float32:
            return None
        if not needs_range(plan):
            return Held(plan)
        return Held(plan, self._preparer.value_grid(step, plan, overlay, work, f"{one.name} ({what})"))

    def _scores(self, one: Attention, plan: TensorPlan, overlay: Overlay, work: Work) -> Held | None:
        if plan.is_float32:
            return None
        if not needs_range(plan):
            return Held(plan)
        if not one.is_fused:
            return Held(plan, self._preparer.value_grid(one.first, plan, overlay, work, f"{one.name} (scores)"))
        sheet = self._preparer.float_sheet_of(overlay)
        key = (sheet.keys[one.first], plan)
        return Held(plan, self._grids.get(key, lambda: self._scores_grid(one, plan, sheet, work)))

    def _scores_grid(self, one: Attention, plan: TensorPlan, sheet: Sheet, work: Work) -> Grid:
        """The grid of scores that no step of the graph has."""
        name = f"{one.name} (scores)"
        if plan.clip is not None:
            return choose_grid(*plan.clip, plan, layer=name)
        with self._calibrating:
            if sheet.keys[one.first] not in self._stats:
                self._calibrate(sheet, work)
        stats = self._stats[sheet.keys[one.first]]
        if stats.nan or stats.inf:
            raise NumericError(
                f"The scores hold {stats.nan} NaN and {stats.inf} Inf on the calibration data", layer=name,
                do="Find where they arise upstream, or leave scores in fp32.",
            )  # fmt: skip
        return choose_grid(*choose_range(stats, plan, layer=name), plan, layer=name)

    def _calibrate(self, sheet: Sheet, work: Work) -> None:
        """Observe the scores of all fused attentions in one pass over the calibration data."""
        program, batches = self._subject.program, self._subject.calib_batches
        observers = {one: Observer(-1) for one in self._subject.attentions if one.is_fused}
        needs = {one: (one.query, one.key) for one in observers}
        for done, batch in enumerate(batches):
            work.step(done, len(batches), "calibrating scores")
            self._each(needs, sheet, batch, partial(_observe, program, batch, observers), work)
        self._stats |= {sheet.keys[one.first]: observer.stats() for one, observer in observers.items()}

    def _each(
        self, needs: Mapping[Attention, Collection[int]], sheet: Sheet, batch: Batch,
        show: Callable[[Attention, Mapping[int, Tensor]], None], work: Work,
    ) -> None:  # fmt: skip
        """Show each attention the values that it needs, as soon as all are there, and keep none for longer."""
        ready: dict[int, list[Attention]] = {}
        last: dict[int, int] = {}
        for one, steps in needs.items():
            ready.setdefault(max(steps), []).append(one)
            last |= {step: max(steps) for step in steps if last.get(step, -1) < max(steps)}
        held: dict[int, Tensor] = {}

        def keep(index: int, value: Tensor) -> None:
            held[index] = value
            for one in ready.get(index, ()):
                show(one, held)
            for step in [step for step in held if last[step] <= index]:
                del held[step]

        self._subject.engine.visit(sheet, batch, last, keep, work, remember=False)


def _observe(
    program: Program,
    batch: Batch,
    observers: Mapping[Attention, Observer],
    one: Attention,
    values: Mapping[int, Tensor],
) -> None:
    query, key = (batch.real_rows(values[index]) for index in (one.query, one.key))
    scores = products(query, key, program.steps[one.first].kwargs)
    for part in scores.split(max(1, len(scores) // batch.count * AVERAGED)):
        observers[one].update(part)


def _probs(program: Program, one: Attention, values: Mapping[int, Tensor]) -> Tensor:
    """What softmax gives, computed for a fused attention."""
    if one.softmax is not None:
        return values[one.softmax]
    step = program.steps[one.first]
    query, key, _, *rest = fill(step.args, values)
    given = fused_arguments(rest, fill(dict(step.kwargs), values))
    return softmax(masked(products(query, key, given), given))


def _looks_back(probs: Tensor) -> bool:
    """Whether there are as many queries as tokens, more than one, and none looks at a later one."""
    queries, tokens = probs.shape[-2:]
    return queries == tokens > 1 and not bool(probs.triu(1).any())


def _probs_held(plan: TensorPlan) -> Held | None:
    if plan.is_float32:
        return None
    if not is_static(plan):
        return Held(plan)
    clip = plan.clip or _ENDS
    return Held(plan, choose_grid(*clip, plan, layer="softmax"))
