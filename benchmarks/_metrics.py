"""How often the intervals of a metric, and of its difference to the float model's, hold the value of all data."""

from __future__ import annotations

import numpy as np

from qdebug.measure import Predictions, compare, predictions
from qdebug.recipes import Recipe, preset
from qdebug.session import Session


def covered(session: Session, form: str, draws: int) -> dict[str, dict[str, float]]:
    """Of one preset, by the number of samples drawn with replacement: a quarter as many as there are, and as many."""
    before, after = answers(session, Recipe()), answers(session, preset(form))
    task, count = session.subject.task, len(before)
    whole = compare(Predictions.join(before), Predictions.join(after), task)
    rng, found = np.random.default_rng(2), dict[str, dict[str, float]]()
    for n in (count // 4, count):
        value = difference = 0
        for _ in range(draws):
            drawn = rng.integers(0, count, n)
            one, two = (Predictions.join([each[place] for place in drawn]) for each in (before, after))
            metric = compare(one, two, task)
            value += metric.quantized_ci95[0] <= whole.quantized <= metric.quantized_ci95[1]
            difference += metric.ci95[0] <= whole.delta <= metric.ci95[1]
        found[str(n)] = {"value": value / draws, "difference": difference / draws}
    return found


def answers(session: Session, recipe: Recipe) -> list[Predictions]:
    """What a recipe's model says to each sample."""
    subject, found = session.subject, list[Predictions]()
    labels, done = subject.data.labels, 0
    for batch in subject.eval_batches:
        output = session.output(recipe, batch)
        for place in range(batch.count):
            label = None if labels is None else labels[done + place : done + place + 1]
            found.append(predictions(subject.task, output[place : place + 1], label))
        done += batch.count
    return found
