"""What counts as right: computed by the lesson's code, held against what a person gives. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NUMBER = re.compile(r"[-+−]?\d+(?:[.,]\d+)?(?:e[-+−]?\d+)?|[-+−]?[.,]\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """A number is right if it is near enough.

    Attributes:
        value: what was computed.
        within: how far off is right still, in the same unit.
        unit: as it stands beside the field, such as ``dB``; ``%`` asks for percent, so that 12.5 is meant by "12.5".
        said: what stands in the slots of the question's texts.
    """

    value: float
    within: float
    unit: str = ""
    said: Mapping[str, str] = field(default_factory=dict)

    def is_right(self, given: str) -> bool:
        """Whether what was typed is near enough."""
        number = read(given)
        return number is not None and abs(number - self.value) <= self.within * (1 + 1e-9)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several is right, or more than one where they are equally good.

    Attributes:
        options: all, as they stand on the page.
        right: those that count.
        said: what stands in the slots of the question's texts.
    """

    options: tuple[str, ...]
    right: tuple[str, ...]
    said: Mapping[str, str] = field(default_factory=dict)

    def is_right(self, given: str) -> bool:
        """Whether one was picked that counts."""
        return given in self.right


Answer = Number | Choice


def read(text: str) -> float | None:
    """The number that somebody typed, with a point or a comma and whatever unit after it; None where there is none."""
    found = _NUMBER.match(text.strip())
    return float(found[0].replace(",", ".").replace("−", "-")) if found else None
