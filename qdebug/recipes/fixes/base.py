"""What every fix shares."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

Stage = Literal["equivalent", "basis", "grid", "rounding", "residual", "training", "correction"]
STAGES: tuple[Stage, ...] = ("equivalent", "basis", "grid", "rounding", "residual", "training", "correction")
"""The order in which fixes are applied, whatever order a recipe names them in.

``equivalent`` rewrites weights so that the float network computes the same; what follows chooses how these are
quantized: ``basis`` what a layer's weight and input are quantized in, ``grid`` the scales and zero points, ``rounding``
which code each weight gets, ``residual`` what is kept of the error beside, ``training`` all of it anew; ``correction``
measures what is left and takes it out of the biases.
"""

Pace = Literal["live", "seconds", "minutes"]
"""How long a fix takes on a model of some hundred thousand weights: whether it can follow a click."""


NO_GUARD = (
    "Nothing keeps it from making a layer's output worse than rounding to nearest does: a trial shows where it does."
)


class BaseFix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method"):
    """A fix is a value, and its name stands under ``method``."""

    stage: ClassVar[Stage]
    pace: ClassVar[Pace]
    title: ClassVar[str]
    about: ClassVar[str]
    """What it does, in two or three sentences for people."""
    caution: ClassVar[str] = ""
    """What it does not promise, a sentence: empty where no layer ends further off than with rounding to nearest."""
    cures: ClassVar[str]
    """What it cures, a word or two that cards are grouped by."""
    source: ClassVar[str]

    @property
    def looks_at_data(self) -> bool:
        """Whether what it finds depends on calibration data."""
        return True
