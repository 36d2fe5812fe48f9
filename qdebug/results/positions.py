"""Where along a sequence a layer's error lies."""

from __future__ import annotations

from qdebug.results.base import Result

SINK_POWER = 10.0
"""A first position whose output has so many times the power of the median position's is taken for an attention sink."""


class PositionSide(Result, frozen=True, kw_only=True):
    """The error at each position, in the order of ``PositionErrors.positions``.

    Attributes:
        share: its part of the squared error over all positions and samples; zeros where there is no error.
        relative: squared error over the power of the float output, of all samples together; None where that is zero.
        low, high: 95 % interval of ``relative`` over samples; ``high`` is None where one sample alone is there.
    """

    share: tuple[float, ...]
    relative: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]

    @property
    def has_error(self) -> bool:
        """Whether anything is wrong anywhere."""
        return any(self.share)


class PositionErrors(Result, frozen=True, kw_only=True):
    """The error of one layer's output by the position in the sequence.

    Attributes:
        layer: its name.
        recipe: the recipe's digest.
        positions: those that hold a token in some sample, counted from 0.
        counts: in how many samples each does.
        power: the squared float output of each, summed over channels, mean over those samples.
        alone: with this layer alone quantized.
        whole: with everything before it quantized too.
        n: samples.
    """

    layer: str
    recipe: str
    positions: tuple[int, ...]
    counts: tuple[int, ...]
    power: tuple[float, ...]
    alone: PositionSide
    whole: PositionSide
    n: int

    @property
    def first_power(self) -> float:
        """How many times the first position's power is the median position's; 0 where there is nothing to compare."""
        middle = sorted(self.power)[len(self.power) // 2] if self.power else 0.0
        return self.power[0] / middle if middle > 0 else 0.0
