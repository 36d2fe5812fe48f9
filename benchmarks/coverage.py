"""How often 95 % intervals hold what they should, and races what they claim, on the samples' own errors. Prints JSON.

    python -m benchmarks.coverage [digits-mobilenet digits-resnet digits-vit pydoc-gpt] [--draws 500] [--races 100]

*Errors*: every layer's error per sample is measured on all data; then an eighth, a quarter and a half of the samples
are drawn again and again, each time with predictions along other random directions. For each format and part, with
predictions and without (``plain``): the mean coverage over its layers, that of the worst layer, how many layers lie
within 93 to 97 %, the median half-width in parts of the value; and the largest part that one sample has in any
layer's error. Layers without any error are left out.

*Races*: the layers of a format are raced on other random parts; ``wrong`` is how many races claim what all data
contradict, ``used`` the part of all measurements that they take.

*Metrics*: samples are drawn with replacement from the data, as if these were all there is; ``value`` is how often the
interval of the quantized model's metric holds that of all data, ``difference`` that of its difference to the float
model's, sample by sample.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import qdebug
from benchmarks import _metrics, _raced
from qdebug.engine import Work
from qdebug.engine.threads import one_thread
from qdebug.measure.assisted import assisted_error
from qdebug.measure.intervals import mean
from qdebug.search.predict.predicted import error
from qdebug.search.predict.projector import Projector, turns_for
from qdebug.search.sensitivity import Question
from qdebug.search.sweep.bench import Bench, Task
from qdebug.search.sweep.items import items
from qdebug.search.sweep.samples import Samples
from qdebug.session import Session

SAMPLES = ("digits-mobilenet", "digits-resnet", "digits-vit", "pydoc-gpt")
FORMATS = ("w8a8", "w4a8")
SETS = 8
"""Sets of random directions that predictions are made of."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """One layer in one format: the error of each sample ``[N]``, and what is predicted of it ``[sets, N]``."""

    errors: Floats
    predicted: Floats


def main(arguments: list[str]) -> dict[str, object]:
    """The tables of the named samples."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=SAMPLES)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--races", type=int, default=100)
    options = parser.parse_args(arguments)
    return {name: of_sample(name, options.draws, options.races) for name in options.names}


def of_sample(name: str, draws: int, races: int) -> dict[str, object]:
    """One sample's tables, by format and part."""
    session = qdebug.open(name)
    samples = Samples(session.subject)
    with one_thread():
        found = layers(session, samples)
        metrics = {form: _metrics.covered(session, form, draws) for form in FORMATS}
    return {
        form: {
            "parts": {f"{n} of {samples.count}": covered(some, n, draws) for n in samples.ends[:-1]},
            "largest_sample": max(float(one.errors.max() / one.errors.sum()) for one in some),
            "races": {
                "assisted": _raced.races([(one.errors, one.predicted) for one in some], samples.ends, races),
                "plain": _raced.races([(one.errors, None) for one in some], samples.ends, races),
            },
            "metric": metrics[form],
        }
        for form, some in found.items()
    }


def layers(session: Session, samples: Samples) -> dict[str, list[Layer]]:
    """Every layer with any error, by format; samples in the data's own order."""
    question = Question.of(FORMATS)
    plans = dict(question.formats)
    turns = turns_for(samples.count)
    weights, inputs = (tuple(dict.fromkeys(getattr(plan, of) for plan in plans.values())) for of in _TENSORS)
    projector = Projector(session, question.recipe, weights, inputs, turns=turns * SETS)
    projected = projector.project(projector.parts())
    bench, found = Bench(session, samples), dict[str, list[Layer]]()
    for item in items(session, question, {}, False):
        values = bench.measure(Task(0, item.recipe, item.base, 0, len(samples.batches)), Work()).values[2:]
        if values.any():
            plan = plans[item.format]
            along = projected.of(item.layer, plan.weight, plan.activation)
            predicted = np.stack([error(projected, part) for part in np.split(along, SETS)])
            found.setdefault(item.format, []).append(Layer(values, predicted[:, samples.order]))
    return found


_TENSORS = ("weight", "activation")


def covered(some: list[Layer], n: int, draws: int) -> dict[str, dict[str, float]]:
    """Coverage for one size of part, with predictions and without."""

    def assisted(seen: Floats, predicted: Floats) -> tuple[float, float]:
        return assisted_error(seen, predicted)[1:]

    def plain(seen: Floats, predicted: Floats) -> tuple[float, float]:
        return mean(seen, len(predicted))

    return {"assisted": _covered(some, n, draws, assisted), "plain": _covered(some, n, draws, plain)}


def _covered(
    some: list[Layer], n: int, draws: int, interval: Callable[[Floats, Floats], tuple[float, float]]
) -> dict[str, float]:
    rng = np.random.default_rng(0)
    rates: list[float] = []
    widths: list[float] = []
    for layer in some:
        true, hits = layer.errors.mean(), 0
        for draw in range(draws):
            order = rng.permutation(len(layer.errors))
            low, high = interval(layer.errors[order[:n]], layer.predicted[draw % SETS, order])
            hits += bool(low <= true <= high)
            widths.append((high - low) / true / 2)
        rates.append(hits / draws)
    return {
        "mean": float(np.mean(rates)), "worst": float(min(rates)), "layers": len(rates),
        "within_93_to_97": int(sum(0.93 <= rate <= 0.97 for rate in rates)), "half_width": float(np.median(widths)),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:]), indent=2))
