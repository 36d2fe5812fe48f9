"""How fast an edit is answered: ratios to one float pass of the module itself, one thread, one run. Prints JSON.

    python -m benchmarks.engine [digits-mobilenet pydoc-gpt]

R is one float evaluation: the module called on the evaluation data in the engine's own batches, and its answers turned
into the metric. The float pass and calibration are compared with the module alone. Each edit is compared with an R
timed right before it. Memory is touched once before the first edit, as the compute process does. Nothing here asserts a
time: absolute times on shared machines are noise, ratios within one run are not.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import torch

from qdebug.doors import load_sample
from qdebug.engine import Sheet, ValueCache, Work
from qdebug.engine.memory import keep_freed_memory
from qdebug.measure import predictions
from qdebug.recipes import Recipe, parse_plan, preset, set_layers
from qdebug.session import Session
from qdebug.session import open as open_model
from qdebug.session.prepare import Preparer
from qdebug.session.warm import RESERVE

SAMPLES = ("digits-mobilenet", "pydoc-gpt")
#: What each sample is usually run with, and the formats that one layer at a time is then switched to.
BASE = {
    "digits-mobilenet": ("w8a8", ("w4a8", "w3a8", "w2a8")),
    "pydoc-gpt": ("w4g32a16", ("w8a16", "w7a16", "w6a16")),
}


def main(names: list[str]) -> dict[str, object]:
    """Measure the named samples."""
    torch.set_num_threads(1)
    keep_freed_memory(reserve=RESERVE)
    return {name: measure(name) for name in names}


def measure(name: str, repeats: int = 7) -> dict[str, object]:
    """All ratios of one sample."""
    session = open_model(name, cache=ValueCache(4 << 30))
    subject = session._subject
    module = load_sample(name).module
    batches = [batch.inputs for batch in subject.eval_batches]

    def own_pass() -> None:
        with torch.no_grad():
            for inputs in batches:
                module(**inputs)

    def evaluation() -> None:
        labels = None if subject.data.labels is None else subject.data.labels.split(subject.batch_size)
        with torch.no_grad():
            for place, inputs in enumerate(batches):
                predictions(subject.task, module(**inputs), labels and labels[place])

    def engine_pass() -> None:
        subject.engine.cache.clear()
        for batch in subject.eval_batches:
            subject.engine.output(Sheet(subject.program, subject.layers), batch)

    def calibration() -> None:
        subject.engine.cache.clear()
        preparer = Preparer(subject)
        preparer.stats(preparer.float_sheet.overlay, subject.layers[-1], Work())

    def calib_pass() -> None:
        with torch.no_grad():
            for batch in subject.calib_batches:
                module(**batch.inputs)

    own, engine = interleaved(own_pass, engine_pass, repeats)
    plain, calibrated = interleaved(calib_pass, calibration, repeats)
    base, others = BASE[name]
    return {
        "float_pass_ms": own * 1e3,
        "engine_float_pass": engine / own,
        "calibration": calibrated / plain,
        **edits(session, preset(base), others, evaluation),
        "samples": len(subject.data),
        "batch": subject.batch_size,
        "layers": len(subject.layers),
        "cache_mb": subject.engine.cache.stats().bytes / 1e6,
    }


def edits(session: Session, base: Recipe, others: tuple[str, ...], evaluation: Callable[[], None]) -> dict[str, object]:
    """Evaluations after one layer's format changed, for each layer and format; and a recipe seen before."""
    session.score(base)
    rounds: list[list[float]] = []
    for other in others:
        rounds.append([])
        for layer in session.info().layers:
            own = seconds(evaluation)  # right before, so that a machine that is slow now is slow for both
            recipe = set_layers(base, {layer.name: parse_plan(other)})
            rounds[-1].append(seconds(lambda recipe=recipe: session.score(recipe)) / own)
    layers = [statistics.median(times) for times in zip(*rounds, strict=True)]
    own, seen = seconds(evaluation), seconds(lambda: session.score(base))
    return {
        "edit_median": statistics.median(layers),
        "edit_max": max(layers),
        "edit_median_by_round": [statistics.median(times) for times in rounds],
        "seen_before_ms": seen * 1e3,
        "seen_before": seen / own,
    }


def seconds(function: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def interleaved(one: Callable[[], None], two: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Median seconds of two functions, run in turn so that drift hits both; the first turn is a warm-up."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats + 1):
        for function, into in zip((one, two), times, strict=True):
            took = seconds(function)
            if turn:
                into.append(took)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:] or list(SAMPLES)), indent=2))
