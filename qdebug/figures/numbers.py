"""How numbers are written: three significant digits, units, a true minus. Every screen and figure writes them here."""

from __future__ import annotations

import math

from qdebug.results.score import Metric, is_fraction, metric_words

NBSP = "\u00a0"
MINUS = "\u2212"
NONE = "\u2013"
_SUPER = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

#: What an output without any error is given as SQNR, in decibels, so that the metric stays a number.
NO_ERROR_DB = 150.0


def _signed(text: str, signed: bool) -> str:
    if text.startswith("-"):
        return MINUS + text[1:]
    return "+" + text if signed and text.strip("0.,") else text


def three(value: float | None, *, signed: bool = False) -> str:
    """Three significant digits: ``0.0412``, ``48.0``, ``12,300``, ``1.23×10⁻⁵``; a dash for nothing.

    >>> three(-1234.5), three(0.04119), three(2.5e-6)
    ('−1,230', '0.0412', '2.50×10⁻⁶')
    """
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return _signed("-∞" if value < 0 else "∞", signed)
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    power = int(exponent)
    if not -3 <= power < 6:
        return _signed(f"{mantissa}×10{str(power).translate(_SUPER)}", signed)
    return _signed(f"{float(f'{value:.2e}'):,.{max(0, 2 - power)}f}", signed)


def count(value: int) -> str:
    """A whole number with separators: ``1,280``."""
    return f"{value:,}"


def many(value: int) -> str:
    """A whole number, from a million on in three digits: ``12,345``, ``1.23 million``."""
    for unit, size in (("billion", 10**9), ("million", 10**6)):
        if value >= 0.9995 * size:
            return f"{three(value / size)}{NBSP}{unit}"
    return count(value)


def all_but(fraction: float) -> str:
    r"""What is left of a whole without a small part, in percent and never rounded up to all: ``99.998 %``.

    >>> all_but(2e-5), all_but(0.031), all_but(0)
    ('99.998\xa0%', '96.9\xa0%', '100\xa0%')
    """
    if fraction == 0:
        return f"100{NBSP}%"
    digits = max(1, math.ceil(-math.log10(100 * fraction)))
    return f"{100 * (1 - fraction):.{digits}f}{NBSP}%"


def percent(fraction: float | None, *, signed: bool = False) -> str:
    """A fraction of one in percent: ``99.4 %``."""
    return NONE if fraction is None else three(100 * fraction, signed=signed) + NBSP + "%"


def share(fraction: float) -> str:
    """A part of a whole, as coarse as the eye needs it: ``48 %``, ``0.4 %``, ``<0.1 %``."""
    if fraction == 0:
        return f"0{NBSP}%"
    if fraction < 0.001:
        return f"<0.1{NBSP}%"
    return f"{100 * fraction:.{0 if fraction >= 0.00995 else 1}f}{NBSP}%"


def small_share(fraction: float) -> str:
    """A part of a whole that may be tiny, in percent with two digits: ``3.1 %``, ``0.0021 %``."""
    if fraction == 0:
        return f"0{NBSP}%"
    value = 100 * fraction
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}{NBSP}%"


def points(difference: float, *, signed: bool = True) -> str:
    """A difference of two fractions in percentage points, without the word: ``−89.8``."""
    return three(100 * difference, signed=signed)


def decibel(value: float | None) -> str:
    """One decimal: ``38.2``. The unit stands in the axis or header."""
    return NONE if value is None else _signed(f"{value:.1f}", False)


def times(ratio: float) -> str:
    """How many times: ``48×``, ``3.9×``."""
    return (f"{ratio:,.0f}" if ratio >= 9.95 else f"{ratio:.1f}") + "×"


def size(number: int) -> str:
    """Bytes in the largest unit that keeps the number above one: ``340 kB``, ``1.34 MB`` (decimal units)."""
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return (three(value) if unit != "B" else f"{number}") + NBSP + unit


def seconds(value: float) -> str:
    """A duration: ``12 ms``, ``0.21 s``, ``3 min 20 s``."""
    if value < 0.0995:
        return f"{max(1, round(value * 1000))}{NBSP}ms"
    if value < 60:
        return f"{value:.{2 if value < 1 else 1}f}{NBSP}s"
    return f"{int(value // 60)}{NBSP}min {int(value % 60)}{NBSP}s"


def whole_seconds(value: float) -> str:
    """An estimated duration, which has no decimals: ``4 s``, ``1 min 20 s``."""
    return f"{value:.0f}{NBSP}s" if value < 60 else seconds(value)


def duration(value: float) -> str:
    """A short time in three digits: ``412 µs``, ``12.3 ms``, ``1.04 s``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= 0.9995 * size:
            return f"{three(value / size)}{NBSP}{unit}"
    return f"{three(value * 1e6)}{NBSP}µs"


def metric_value(name: str, value: float) -> str:
    """The task metric's value: ``99.4 %``, ``4.31``, ``23.1 dB``."""
    if is_fraction(name):
        return percent(value)
    if name == "sqnr_db":
        return "no error" if value >= NO_ERROR_DB else decibel(value) + NBSP + "dB"
    return f"{value:.4f}".replace("-", "−") if name == "cosine" else three(value)


def metric_change(name: str, delta: float) -> tuple[str, str]:
    """A change of the task metric and its unit: ``("−89.8", "points")``; none for an SQNR, which is a change itself."""
    if is_fraction(name):
        return points(delta), "points"
    return (NONE, "") if name == "sqnr_db" else (three(delta, signed=True), "")


def error_part(sqnr_db: float) -> str:
    """What an SQNR leaves of error, as a part of the output's root mean square: 30 dB are ``3.16 %``."""
    return f"0{NBSP}%" if sqnr_db >= NO_ERROR_DB else percent(10 ** (-sqnr_db / 20))


def metric_interval(name: str, interval: tuple[float, float]) -> str:
    """An interval of the metric without its unit: ``7.41 – 12.4``."""
    if name == "sqnr_db" and interval[1] >= NO_ERROR_DB:
        return NONE
    if name == "cosine":
        return f"{metric_value(name, interval[0])}{NBSP}–{NBSP}{metric_value(name, interval[1])}"
    low, high = (100 * bound if is_fraction(name) else bound for bound in interval)
    return f"{three(low)}{NBSP}–{NBSP}{three(high)}"


def metric_remark(metric: Metric) -> str:
    """What a metric's name does not say: ``in px, lower is better``; empty for those that everybody reads aright."""
    is_known = is_fraction(metric.name) or metric.name in ("perplexity", "cosine", "sqnr_db")
    better = "" if is_known else f"{'higher' if metric.higher_is_better else 'lower'} is better"
    return ", ".join(part for part in (f"in {metric.unit}" if metric.unit else "", better) if part)


def metric_title(name: str) -> str:
    """The metric in words."""
    return metric_words(name)
