"""Small problems, and the best choice of each by looking at all."""

import itertools

import numpy as np
from hypothesis import strategies as st

from qdebug.search.mix import Problem


def made(layers, plans, samples, seed, *, correlation=0.4, base=0.0, **rest) -> Problem:
    """Layers of different sizes and sensitivities whose errors are correlated and fall with the plan's bits."""
    generator = np.random.default_rng(seed)
    bits = 2.0 + 2 * np.arange(plans)
    size = np.round(1000 * np.exp(generator.normal(size=(layers, 1))))
    spread = (
        np.exp(generator.normal(size=(layers, 1))) * 2.0**-bits * np.exp(0.2 * generator.normal(size=(layers, plans)))
    )
    shared, own = generator.normal(size=samples), generator.normal(size=(layers, plans, samples))
    damage = spread[..., None] * (np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)
    return Problem(damage.astype(np.float32), size * bits, base=base * generator.normal(size=samples), **rest)


@st.composite
def problems(draw) -> Problem:
    """Up to five layers and four plans, anything allowed, tied, shared and scaled."""
    layers, plans, samples = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 7))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    allowed = generator.random((layers, plans)) < 0.8
    allowed[:, generator.integers(plans)] = True
    size = 10.0 ** draw(st.integers(-6, 9))
    costs = draw(st.sampled_from(["any", "whole", "same"]))
    cost = {
        "any": generator.random((layers, plans)),
        "whole": generator.integers(1, 5, (layers, plans)),
        "same": np.ones((layers, plans)),
    }[costs]
    spread = 10.0 ** generator.uniform(*draw(st.sampled_from([(0, 0), (-3, 0), (-6, 3)])), (layers, plans, 1))
    damage = spread * generator.normal(size=(layers, plans, samples))
    damage[generator.random((layers, plans)) < 0.1] = 0
    ties = draw(st.lists(st.lists(st.integers(0, layers - 1), max_size=3), max_size=2))
    base = draw(st.sampled_from([0.0, 1.0])) * generator.normal(size=samples)
    return Problem(damage, cost * size, allowed, base, draw(st.sampled_from([0.0, 3 * size])), ties)


def everything(problem) -> list[tuple[int, ...]]:
    """Every choice that is allowed and ties alike what is tied."""
    groups = problem.groups
    rows = itertools.product(*(np.flatnonzero(row) for row in groups.open))
    return [groups.columns(np.array(at)) for at in rows]


def definition(problem, columns, how) -> float:
    """The prediction as it is defined, term by term."""
    chosen = [problem.damage[k, p].astype(np.float64) for k, p in enumerate(columns)]
    if how == "additive":
        return float(np.mean(problem.base**2) + sum(np.mean(d**2) for d in chosen))
    return float(np.mean((problem.base + sum(chosen)) ** 2))
