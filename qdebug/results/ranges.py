"""How far the values of a layer's input reach, sample by sample and token by token."""

from __future__ import annotations

from qdebug.results.base import Result


class InputRanges(Result, frozen=True, kw_only=True):
    """The ranges of a layer's input for some evaluation samples.

    Attributes:
        layer: whose input it is.
        clip: the calibrated range that serves all samples; None where there is none.
        low: of each sample, the smallest value of each token (of each position of an image).
        high: likewise the largest.
    """

    layer: str
    clip: tuple[float, float] | None
    low: tuple[tuple[float, ...], ...]
    high: tuple[tuple[float, ...], ...]

    @property
    def samples(self) -> tuple[tuple[float, float], ...]:
        """The range of each sample: all of its tokens together."""
        return tuple((min(low), max(high)) for low, high in zip(self.low, self.high, strict=True))

    def tokens(self, sample: int) -> tuple[tuple[float, float], ...]:
        """The range of each token of a sample."""
        return tuple(zip(self.low[sample], self.high[sample], strict=True))
