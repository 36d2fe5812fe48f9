"""How often the 95 % interval of a part of the data holds the value of all: on the samples' own errors. Prints JSON.

    python -m benchmarks.coverage [digits-mobilenet digits-resnet digits-vit pydoc-gpt] [--draws 500]

Every layer's error per sample is measured on all data; then an eighth, a quarter and a half of the samples are drawn
again and again. For each format and part: the mean coverage over its layers, that of the worst layer, how many layers
lie within 93 to 97 %, the median width of the interval in parts of the value, the median skewness of the errors, and
the largest part that one sample has in any layer's error. Layers without any error are left out.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np
from numpy.typing import NDArray

import qdebug
from qdebug.engine import Work
from qdebug.measure.intervals import mean
from qdebug.search.sensitivity import Question
from qdebug.search.sweep.bench import Bench, Task, one_thread
from qdebug.search.sweep.items import items
from qdebug.search.sweep.samples import Samples

SAMPLES = ("digits-mobilenet", "digits-resnet", "digits-vit", "pydoc-gpt")
FORMATS = ("w8a8", "w4a8")


def main(arguments: list[str]) -> dict[str, object]:
    """The tables of the named samples."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=SAMPLES)
    parser.add_argument("--draws", type=int, default=500)
    options = parser.parse_args(arguments)
    return {name: of_sample(name, options.draws) for name in options.names}


def of_sample(name: str, draws: int) -> dict[str, object]:
    """One sample's tables, by format and part."""
    session = qdebug.open(name)
    samples = Samples(session.subject)
    bench, last = Bench(session, samples), len(samples.batches)
    errors: dict[str, list[NDArray[np.float64]]] = {}
    with one_thread():
        for item in items(session, Question.of(FORMATS), {}, False):
            values = bench.measure(Task(0, item.recipe, item.base, 0, last), Work()).values[2:]
            if values.any():
                errors.setdefault(item.format, []).append(values)
    return {
        name: {f"{n} of {samples.count}": covered(layers, n, draws) for n in samples.ends[:-1]}
        for name, layers in errors.items()
    }


def covered(layers: list[NDArray[np.float64]], n: int, draws: int) -> dict[str, float]:
    """Coverage for one size of part."""
    rng = np.random.default_rng(0)
    rates: list[float] = []
    widths: list[float] = []
    for errors in layers:
        true, hits = errors.mean(), 0
        for _ in range(draws):
            low, high = mean(errors[rng.permutation(len(errors))[:n]], len(errors))
            hits += bool(low <= true <= high)
            widths.append((high - low) / true)
        rates.append(hits / draws)
    skews = [float(((one - one.mean()) ** 3).mean() / one.std() ** 3) for one in layers]
    return {
        "mean": float(np.mean(rates)), "worst": float(min(rates)), "layers": len(rates),
        "within_93_to_97": int(sum(0.93 <= rate <= 0.97 for rate in rates)), "width": float(np.median(widths)),
        "skewness": float(np.median(skews)), "largest_sample": max(float(one.max() / one.sum()) for one in layers),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:]), indent=2))
