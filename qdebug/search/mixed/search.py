"""The search: a front by prediction, its points confirmed by measuring, one of them chosen by what was measured."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from qdebug.engine import Work
from qdebug.recipes import to_plain
from qdebug.results.mixture import GreedyStep, Mixture, MixturePoint, Origin
from qdebug.search.mix import Choice, Problem, front, greedy, solve, uniform_choices
from qdebug.search.mixed.confirm import best, measure_some
from qdebug.search.mixed.problem import problem, projected, recipe_of
from qdebug.search.mixed.wish import Wish
from qdebug.search.mixed.words import words
from qdebug.session import Session
from qdebug.targets import model_size

Show = Callable[[Mixture], None]

POINTS, CONFIRMED = 16, 8


def search(
    session: Session, wish: Wish, *, points: int = POINTS, confirm: int = CONFIRMED, show: Show | None = None,
    work: Work | None = None,
) -> Mixture:  # fmt: skip
    """Choose every layer's format.

    The front is solved on predictions; then recipes are measured on all evaluation data: the best for the budget and
    its neighbours, or, for a largest drop, from the cheapest that may do upwards. What is chosen has been measured, and
    is never worse than one format everywhere that fits as well.

    Args:
        session: the model with its data.
        wish: formats, budget and constraints.
        points: of the front.
        confirm: recipes that are measured.
        show: gets what is known, first with predictions alone.
        work: progress and cancel.

    Raises:
        RecipeError: constraints leave a layer no format.
        UsageError: the budget is below what the cheapest formats cost.
    """
    start, work = time.perf_counter(), work or Work()
    found = projected(session, wish, work)
    task = problem(session, wish, found)
    work.step(1, 2, "solving")
    choices = _choices(task, wish, points, work)
    held = [_point(session, wish, task, choice, origin) for choice, origin in choices]
    steps = _steps(task, wish) if wish.budget is not None else ()
    mixture = Mixture(
        model=session.info().name, digest=session.info().digest, unit=wish.unit, how=wish.how, formats=wish.names,
        layers=tuple(task.names),
        budget=wish.budget, max_drop=wish.max_drop, front=tuple(held), chosen=None, words="", steps=steps,
        unpredicted=tuple(task.names[place] for place in task.unpredicted), n=len(session.subject.data), seconds=0.0,
    )  # fmt: skip

    def now() -> Mixture:
        known = replace(mixture, front=tuple(held), chosen=best(held, wish), seconds=time.perf_counter() - start)
        known = replace(known, words=words(known))
        if show is not None:
            show(known)
        return known

    def measure(place: int) -> MixturePoint:
        work.step(sum(point.confirmed is not None for point in held), confirm, "measuring")
        held[place] = _confirmed(session, wish, held[place], choices[place][0], work)
        now()
        return held[place]

    now()
    measure_some(held, wish, confirm, measure)
    return now()


def _confirmed(session: Session, wish: Wish, point: MixturePoint, choice: Choice, work: Work) -> MixturePoint:
    """A point with its error and metric measured on all evaluation data."""
    recipe = recipe_of(session, wish, choice.columns)
    errors = session.errors(recipe, session.subject.eval_batches, work)
    return replace(point, confirmed=float(errors.mean()), metric=session.score(recipe, work).metric)


def _choices(task: Problem, wish: Wish, points: int, work: Work) -> list[tuple[Choice, Origin]]:
    """The front's choices, that of the budget, and each format everywhere, by rising cost; equal ones once."""
    searched = list(front(task, wish.how, points=points, check=work.check))
    if wish.budget is not None:
        searched.append(solve(task, wish.budget, wish.how, check=work.check))
    found: dict[tuple[int, ...], tuple[Choice, Origin]] = {}
    for choice in searched:
        known = found.get(choice.columns)
        if known is None or (choice.gap is not None and (known[0].gap is None or choice.gap < known[0].gap)):
            found[choice.columns] = choice, "search"
    for choice in uniform_choices(task):
        found.setdefault(choice.columns, (choice, "uniform"))
    return sorted(found.values(), key=lambda pair: (pair[0].cost, pair[0].damage(wish.how)))


def _point(session: Session, wish: Wish, task: Problem, choice: Choice, origin: Origin) -> MixturePoint:
    recipe = recipe_of(session, wish, choice.columns)
    size = model_size(session.info(), recipe)
    return MixturePoint(
        cost=choice.cost, bits_per_weight=size.bits_per_weight, bytes=size.quantized_bytes,
        predicted=choice.damage(wish.how), proven=choice.gap == 0 if choice.gap is not None else False,
        origin=origin,
        formats=tuple(choice.columns.count(column) for column in range(len(wish.formats))),
        columns=choice.columns, recipe=to_plain(recipe),
    )  # fmt: skip


def _steps(task: Problem, wish: Wish) -> tuple[GreedyStep, ...]:
    """The greedy way from the least damage to the budget, as people can follow it."""
    assert wish.budget is not None
    followed = greedy(task, wish.budget, wish.how)
    return tuple(
        GreedyStep(
            layers=tuple(task.names[place] for place in step.layers), before=wish.names[step.before],
            after=wish.names[step.after], cost=step.cost_after, predicted=step.damage_after,
        )
        for step in (*followed.savings, *followed.repairs)
    )  # fmt: skip
