"""The search's choice against other ways of choosing, by what is measured; see :mod:`benchmarks.mix`.

For each sample one budget in bits per weight. Compared are each format everywhere, the greedy way, the integer program
by either prediction, and recipes drawn at random that use the budget up; all are measured through the engine on all
evaluation data. ``search`` is what ``qdebug search`` chooses: it measures the best few before it does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

import qdebug
from qdebug.engine import Work
from qdebug.figures import numbers
from qdebug.recipes import Recipe, from_plain, parse_fix
from qdebug.results import Metric
from qdebug.search.mix import Problem, greedy, random_choices, solve, uniform_choices
from qdebug.search.mixed import Wish, search
from qdebug.search.mixed.problem import problem, projected, recipe_of
from qdebug.search.mixed.wish import formats_of
from qdebug.search.mixed.worst import lost
from qdebug.session import Session

INTEGERS = ("w16a16", "w8a8-pc", "w6a8-pc", "w4a8-pc")
WEIGHTS = ("w16a16", "w8a16", "w4g32a16")


@dataclass(frozen=True)
class Case:
    """One sample's question, and how many random recipes are measured."""

    formats: tuple[str, ...]
    budget: float
    fixes: tuple[str, ...] = ()
    drawn: int = 200


CASES = {
    "digits-resnet": Case(INTEGERS, 6.0),
    "digits-vit": Case(INTEGERS, 8.0),
    "digits-mobilenet": Case(INTEGERS, 8.0, ("cle",)),
    "pydoc-gpt": Case(WEIGHTS, 6.0),
}


@dataclass(frozen=True)
class Measured:
    """A way of choosing, and what came of it: squared output error per sample, and the task metric."""

    way: str
    bits: float
    error: float
    metric: Metric


def rows(name: str, case: Case, seed: int) -> tuple[list[Measured], list[Measured]]:
    """The ways of choosing, and the random recipes, all measured."""
    session = qdebug.open(name)
    wish = Wish(formats_of(case.formats), Recipe(fixes=tuple(map(parse_fix, case.fixes))), budget=case.budget)
    task = problem(session, wish, projected(session, wish, Work()))
    chosen = search(session, wish)
    assert chosen.chosen is not None
    point = chosen.front[chosen.chosen]
    ways = [_measured(session, from_plain(point.recipe), "search", point.bits_per_weight)]
    for way, columns in _ways(task, case):
        ways.append(_measured(session, recipe_of(session, wish, columns), way, task.cost_of(columns)))
    drawn = []
    for place, one in enumerate(random_choices(task, case.budget, case.drawn, seed=seed)):
        drawn.append(_measured(session, recipe_of(session, wish, one.columns), f"random {place}", one.cost))
        if place % 20 == 19:
            print(f"{name}: {place + 1} of {case.drawn}", file=sys.stderr, flush=True)
    return ways, drawn


def _ways(task: Problem, case: Case) -> Iterator[tuple[str, Sequence[int]]]:
    yield "milp, additive", solve(task, case.budget, "additive").columns
    yield "milp, quadratic", solve(task, case.budget, "quadratic").columns
    yield "greedy, additive", greedy(task, case.budget, "additive").choice.columns
    yield "greedy, quadratic", greedy(task, case.budget, "quadratic").choice.columns
    for name, one in zip(case.formats, uniform_choices(task), strict=True):
        if task.fits(one.columns, case.budget):
            yield f"all {name}", one.columns


def _measured(session: Session, recipe: Recipe, way: str, bits: float) -> Measured:
    error = float(session.errors(recipe, session.subject.eval_batches).mean())
    return Measured(way, bits, error, session.score(recipe).metric)


def table(name: str, ways: Sequence[Measured], drawn: Sequence[Measured]) -> str:
    """The ways, and how many of the random recipes err less, or lose less of the metric, than each of them."""
    errors = np.array([one.error for one in drawn])
    losses = np.array([lost(one.metric, one.metric) for one in drawn])
    least, best = drawn[int(errors.argmin())], drawn[int(losses.argmin())]
    lines = [
        f"| {name} | bits | error | {numbers.metric_title(ways[0].metric.name)} | of {len(drawn)} random ones err less "
        "| lose less |",
        "|---|---|---|---|---|---|",
    ]
    for one in ways:
        below, beaten = int((errors < one.error).sum()), int((losses < lost(one.metric, one.metric)).sum())
        lines.append(f"{_cells(one)} {below} | {beaten} |")
    for words, one in (("random, least error", least), ("random, best metric", best)):
        lines.append(f"{_cells(Measured(words, one.bits, one.error, one.metric))} | |")
    lines.append(f"| random, median | | {numbers.three(float(np.median(errors)))} | | | |")
    return "\n".join(lines)


def _cells(one: Measured) -> str:
    value = numbers.metric_value(one.metric.name, one.metric.quantized)
    return f"| {one.way} | {one.bits:.2f} | {numbers.three(one.error)} | {value} |"


def main(names: Sequence[str], seed: int = 0) -> None:
    """Print a table for each sample, or for those named; ``seed`` draws the random recipes."""
    for name in names or CASES:
        start = time.perf_counter()
        print(f"{table(name, *rows(name, CASES[name], seed))}\n", flush=True)
        print(f" {time.perf_counter() - start:.0f} s", file=sys.stderr)
