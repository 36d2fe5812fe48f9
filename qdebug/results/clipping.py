"""What a clip limit costs on either side."""

from __future__ import annotations

from qdebug.results.base import Result


class ClipCurve(Result, frozen=True, kw_only=True):
    """The error of one tensor against its symmetric clip limit.

    Attributes:
        format: the plan's label, such as ``int4``.
        largest: the largest magnitude in the tensor.
        parts: the limits that were tried, as parts of it, rising to 1.
        clipping: at each limit the mean squared error of the values beyond it.
        rounding: at each limit that of all others.
    """

    format: str
    largest: float
    parts: tuple[float, ...]
    clipping: tuple[float, ...]
    rounding: tuple[float, ...]

    @property
    def whole(self) -> tuple[float, ...]:
        """At each limit both together."""
        return tuple(cut + moved for cut, moved in zip(self.clipping, self.rounding, strict=True))

    @property
    def best(self) -> int:
        """The place of the limit with the least error."""
        return min(range(len(self.parts)), key=self.whole.__getitem__)
