"""What the tensors of a checkpoint hold, and what formats would add to their error. No model is run for it."""

from __future__ import annotations

from typing import Literal

from qdebug.results.base import Result

PEAKS = (3, 6, 10)
"""Multiples of a tensor's root mean square beyond which magnitudes are counted as outliers."""

OCTAVES = 32
"""Powers of two that a histogram tells apart."""


class StoredStats(Result, frozen=True, kw_only=True):
    """A tensor's values in numbers; NaN and ±Inf are counted, and count for nothing else.

    Attributes:
        count: values, the others among them.
        low, high: the smallest and the largest finite value; None, as all below, where there is none.
        mean, std: of the finite values; the standard deviation is that of the values at hand (divided by their number).
        rms: the root mean square of the finite values.
        absmax: the largest magnitude.
        crest: ``absmax / rms``; None where all are zero.
        zeros, nans, infinities: how many; of infinities below and above.
        outliers: the shares of finite values whose magnitude is beyond :data:`PEAKS` times the root mean square (for
            weights around zero, standard deviations). Exact for stored types of at most 16 bits; for others the limit
            is met to within 0.4 % (where it is a normal float32).
        top: the exponent of the largest power of two that is not above ``absmax``; None where all are zero.
        below, above: how many negative and positive values have a magnitude in ``[2^(top − i), 2^(top − i + 1))``, for
            i = 0 … 31; the last of them counts everything smaller too. A histogram with logarithmic bins: exact, and
            made in one pass, since its bins need no limits beforehand.
    """

    count: int
    low: float | None
    high: float | None
    mean: float | None
    std: float | None
    rms: float | None
    absmax: float | None
    crest: float | None
    zeros: int
    nans: int
    infinities: tuple[int, int]
    outliers: tuple[float, ...]
    top: int | None
    below: tuple[int, ...]
    above: tuple[int, ...]


class AddedError(Result, frozen=True, kw_only=True):
    """What a format would add to a tensor, or to all that it was tried on.

    Attributes:
        notation: the format as the command line writes it.
        bits: per value, with scales.
        relative: squared error over squared values; None where all values are zero.
        sqnr_db: the same as signal to quantization noise; None where there is no error or no signal.
    """

    notation: str
    bits: float
    relative: float | None
    sqnr_db: float | None


class ScannedTensor(Result, frozen=True, kw_only=True):
    """One tensor.

    Attributes:
        name: as the file has it.
        file: the file's name.
        shape: the slowest axis first.
        kind: what the file calls the elements' type.
        nbytes: as stored.
        bits: per value, as stored; None where the type is unknown.
        stats: None where the values could not be read.
        added: a format each, in the order asked for; none for what is no weight (see :func:`qdebug.checkpoint.scan`).
        why: why there are no statistics or errors, in words; empty where there are both.
    """

    name: str
    file: str
    shape: tuple[int, ...]
    kind: str
    nbytes: int
    bits: float | None
    stats: StoredStats | None
    added: tuple[AddedError, ...] = ()
    why: str = ""


class Scan(Result, frozen=True, kw_only=True):
    """A checkpoint, looked through.

    Attributes:
        path: what was asked for.
        source: the files' format.
        files: their names.
        nbytes: of all tensors.
        params: values of all tensors whose values are real numbers.
        bits: per such value, as stored.
        formats: the notations that were tried.
        tensors: in the order of the files.
        totals: each format over all tensors it was tried on: the sum of squared errors over that of squared values.
        facts: what the files say about themselves.
        findings: what a person should know, in sentences; the gravest first.
    """

    path: str
    source: Literal["safetensors", "gguf"]
    files: tuple[str, ...]
    nbytes: int
    params: int
    bits: float
    formats: tuple[str, ...]
    tensors: tuple[ScannedTensor, ...]
    totals: tuple[AddedError, ...]
    facts: dict[str, str]
    findings: tuple[str, ...]
    seconds: float
