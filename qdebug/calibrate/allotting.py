"""How many calibration samples each group gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MEAN = 0.4
"""Where the skewed choice has its middle, as a part of the way from the first group to the last."""
SPREAD = 0.25
"""Its standard deviation, likewise."""


def uniform(samples: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """So many samples, as evenly as the groups' sizes allow."""
    return allot(samples, [1.0] * len(sizes), sizes)


def skewed(samples: int, sizes: Sequence[int], places: Sequence[float]) -> tuple[int, ...]:
    """So many samples, most from a little below the middle of ordered groups, fewest from the ends.

    Shang et al. 2023, arXiv 2211.15736 (PTQ4DM), draw timesteps from a normal distribution whose mean is
    at most half of all steps, so that the choice is skewed towards the images that are nearly done. Mean and standard
    deviation here are :data:`MEAN` and :data:`SPREAD` of the span; samples are allotted, not drawn.

    Args:
        samples: how many in all.
        sizes: how many each group has.
        places: where each group is, such as its timestep.
    """
    low, high = min(places), max(places)
    at = (np.asarray(places, dtype=np.float64) - low) / ((high - low) or 1.0)
    return allot(samples, np.exp(-0.5 * ((at - MEAN) / SPREAD) ** 2).tolist(), sizes)


def allot(samples: int, weights: Sequence[float], sizes: Sequence[int]) -> tuple[int, ...]:
    """Whole numbers in proportion to weights by largest remainders (Hamilton), none above its group's size.

    What a full group cannot give is allotted to the others in the same way.

    Args:
        samples: how many in all; where the groups hold fewer, all of them.
        weights: of each group, 0 or more.
        sizes: how many each group has.
    """
    given = [0] * len(sizes)
    left = min(samples, sum(size for size, weight in zip(sizes, weights, strict=True) if weight > 0))
    while left:
        open_ = [place for place, size in enumerate(sizes) if given[place] < size and weights[place] > 0]
        total = math.fsum(weights[place] for place in open_)
        exact = [left * weights[place] / total for place in open_]
        parts = [math.floor(share) for share in exact]
        rest = sorted(range(len(open_)), key=lambda at: (parts[at] - exact[at], at))
        for at in rest[: left - sum(parts)]:
            parts[at] += 1
        for place, part in zip(open_, parts, strict=True):
            taken = min(part, sizes[place] - given[place])
            given[place] += taken
            left -= taken
    return tuple(given)
