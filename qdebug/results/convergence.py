"""How the clip range of an activation settles as calibration sees more samples."""

from __future__ import annotations

from qdebug.results.base import Result


class RangeConvergence(Result, frozen=True, kw_only=True):
    """One range method.

    Attributes:
        method: its name, such as ``mse``.
        low, high: the clip range it would choose after each number of samples; both 0 where nothing finite was seen.
        settled: the smallest number of samples from which on both limits stay within the tolerance of the final ones.
    """

    method: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    settled: int


class Convergence(Result, frozen=True, kw_only=True):
    """All range methods of one activation.

    Attributes:
        format: the format that the ranges are for, as people read it.
        samples: the numbers of samples, rising; the last is all of them.
        tolerance: how far from the final limits still counts as settled, as a share of the final range's width.
        methods: one entry per method.
    """

    format: str = ""
    samples: tuple[int, ...]
    tolerance: float
    methods: tuple[RangeConvergence, ...]
