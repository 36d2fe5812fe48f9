"""Peak over RMS of blocks, and where an integer block format and a float one of the same width change places."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr
from torch import Tensor

from qdebug.measure.intervals import Z

Array = NDArray[np.float64]

MX_OVERHEAD, NV_OVERHEAD = 1.5, 1.05
"""How much larger than ideal a scale is on average, as Chen et al. assume: a power of two (E8M0), and E4M3."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

_CHUNK = 1 << 20
"""Values whose crest factors are found at once."""


class CrestFactors(NamedTuple):
    """What :func:`crest_factors` returns."""

    edges: Array
    """Of equal bins from 1 to √size, ``[bins + 1]``."""
    counts: NDArray[np.int64]
    """Blocks in each bin, ``[bins]``."""
    quantiles: Array
    """At the levels asked for; NaN without a block."""
    skipped_zero: int
    """Blocks that are zero throughout."""
    skipped_nonfinite: int
    """Blocks with a NaN or Inf."""


class Crossing(NamedTuple):
    """What :func:`measured_crossing` returns."""

    crest: float
    """The crest factor at which both have the same mean error; infinite where the integer quantizer is better in all
    bins (from ``low``, the last of them, on nothing is known), 0 where the float one is (below ``high``, the first)."""
    low: float
    """The lower end of its interval at 95 %."""
    high: float
    """The upper end."""


class FloatElement(NamedTuple):
    """A small float as the theory sees it."""

    mantissa: int
    """Bits of the mantissa."""
    bias: int
    """Of the exponent."""
    largest: float
    """The largest finite value."""


E4M3, E2M3, E2M1 = FloatElement(3, 7, 448.0), FloatElement(3, 1, 7.5), FloatElement(1, 1, 6.0)
"""The elements of MXFP8, of MXFP6, and of MXFP4 and NVFP4."""


def crest_factors(x: Tensor, size: int, levels: Sequence[float] = QUANTILES, bins: int = 64) -> CrestFactors:
    """The crest factor, max |x| / RMS, of each block of ``size`` values along the rows.

    It lies between 1 (all of one magnitude) and √size (a single value that is not zero). The last block of a row may be
    shorter, as with groups of weights.

    Args:
        x: ``[R, C]``.
        size: of a block, at least 1.
        levels: of the quantiles, 0 … 1.
        bins: of the histogram.

    Raises:
        ValueError: ``x`` is no matrix, or a block has no values.
    """
    if x.dim() != 2 or size < 1:
        raise ValueError(f"blocks of {size} need a matrix, not the shape {tuple(x.shape)}")
    found, zero, bad = [np.empty(0)], 0, 0
    step = max(1, _CHUNK // max(x.shape[1], 1))
    whole = x.shape[1] // size * size
    for start in range(0, x.shape[0], step):
        rows = x[start : start + step].detach().double()
        for part, length in ((rows[:, :whole], size), (rows[:, whole:], x.shape[1] - whole)):
            if not part.numel():
                continue
            blocks = part.reshape(-1, length)
            peak = blocks.abs().amax(1)  # NaN where there is one
            finite, some = torch.isfinite(peak), peak > 0
            zero, bad = zero + int((peak == 0).sum()), bad + int((~finite).sum())
            kept, peak = blocks[finite & some], peak[finite & some, None]
            # Divided by the peak first, so that no square underflows.
            found.append((1 / (kept / peak).square().mean(1).sqrt()).numpy())
    factors = np.concatenate(found)
    edges = np.linspace(1.0, max(math.sqrt(size), 1.0 + 1e-6), bins + 1)
    counts, _ = np.histogram(np.clip(factors, edges[0], edges[-1]), edges)
    quantiles = np.quantile(factors, levels) if factors.size else np.full(len(levels), np.nan)
    return CrestFactors(edges, counts.astype(np.int64), quantiles, zero, bad)


def integer_qsnr(crest: ArrayLike, width: int, overhead: float = MX_OVERHEAD, size: int | None = None) -> Array:
    """The QSNR in dB of a block integer format for Gaussian blocks of one crest factor κ.

    Chen et al. 2025, "INT v.s. FP: A Comprehensive Study of Fine-Grained Low-bit Quantization Formats"
    (arXiv 2510.25602): ``4.78 + 6.02 b − 20 log10 ρ − 20 log10 κ``, the uniform noise of a step 2ρκσ / 2^b; with the
    constants rounded as there (with exact ones MXINT8 and MXFP8 cross at 7.54 rather than at the published 7.55).

    Args:
        crest: κ, any shape.
        width: bits b.
        overhead: ρ, the scale over the ideal one.
        size: of a block, where the peak is coded without an error because its scale is fine (NV formats):
            ``10 log10(size / (size − 1))`` more; None where it is not (MX).
    """
    exact_peak = 0.0 if size is None else 10 * math.log10(size / (size - 1))
    return 4.78 + 6.02 * width - 20 * np.log10(overhead * np.asarray(crest, np.float64)) + exact_peak


def float_qsnr(
    crest: ArrayLike, element: FloatElement, overhead: float = MX_OVERHEAD, size: int | None = None
) -> Array:
    """The QSNR in dB of a block float format for Gaussian blocks of one crest factor κ (source as above).

    The noise over the power is ``α w + β (ρκ)² p + z``: normal values have the relative noise α = 1 / (24 · 4^M) of
    their share w of the power; subnormal ones, a share p of all values, uniform noise of the step 2^(1 − B − M); and
    what is rounded to zero loses its share z of the power. The authors' published program takes the three regions to
    begin at the smallest normal value and at half the smallest subnormal one.

    Args:
        crest: κ, any shape.
        element: M, B and the largest value.
        overhead: ρ, the scale over the ideal one.
        size: of a block, where the peak is coded without an error (NV formats): its share κ² / size of the power is no
            part of w then; None where it is not (MX).
    """
    kappa, (m, b, largest) = np.asarray(crest, np.float64), element
    unit = overhead * kappa / largest  # of the element's grid, in standard deviations
    zero, normal = unit * 2.0 ** (-b - m), unit * 2.0 ** (1 - b)
    kept = 2 * (normal * _density(normal) + ndtr(-normal))
    if size is not None:
        kept = np.maximum(kept - kappa**2 / size, 0.0)
    step = unit * 2.0 ** (1 - b - m)
    lost = 2 * ndtr(zero) - 1 - 2 * zero * _density(zero)
    return -10 * np.log10(kept / (24 * 4.0**m) + step**2 / 12 * 2 * (ndtr(normal) - ndtr(zero)) + lost)


def theoretical_crossing(
    width: int, element: FloatElement, overhead: float = MX_OVERHEAD, size: int | None = None
) -> float:
    """The crest factor below which the integer format has the higher QSNR in theory, with the float element above it.

    Chen et al. 2025 print 7.55 for MXINT8 and MXFP8 (E4M3), 1.96 for MXINT6 and MXFP6 (E2M3), 2.04 for MXINT4 and
    MXFP4 with ρ = 1.5, and 2.39 for NVINT4 and NVFP4 with blocks of 16, which needs ρ = 1.05 (2.46 with ρ = 1).

    What the theory leaves out shows in :func:`measured_crossing`: a symmetric INT4 has 7 steps to its peak, not 8,
    which is 1.2 dB, so that on Gaussian blocks MXINT4 and NVINT4 lose earlier (NV: 2.28; MX: about 1.8); and no block
    of 32 has a crest factor above √32 = 5.66, so that MXINT8 never meets its crossing.

    Raises:
        ValueError: the two do not change places between 1 and 100.
    """
    from scipy.optimize import brentq  # a fifth of a second that a start need not wait for

    def gain(crest: float) -> float:
        one, two = integer_qsnr(crest, width, overhead, size), float_qsnr(crest, element, overhead, size)
        return float(one - two)

    found: Any = brentq(gain, 1.0, 100.0, xtol=1e-9)
    return float(found)


def measured_crossing(
    quantize_int: Callable[[Tensor], Tensor], quantize_float: Callable[[Tensor], Tensor], size: int,
    blocks: int = 200_000, seed: int = 0, bins: int = 40,
) -> Crossing:  # fmt: skip
    """The crest factor at which two block quantizers have the same mean error, measured on Gaussian blocks.

    Blocks of independent N(0, 1) values are scaled by a random power 2^u, u uniform in [0, 1), so that scales that are
    powers of two meet every phase. Their relative errors ‖x − x̂‖² / ‖x‖² are averaged in bins of equally many blocks,
    sorted by crest factor. Where the difference of the means (float less integer, of the same blocks) changes from
    above to below zero, the crossing is read off a line; the outermost change is taken if noise makes several. The
    interval is that of the difference's standard error around there over the line's slope.

    Args:
        quantize_int: ``[n, size]`` → ``[n, size]``, float32; the better one at low crest factors.
        quantize_float: likewise.
        size: of a block.
        blocks: how many are drawn.
        seed: of the draw.
        bins: of equally many blocks each.

    Returns:
        The crossing and its interval at 95 %. Gaussian blocks do not have all crest factors: for 32 values nearly all
        lie between 1.5 and 3.7, and none above √32.
    """
    random = np.random.default_rng(seed)
    crests, gains = np.empty(blocks), np.empty(blocks)
    step = max(1, _CHUNK // size)
    for start in range(0, blocks, step):
        count = min(step, blocks - start)
        drawn = random.standard_normal((count, size)) * 2.0 ** random.random((count, 1))
        x = torch.from_numpy(drawn.astype(np.float32))
        power, part = x.double().square().sum(1), slice(start, start + count)
        crests[part] = (x.double().abs().amax(1) / (power / size).sqrt()).numpy()
        one, two = ((x.double() - q(x).double()).square().sum(1) / power for q in (quantize_int, quantize_float))
        gains[part] = (two - one).numpy()
    order = np.array_split(np.argsort(crests, kind="stable"), bins)
    centre = np.array([crests[of].mean() for of in order])
    gain = np.array([gains[of].mean() for of in order])
    error = np.array([gains[of].std(ddof=1) / math.sqrt(len(of)) for of in order])
    return _zero_of(centre, gain, error)


def _zero_of(at: Array, gain: Array, error: Array) -> Crossing:
    """Where a falling curve through points with standard errors is zero, from a line through the points around."""
    if gain[-1] > 0:
        return Crossing(math.inf, float(at[-1]), math.inf)
    if not np.any(gain > 0):
        return Crossing(0.0, 0.0, float(at[0]))
    last = int(np.flatnonzero(gain > 0)[-1])
    near = slice(max(last - 2, 0), last + 4)
    x, weight = at[near], 1 / np.maximum(error[near], 1e-300) ** 2
    middle = float(weight @ x / weight.sum())
    level = float(weight @ gain[near] / weight.sum())
    spread = float(weight @ (x - middle) ** 2)
    slope = float(weight @ ((x - middle) * gain[near])) / spread
    crest = middle - level / slope
    half = Z * math.sqrt(1 / weight.sum() + (crest - middle) ** 2 / spread) / abs(slope)
    return Crossing(crest, crest - half, crest + half)


def _density(z: Array) -> Array:
    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
