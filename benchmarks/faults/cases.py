"""Cases: a plant in a model, at a depth and as grave as it must be to do damage, all drawn from a seed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.faults import integers, plants  # noqa: F401 (they enter their plants)
from benchmarks.faults.plant import PLANTS, Planted
from benchmarks.faults.sound import MODELS, sound
from qdebug.engine import Work
from qdebug.errors import NumericError
from qdebug.recipes import Recipe
from qdebug.search.diagnose.places import Bench
from qdebug.session import Session

GRAVER = (1.0, 4.0, 16.0, 64.0)
_DAMAGE, _SOUND = 0.003, 0.002
"""Squared error over the output's power that a fault makes at least (25 dB), and a sound network at most."""
_TIMES = 8.0
"""So many times the error of the sound network a fault makes at least."""


@dataclass(frozen=True)
class Case:
    """A planted fault and where it came from."""

    plant: str
    model: str
    seed: int
    planted: Planted


def case(plant: str, model: str, seed: int) -> Case | None:
    """A case; None where the fault has no place in that model, or does no damage there however grave.

    The same three arguments give the same case everywhere.
    """
    for grave in GRAVER:
        dice = np.random.default_rng([zlib.crc32(f"{plant} {model}".encode()), seed])
        depth = float(dice.random())
        planted = PLANTS[plant](sound(model), dice, depth, grave)
        if planted is None:
            return None
        start = noise(*planted.reference)
        if start > _SOUND:
            return None
        if planted.beside or noise(planted.session, planted.recipe) > max(_DAMAGE, _TIMES * start):
            return Case(plant, model, seed, planted)
    return None


def cases(seeds: Iterable[int], names: Iterable[str] = (), models: Iterable[str] = MODELS) -> Iterator[Case]:
    """All cases of these seeds."""
    seeds, models = tuple(seeds), tuple(models)
    for plant in names or PLANTS:
        for model in models:
            for seed in seeds:
                found = case(plant, model, seed)
                if found is not None:
                    yield found


def noise(session: Session, recipe: Recipe) -> float:
    """Squared error over the float output's power; infinite where the recipe cannot run."""
    work = Work()
    try:
        bench = Bench(session, recipe, work)
        _, error = bench.whole(recipe)
    except NumericError:
        return np.inf
    power = sum(float(session.output(Recipe(), batch).double().square().sum()) for batch in bench.batches)
    count = sum(batch.count for batch in bench.batches)
    return error / (power / count) if power else np.inf
