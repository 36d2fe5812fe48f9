"""When the order of layers is settled although not all data were looked at, and how sure that is.

Layers race in the manner of Maron & Moore (1994, Hoeffding races, NIPS 6): all run on a growing part of the data, and
those whose place is settled stop. Two layers are compared on the same samples, by the mean of the differences of their
errors: what makes a sample hard is hard for both and cancels out.

A comparison is looked at after each part but the last, which is exact, and which pairs are compared depends on the
data. So that all claims are right together with the stated confidence, the chance of error is shared out evenly
(Bonferroni) over all pairs of layers in one format, neighbours or not, and all looks.

The confidence is that of the interval of a mean (:func:`~qdebug.measure.assisted.assisted_mean`). It holds as far as
the samples seen, and what is predicted of all, tell of the tail of the others: where one sample in hundreds makes half
of a layer's error, no part without it can know. What can be known is done: a difference that rests on one sample is
left open, and so is one that is predicted to rest on one not yet seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qdebug.measure.assisted import assisted_error, assisted_mean
from qdebug.measure.intervals import skewed_mean

Floats = NDArray[np.float64]
Predicted = Callable[[], Floats | None]
"""What is predicted of a layer's error of each of all samples, those seen first; None where nothing is."""
Verdict = Literal["settled", "tie", "open"]
TIE = 0.05
"""Two errors within this part of the larger one are a tie: which comes first does not matter."""
LONELY = 0.25
"""A difference whose spread is one sample's to so large a part is left open: there may be more like that one."""


@dataclass(frozen=True)
class Race:
    """Layers of one format that compete.

    Attributes:
        count: samples there are in all.
        looks: parts of the data before the last.
        runners: layers.
        confidence: of all claims together.
        predicted: of each layer, if anything is.
    """

    count: int
    looks: int
    runners: int
    confidence: float = 0.95
    predicted: Mapping[str, Predicted] = field(default_factory=dict[str, Predicted])

    @property
    def single(self) -> float:
        """The confidence of each comparison."""
        comparisons = max(self.runners * (self.runners - 1) // 2, 1) * max(self.looks, 1)
        return 1 - (1 - self.confidence) / comparisons

    def verdict(self, worse: Floats, better: Floats, foretold: Floats | None = None) -> Verdict:
        """Whether the first has the larger mean error, as it seems.

        Args:
            worse: errors of the samples from the first on.
            better: errors of the same samples, or of fewer or more of them.
            foretold: the predicted differences of all samples.
        """
        n = min(len(worse), len(better))
        one, two = worse[:n], better[:n]
        if n >= self.count:
            return "tie" if one.mean() == two.mean() else "settled" if _harm(one) > _harm(two) else "open"
        if not (np.isfinite(one).all() and np.isfinite(two).all()):
            return "open"
        if _is_lonely(one - two) or (foretold is not None and _is_lonely(foretold, n)):
            return "open"
        if foretold is None:
            low, high = skewed_mean(one - two, self.count, confidence=self.single)
        else:
            _, low, high = assisted_mean(one - two, foretold, confidence=self.single)
        if low > 0:
            return "settled"
        margin = TIE * max(abs(float(one.mean())), abs(float(two.mean())))
        return "tie" if -margin <= low <= high <= margin else "open"

    def order(self, errors: Mapping[str, Floats]) -> list[str]:
        """Layers by what is known of them, the most harmful first; a mean that is no number comes before all others."""
        harm = {layer: _harm(seen, self._foretold(layer)) for layer, seen in errors.items()}
        return sorted(errors, key=lambda layer: -harm[layer])

    def verdicts(self, errors: Mapping[str, Floats]) -> list[tuple[str, str, Verdict]]:
        """What is known of each two neighbours in the order."""
        return [
            (one, two, self.verdict(errors[one], errors[two], self._difference(one, two)))
            for one, two in pairwise(self.order(errors))
        ]

    def _foretold(self, layer: str) -> Floats | None:
        return self.predicted[layer]() if layer in self.predicted else None

    def _difference(self, one: str, two: str) -> Floats | None:
        first, second = self._foretold(one), self._foretold(two)
        return None if first is None or second is None else first - second


def behind(found: Sequence[tuple[str, str, Verdict]], errors: Mapping[str, Floats]) -> set[str]:
    """The layers that have to go on: of each open pair the one that has seen less, or both."""
    going: set[str] = set()
    for one, two, verdict in found:
        if verdict == "open":
            least = min(len(errors[one]), len(errors[two]))
            going |= {layer for layer in (one, two) if len(errors[layer]) == least}
    return going


def _is_lonely(differences: Floats, start: int = 0) -> bool:
    """Whether one sample from ``start`` on has too large a part of the spread of all."""
    spread = np.square(differences - differences.mean())
    return bool(spread[start:].max() > LONELY * spread.sum())


def _harm(errors: Floats, foretold: Floats | None = None) -> float:
    mean = float(errors.mean()) if foretold is None else assisted_error(errors, foretold).value
    return mean if mean == mean else float("inf")
