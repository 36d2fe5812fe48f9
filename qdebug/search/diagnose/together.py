"""All fixes at once: what the recipe comes to when every cause is treated."""

from __future__ import annotations

from collections.abc import Sequence

from qdebug.errors import Cancelled, QDebugError
from qdebug.recipes import remedied
from qdebug.results import Cause, Remedy, Together
from qdebug.search.diagnose.places import Bench
from qdebug.search.diagnose.trials import Start, recovered


def together(bench: Bench, start: Start, causes: Sequence[Cause]) -> Together | None:
    """The causes' fixes one after the other, each kept where it wins something back; None without any."""
    recipe, kept, most, metric = bench.recipe, list[Remedy](), 0.0, None
    for fix in [cause.fix for cause in causes if cause.fix is not None]:
        if fix in kept:
            continue
        bench.work.step(0, 0, f"trying {fix.method} with what helped")
        try:
            changed = remedied(recipe, fix.method, fix.params)
            found, error = bench.whole(changed)
        except Cancelled:
            raise
        except QDebugError:  # a fix that does not go with those before it
            continue
        won = recovered(start, found, error)
        if metric is None or won > most:
            recipe, most, metric = changed, won, found.quantized
            kept.append(fix)
    if metric is None:
        return None
    return Together(fixes=tuple(kept), metric=metric, recovered=most)
