"""Scales of a close-up: colours of numbers, and an axis that shows the small beside the large."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from qdebug.figures import colours
from qdebug.figures.numbers import three

_STOPS = 8


def signed(dark: bool) -> list[tuple[float, str]]:
    """Below zero purple, above it ink, zero the ground.

    Colour grows with the root of the magnitude, so that what is small beside an outlier is still seen.
    """
    below, above = (
        [(part, mixed(colours.GROUND.on(dark), end.on(dark), part)) for part in _parts()]
        for end in (colours.NEGATIVE, colours.INK)
    )
    return [(0.5 - part**2 / 2, tone) for part, tone in reversed(below)] + [
        (0.5 + part**2 / 2, tone) for part, tone in above[1:]
    ]


def amount(dark: bool) -> list[tuple[float, str]]:
    """From a light grey to ink."""
    return [(part, mixed(colours.RULE.on(dark), colours.INK.on(dark), part)) for part in _parts()]


def mixed(first: str, second: str, part: float) -> str:
    """A colour between two hex colours."""
    ends = [[int(one[at : at + 2], 16) for at in (1, 3, 5)] for one in (first, second)]
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(*ends, strict=True))


def _parts() -> list[float]:
    return [step / _STOPS for step in range(_STOPS + 1)]


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values stand on an axis.

    Attributes:
        stretch: values stand at ``asinh(value / stretch)``, which is even about zero and logarithmic far from it; None
            for an even axis.
    """

    stretch: float | None = None

    def at(self, value: float) -> float:
        """Where a value stands."""
        return value if self.stretch is None else math.asinh(value / self.stretch)

    def value(self, at: float) -> float:
        """The value that stands there."""
        return at if self.stretch is None else self.stretch * math.sinh(at)

    def ticks(self, low: float, high: float) -> dict[str, Any]:
        """Marks between two values: zero and powers of ten where the axis is stretched, else Plotly's own."""
        if self.stretch is None:
            return {"nticks": 6}
        first, last = math.ceil(math.log10(self.stretch)), math.floor(math.log10(max(-low, high)))
        step = max(1, -(-(last - first + 1) // 3))
        powers = [10.0**power for power in range(last, first - 1, -step)]
        chosen = [value for value in (*(-one for one in powers), 0.0, *powers) if low <= value <= high]
        return {"tickvals": [self.at(value) for value in chosen], "ticktext": [_short(value) for value in chosen]}


def _short(value: float) -> str:
    """A power of ten as a tick says it."""
    return f"{value:,.0f}".replace("-", "\u2212") if 1 <= abs(value) < 1e5 else three(value).replace("1.00×", "")
