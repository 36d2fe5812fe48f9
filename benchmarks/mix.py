"""What the mixed-precision search costs, on made-up networks, one thread. Prints JSON.

    OMP_NUM_THREADS=1 python -m benchmarks.mix
    OMP_NUM_THREADS=1 python -m benchmarks.mix --exact [--seed N] [SAMPLE …]

The second form prints tables instead, of samples: the search's choice against other ways, all of them measured
(:mod:`benchmarks.mix_exact`).

Layers differ in size and sensitivity; a layer's error is in part shared with all layers (``correlation``), in part its
plans' common own, in part each plan's alone. Budgets lie between the cheapest choice and the dearest. Times are minima
of repeats; nothing here asserts one. ``held_out`` is what the choice does on projections that were not searched on,
over what it was predicted to do: above 1 where the search found errors that cancel by chance.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from qdebug.search.mix import Limits, Problem, cheapest, front, greedy, solve
from qdebug.search.mix.walk import Walk

SHAPES = ((100, 6), (40, 12))
SAMPLES = 1024
PLACES = (0.1, 0.3, 0.6)
"""Of the budgets, between least and greatest cost."""


def network(
    layers: int, plans: int, samples: int, seed: int, correlation: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Damages ``[L, P, N]`` and costs ``[L, P]`` in bits."""
    generator = np.random.default_rng(seed)
    bits = np.array([2, 3, 4, 6, 8, 16.0]) if plans == 6 else np.linspace(2, 16, plans)
    size = np.round(1e5 * np.exp(generator.normal(size=(layers, 1))))
    spread = 2.0**-bits * np.exp(
        1.5 * generator.normal(size=(layers, 1)) + 0.2 * generator.normal(size=(layers, plans))
    )
    shared, own = generator.normal(size=(1, 1, samples)), generator.normal(size=(layers, 1, samples))
    alone = generator.normal(size=(layers, plans, samples))
    mixed = np.sqrt(0.1 * correlation) * shared + np.sqrt(correlation) * own + np.sqrt(1 - 1.1 * correlation) * alone
    return (spread[:, :, None] * mixed).astype(np.float32), size * bits


def least(action: Callable[[], object], repeats: int) -> float:
    """Seconds of the quickest of several runs."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def searches(layers: int, plans: int) -> dict[str, object]:
    """Seconds and gaps of each search at each budget, and microseconds of a prediction."""
    damage, cost = network(layers, plans, 2 * SAMPLES, 0)
    problem, unseen = (Problem(half, cost) for half in np.split(damage, 2, axis=2))
    dearest = float(cost.max(1).sum())
    generator = np.random.default_rng(1)
    columns = tuple(generator.integers(0, plans, layers).tolist())
    walk = Walk(problem, np.array(columns), "quadratic")
    result: dict[str, object] = {
        "gram_ms": round(1e3 * least(lambda: Problem(problem.damage, cost).gram, 3), 1),
        "predict_us": {
            how: round(1e6 * least(lambda how=how: problem.predict(columns, how), 200), 1)
            for how in ("additive", "quadratic")
        },
        "all_single_changes_us": round(1e6 * least(walk.damage_changes, 200), 1),
        "move_us": round(1e6 * least(lambda: walk.move(3, 1), 200), 1),
    }
    for place in PLACES:
        budget = problem.least_cost + place * (dearest - problem.least_cost)
        row: dict[str, object] = {"greedy_s": round(least(lambda b=budget: greedy(problem, b), 3), 3)}
        for how, limits in (("additive", Limits()), ("quadratic", Limits(rounds=0)), ("quadratic", Limits())):
            name = f"{how}, bound only" if how == "quadratic" and not limits.rounds else how
            start = time.perf_counter()
            found = solve(problem, budget, how, limits)
            row[name] = {
                "s": round(time.perf_counter() - start, 3),
                "gap": round(found.gap or 0.0, 5),
                "over_greedy": round(found.damage(how) / greedy(problem, budget, how).choice.damage(how), 5),
                "held_out": round(unseen.predict(found.columns, "quadratic") / found.quadratic, 4),
            }
            if limits.rounds:
                start = time.perf_counter()
                turned = cheapest(problem, found.damage(how), how)
                seconds = round(time.perf_counter() - start, 3)
                row[f"cheapest, {how}"] = {"s": seconds, "gap": round(turned.gap or 0.0, 5)}
        result[f"budget {place}"] = row
        print(f"{layers} × {plans}, budget {place}", file=sys.stderr, flush=True)
    result["front_s"] = {
        how: round(least(lambda how=how: front(problem, how), 1), 1) for how in ("additive", "quadratic")
    }
    return result


def main() -> dict[str, object]:
    """Every shape."""
    return {f"{layers} × {plans}": searches(layers, plans) for layers, plans in SHAPES}


if __name__ == "__main__" and sys.argv[1:2] == ["--exact"]:
    from benchmarks import mix_exact

    named = sys.argv[2:]
    seeded = named[:1] == ["--seed"]
    mix_exact.main(named[2:] if seeded else named, int(named[1]) if seeded else 0)
elif __name__ == "__main__":
    print(json.dumps(main(), indent=2, ensure_ascii=False))
