"""The search: a front by prediction, its points confirmed by measuring, one of them chosen by what was measured."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from qdebug.engine import Work
from qdebug.recipes import Recipe, to_plain
from qdebug.results import Metric, Subgroup
from qdebug.results.mixture import GreedyStep, Mixture, MixturePoint, Origin
from qdebug.search.mix import Choice, Problem, describe, evidence, greedy, near
from qdebug.search.mixed.candidates import candidates, parts, predictors
from qdebug.search.mixed.confirm import best, closest, measure_some
from qdebug.search.mixed.learn import learnt, most_error, with_expected
from qdebug.search.mixed.problem import problem, projected, recipe_of
from qdebug.search.mixed.swept import swept
from qdebug.search.mixed.wish import Wish
from qdebug.search.mixed.words import words
from qdebug.search.mixed.worst import members, worst_row
from qdebug.search.sweep.journal import Journal
from qdebug.session import Session
from qdebug.targets import model_size

Show = Callable[[Mixture], None]

POINTS, CONFIRMED = 16, 8


def search(
    session: Session, wish: Wish, *, points: int = POINTS, confirm: int = CONFIRMED, show: Show | None = None,
    journal: Journal | None = None, work: Work | None = None,
) -> Mixture:  # fmt: skip
    """Choose every layer's format.

    The front is solved on predictions; then recipes are measured on all evaluation data: for a budget the best by every
    way of choosing and then the neighbours of the best, or, for a largest drop, from the cheapest that may do upwards.
    What is chosen has been measured, and is never worse than one format everywhere that fits as well.

    Args:
        session: the model with its data.
        wish: formats, budget and constraints.
        points: of the front.
        confirm: recipes that are measured, about; for a budget as many neighbours of the best as well.
        show: gets what is known, first with predictions alone.
        journal: where sweeps of single layers kept what they measured, which sets predictions right too.
        work: progress and cancel.

    Raises:
        RecipeError: constraints leave a layer no format.
        UsageError: the budget is below what the cheapest formats cost, or there is no group to judge by.
    """
    return _Search(session, wish, show, journal, work or Work()).run(points, confirm)


class _Search:
    """One search, with what is known so far."""

    def __init__(self, session: Session, wish: Wish, show: Show | None, journal: Journal | None, work: Work) -> None:
        self.start = time.perf_counter()
        self.session, self.wish, self.show, self.work = session, wish, show, work
        self.members = members(session) if wish.judge == "worst-group" else ()
        self.task = problem(session, wish, projected(session, wish, work))
        self.parts = parts(self.task, self.members, len(session.subject.data))
        self.predictors = predictors(self.task, self.parts)
        self.known = evidence(self.task, len(session.subject.data)) if self.parts is None else None
        learns = self.known is not None
        self.alone = swept(session, wish, self.task, journal, work) if learns and journal is not None else {}
        self.most: float | None = None
        self.choices: list[Choice] = []
        self.held: list[MixturePoint] = []
        self.steps: tuple[GreedyStep, ...] = ()

    def run(self, points: int, confirm: int) -> Mixture:
        wish, work = self.wish, self.work
        if wish.judge == "worst-group":
            worst_row(*self._rows(None))  # that there is none is said before anything takes long
        work.step(1, 2, "solving")
        found = candidates(self.task, wish, self.parts, points, work.check)
        self.choices = [choice for choice, _ in found]
        self.held = [self._point(choice, origin) for choice, origin in found]
        self.steps = _steps(self.task, wish) if wish.budget is not None else ()
        self._now()
        beside = [place for place, point in enumerate(self.held) if point.origin == "beside"]
        measure_some(self.held, wish, confirm, lambda place: self._measure(place, confirm), beside)
        if wish.budget is not None and wish.max_drop is None:
            self._look_around(confirm)
        return self._now()

    def _look_around(self, count: int) -> None:
        """Measure neighbours of the best, those with the least prediction first; a better one is the best from then on.

        The prediction is that which was closer to what has been measured.
        """
        assert self.wish.budget is not None
        known, left = {choice.columns for choice in self.choices}, count
        while left > 0:
            at = best(self.held, self.wish)
            if at is None:
                return
            predict = self.predictors[closest(self.held, self.predictors)]
            around = near(self.task, self.choices[at].columns, self.wish.budget, predict)
            fresh = [columns for columns in around if columns not in known][:left]
            if not fresh:
                return
            for columns in fresh:
                known.add(columns)
                self.choices.append(describe(self.task, columns))
                self.held.append(self._point(self.choices[-1], "beside"))
                self._measure(len(self.held) - 1, 2 * count)
                left -= 1
                if best(self.held, self.wish) != at:
                    break

    def _now(self) -> Mixture:
        """What is known, by rising cost."""
        order = sorted(range(len(self.held)), key=lambda place: (self.held[place].cost, self.held[place].predicted))
        front, wish, info = [self.held[place] for place in order], self.wish, self.session.info()
        correction = None
        if self.known is not None and self.most is not None:
            correction = learnt(self.known, front, self.most, self.alone)
        if correction is not None:
            front = [with_expected(point, correction) for point in front]
        known = Mixture(
            model=info.name, digest=info.digest, unit=wish.unit, how=wish.how, formats=wish.names,
            layers=tuple(self.task.names or ()), budget=wish.budget, max_drop=wish.max_drop, front=tuple(front),
            chosen=best(front, wish), words="", steps=self.steps,
            unpredicted=tuple((self.task.names or ())[place] for place in self.task.unpredicted),
            n=len(self.session.subject.data), seconds=time.perf_counter() - self.start, judge=wish.judge,
            groups=len(self.members), between="" if wish.recipe.between.is_float32 else wish.recipe.between.label,
            timed=wish.times.words if wish.times and wish.unit == "seconds" else "",
            untimed=wish.times.reasons if wish.times and wish.unit == "seconds" else (),
            taught_by=correction.measured if correction else 0, missed=correction.missed if correction else None,
            taught_by_layers=correction.alone if correction else 0,
        )  # fmt: skip
        known = replace(known, words=words(known))
        if self.show is not None:
            self.show(known)
        return known

    def _measure(self, place: int, most: int) -> MixturePoint:
        """Measure a point on all evaluation data."""
        point = self.held[place]
        if point.confirmed is not None:
            return point
        self.work.step(sum(one.confirmed is not None for one in self.held), most, "measuring")
        if self.known is not None and self.most is None:
            self.most = most_error(self.session, self.work)
        recipe = recipe_of(self.session, self.wish, self.choices[place].columns)
        errors = self.session.errors(recipe, self.session.subject.eval_batches, self.work)
        error = max((float(errors[one.places].mean()) for one in self.members), default=float(errors.mean()))
        score, worst = self.session.score(recipe, self.work), None
        if self.wish.judge == "worst-group":
            worst = worst_row(*self._rows(recipe))
        self.held[place] = replace(
            point, confirmed=error, metric=score.metric, worst=worst, bits_per_weight=score.size.bits_per_weight,
            bytes=score.size.quantized_bytes,
        )  # fmt: skip
        self._now()
        return self.held[place]

    def _rows(self, recipe: Recipe | None) -> tuple[Metric, tuple[Subgroup, ...]]:
        """The metric and every class and group, under a recipe or in float."""
        found = self.session.subgroups(recipe or Recipe(), self.work)
        return found.overall, found.rows

    def _point(self, choice: Choice, origin: Origin) -> MixturePoint:
        recipe = recipe_of(self.session, self.wish, choice.columns)
        size = model_size(self.session.info(), recipe)
        predicted = choice.damage(self.wish.how) if self.parts is None else self.parts.worst(choice.columns)
        return MixturePoint(
            cost=choice.cost, bits_per_weight=size.bits_per_weight, bytes=size.quantized_bytes,
            predicted=predicted, proven=choice.gap == 0 if choice.gap is not None else False, origin=origin,
            formats=tuple(choice.columns.count(column) for column in range(len(self.wish.formats))),
            columns=choice.columns, recipe=to_plain(recipe),
        )  # fmt: skip


def _steps(task: Problem, wish: Wish) -> tuple[GreedyStep, ...]:
    """The greedy way from the least damage to the budget, as people can follow it."""
    assert wish.budget is not None
    followed = greedy(task, wish.budget, wish.how)
    names = task.names or ()
    return tuple(
        GreedyStep(
            layers=tuple(names[place] for place in step.layers), before=wish.names[step.before],
            after=wish.names[step.after], cost=step.cost_after, predicted=step.damage_after,
        )
        for step in (*followed.savings, *followed.repairs)
    )  # fmt: skip
