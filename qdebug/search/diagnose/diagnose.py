"""From a recipe to ranked causes, each with a fix that was tried."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from qdebug.engine import Work
from qdebug.errors import NumericError
from qdebug.recipes import Recipe, as_recipe, remedied
from qdebug.results import Cause, Diagnosis, Metric, Remedy, Together
from qdebug.results.diagnosis import CauseKind
from qdebug.search.diagnose.broken import broken
from qdebug.search.diagnose.cures import cures, last_resort
from qdebug.search.diagnose.damage import Damaged, damage
from qdebug.search.diagnose.kinds import kind_of
from qdebug.search.diagnose.looks import Look, look
from qdebug.search.diagnose.places import Bench
from qdebug.search.diagnose.saturating import is_for_integers, saturating
from qdebug.search.diagnose.together import together
from qdebug.search.diagnose.trials import Start, best, is_enough, tried
from qdebug.search.diagnose.words import sentence, summary, with_fix
from qdebug.session import Session

_EXPLAINED, _MOST = 0.97, 16
"""Places are looked at, worst first, until they make so much of the damage, or are so many."""
_CAUSES, _SMALL = 6, 0.02
"""Fixes are tried for so many causes, and for none with a smaller share than this."""
_SOUND = 0.01
"""Squared error over the output's power up to which a recipe with a harmless metric is sound (20 dB)."""
_NOTHING = 0.001
"""And up to which there is nothing to explain (30 dB)."""

Group = tuple[CauseKind, list[Look], float]


@dataclass
class _Count:
    """Tensors: all that the recipe quantizes, those that were quantized alone, and those that were looked at."""

    tensors: int = 0
    measured: int = 0
    looked_at: int = 0


def diagnose(session: Session, recipe: Recipe | str, work: Work | None = None, *, every: bool = False) -> Diagnosis:
    """What breaks a model under a recipe, why, and what mends it.

    What every tensor that the recipe quantizes does alone is predicted in a few passes; those that carry the damage are
    quantized alone and measured, and the most harmful looked at; those with the same cause are taken together; and for
    each cause fixes are tried on the whole recipe.

    Args:
        session: the model with its data.
        recipe: the recipe, or a preset's name.
        work: progress and cancel.
        every: measure every tensor alone, and predict none.

    Raises:
        RecipeError: the recipe does not fit the model.
    """
    start, work, recipe, count = time.perf_counter(), work or Work(), as_recipe(recipe), _Count()
    try:
        session.check(recipe)
        bench = Bench(session, recipe, work)
        before = Start(*bench.whole(recipe))
    except NumericError:
        found = broken(session, recipe, work)
        if not found:
            raise
        return _diagnosis(session, recipe, found, None, None, False, start, count)
    metric = before.metric
    assert metric is not None
    noise = before.error / (_power(bench) or 1.0)
    healthy = metric.harmless and noise <= _SOUND
    groups = [] if healthy and noise <= _NOTHING else _groups(bench, every, count)
    causes = [_cause(bench, before, group) for group in groups[:_CAUSES] if group[2] >= _SMALL]
    fixed = together(bench, before, causes)
    if is_for_integers(recipe):
        causes += saturating(bench, metric)
    return _diagnosis(session, recipe, causes, fixed, metric, healthy, start, count)


def apply(recipe: Recipe, fix: Remedy) -> Recipe:
    """The recipe with a cause's fix."""
    return remedied(recipe, fix.method, fix.params)


def _diagnosis(
    session: Session, recipe: Recipe, causes: Sequence[Cause], every: Together | None, metric: Metric | None,
    healthy: bool, start: float, count: _Count,
) -> Diagnosis:  # fmt: skip
    info = session.info()
    float_ = metric or session.score(Recipe()).metric
    return Diagnosis(
        model=info.name, digest=info.digest, recipe=recipe.digest, metric=float_.name, metric_float=float_.float_,
        higher_is_better=float_.higher_is_better,
        metric_quantized=metric.quantized if metric else None, healthy=healthy, causes=tuple(causes),
        together=every, n=info.n_eval, tensors=count.tensors, measured=count.measured, looked_at=count.looked_at,
        seconds=time.perf_counter() - start,
        text=summary(causes, healthy, metric),
    )  # fmt: skip


def _groups(bench: Bench, every: bool, count: _Count) -> list[Group]:
    """Places that show the same cause in the same kind of tensor, with their share of the damage, largest first."""
    found: dict[tuple[str, str], tuple[CauseKind, list[Look], list[float]]] = {}
    places = damage(bench, every=every)
    worst = _worst(places)
    count.tensors, count.looked_at = len(places), len(worst)
    count.measured = sum(one.is_measured for one in places)
    for damaged in worst:
        place = damaged.place
        bench.work.step(0, 0, f"looking at the {place.side} of {place.name}")
        seen = look(bench, place, damaged.error)
        kind = kind_of(seen, partial(bench.alone, place))
        _, looks, shares = found.setdefault((kind, place.side), (kind, [], []))
        looks.append(seen)
        shares.append(damaged.share)
    groups: list[Group] = [(kind, looks, sum(shares)) for kind, looks, shares in found.values()]
    return sorted(groups, key=lambda group: -group[2])


def _worst(damaged: Sequence[Damaged]) -> list[Damaged]:
    found: list[Damaged] = []
    for one in [one for one in damaged if one.is_measured][:_MOST]:
        if one.share <= 0 or sum(other.share for other in found) >= _EXPLAINED:
            break
        found.append(one)
    return found


def _cause(bench: Bench, before: Start, group: Group) -> Cause:
    kind, looks, share = group
    first, names = looks[0], tuple(dict.fromkeys(look.place.name for look in looks))
    trials = [tried(bench, before, fix) for fix in cures(bench, kind, looks)]
    last = None if is_enough(trials) else tried(bench, before, last_resort(looks))
    chosen = best(trials, last)
    metric = before.metric
    cause = Cause(
        layer=names[0], layers=names, tensor=first.place.side, kind=kind, share=share, evidence=first.evidence(),
        fix=chosen.fix if chosen else None, metric_before=metric.quantized if metric else None,
        metric_after=chosen.metric if chosen else None, recovered=chosen.recovered if chosen else 0.0,
        tried=(*trials, *([last] if last else [])), text="",
    )  # fmt: skip
    text = sentence(kind, cause.tensor, names, cause.evidence)
    return msgspec.structs.replace(cause, text=with_fix(text, cause, metric))


def _power(bench: Bench) -> float:
    """The float output's mean square per sample."""
    engine, total, count = bench.subject.engine, 0.0, 0
    for batch in bench.batches:
        output = batch.real_rows(engine.output(bench.session.preparer.float_sheet, batch, bench.work))
        total += float(output.double().square().sum())
        count += len(output)
    return total / max(count, 1) if math.isfinite(total) else math.inf
