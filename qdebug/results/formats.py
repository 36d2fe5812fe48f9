"""Answers about number formats on the values of one tensor or distribution."""

from __future__ import annotations

from typing import Literal

from qdebug.results.base import Result

DISTRIBUTIONS: dict[str, str] = {
    "gaussian": "Gaussian", "laplace": "Laplace", "student": "Student t, 4 degrees of freedom", "uniform": "Uniform",
    "outliers": "Gaussian with four outlier channels", "relu": "Gaussian after ReLU",
}  # fmt: skip
"""Textbook distributions that formats can be tried on, with their titles."""


class Values(Result, frozen=True, kw_only=True):
    """Which values are looked at: a layer's weight or input, or, where ``layer`` is empty, a distribution."""

    layer: str = ""
    tensor: Literal["weight", "activation"] = "weight"
    distribution: str = ""


class FormatRow(Result, frozen=True, kw_only=True):
    """One format on these values.

    Attributes:
        notation: what the command line calls it (``int4g32``); ``format`` the format's own name, ``family`` its kind.
        bits: per value, with its part of scales and codebooks at the tensor's full size.
        sqnr_db: signal to quantization noise; None where there is no error or no signal.
        rotated_sqnr_db: the same after a randomized Hadamard rotation of each row.
    """

    notation: str
    format: str
    family: str
    bits: float
    sqnr_db: float | None
    rotated_sqnr_db: float | None


class CrestPair(Result, frozen=True, kw_only=True):
    """An integer block format and the float one of its width.

    Attributes:
        integer, float_: their names.
        crossing: the crest factor below which the integer format has the smaller error, in theory (Gaussian blocks).
        below: the share of blocks whose crest factor lies below it.
        gain_db: what was measured on these values: SQNR of the integer format less that of the float one; None where
            one of them has none.
    """

    integer: str
    float_: str
    crossing: float
    below: float
    gain_db: float | None


class CrestView(Result, frozen=True, kw_only=True):
    """Crest factors, peak over RMS, of blocks of ``size`` values: counts in equal bins, the median, and the pairs."""

    size: int
    low: float
    high: float
    counts: tuple[int, ...]
    median: float
    pairs: tuple[CrestPair, ...]


class FormatComparison(Result, frozen=True, kw_only=True):
    """All formats on the same values.

    Attributes:
        values: which.
        count: values looked at; ``total``: values there are. Where there are very many, rows are left out evenly, and
            of a layer's input only the first samples are taken.
        columns: values in a row, along which groups and blocks lie.
        rows: one per format, the least error first.
        limit: ``(bits, SQNR in dB)`` of the rate-distortion limit for independent values with this histogram.
        rotation: how many values of a row a rotation mixes; 1 where a row's length has no factor of two.
        crests: for blocks of 32 (MX) and 16 (NV).
    """

    values: Values
    count: int
    total: int
    columns: int
    rows: tuple[FormatRow, ...]
    limit: tuple[tuple[float, float], ...]
    rotation: int
    crests: tuple[CrestView, ...]
    seconds: float
