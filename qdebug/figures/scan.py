"""A checkpoint's tensors: what stands out in words, how magnitudes are spread, and what formats would lose."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, count, decibel, many, size, small_share, three, times
from qdebug.figures.text import plain, plural
from qdebug.formats import split_name
from qdebug.results import AddedError, Scan, ScannedTensor, StoredStats
from qdebug.results.scan import PEAKS

_SUPER = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_TICKS = 8


def scan_verdict(found: Scan) -> str:
    """What stands out most, in a sentence without its full stop."""
    if found.findings:
        return found.findings[0].rstrip(".")
    return f"Nothing stands out in {plural(len(found.tensors), 'tensor')}"


def scan_facts(found: Scan) -> str:
    """What the files are, in a line."""
    named = [found.facts[key] for key in ("general.name", "general.architecture") if key in found.facts]
    parts = [
        *named, f"{found.source}, {plural(len(found.files), 'file')}", plural(len(found.tensors), "tensor"),
        f"{many(found.params)} weights", size(found.nbytes), f"{three(found.bits)} bits per weight",
    ]  # fmt: skip
    return ", ".join(parts)


def tensor_facts(one: ScannedTensor) -> str:
    """A tensor's shape, type and values, in a line."""
    shape = "×".join(map(str, one.shape)) or "one value"
    parts = [shape, one.kind, size(one.nbytes)]
    if one.stats and one.stats.low is not None:
        stats = one.stats
        parts += [
            f"{three(stats.low)} … {three(stats.high)}", f"mean {three(stats.mean)}", f"std {three(stats.std)}",
            f"{small_share(stats.zeros / stats.count)} zeros",
        ]  # fmt: skip
    if one.stats and (odd := one.stats.nans + sum(one.stats.infinities)):
        parts.append(f"{colours.TROUBLE_MARK} {count(odd)} NaN or Inf")
    return ", ".join(parts)


def spread_finding(stats: StoredStats) -> str:
    """How far values reach beyond their root mean square."""
    if stats.crest is None:
        return "All values are zero" if stats.absmax == 0 else "No value is finite"
    if not any(stats.outliers):
        return f"Values reach {times(stats.crest)} their RMS, and none lies beyond {PEAKS[0]}×"
    place = max(place for place, part in enumerate(stats.outliers) if part)
    beyond = f"{small_share(stats.outliers[place])} lie beyond {PEAKS[place]}×"
    return f"Values reach {times(stats.crest)} their RMS; {beyond}"


def octave_histogram(stats: StoredStats, *, dark: bool, height: int = 230) -> go.Figure:
    """Counts of values by the power of two of their magnitude, for either sign.

    Args:
        stats: of one tensor.
        dark: whether it stands on dark ground.
        height: pixels.
    """
    figure = template.blank(plain(spread_finding(stats)), dark=dark, height=height)
    if stats.top is None or not stats.rms:
        return figure
    used = max(place for place in range(len(stats.above)) if stats.above[place] or stats.below[place]) + 1
    exponents = [stats.top - place for place in range(used)]
    sides = ("above zero", stats.above, colours.PLAIN), ("below zero", stats.below, colours.NEGATIVE)
    for name, counts, tone in sides:
        figure.add_bar(
            x=exponents, y=[n or None for n in counts[:used]], name=name, marker={"color": tone.on(dark)},
            customdata=[_power(exponent) for exponent in exponents],
            hovertemplate=f"%{{y:,}} values {name}<br>from %{{customdata}} up to twice that<extra></extra>",
        )  # fmt: skip
    limit = math.log2(stats.rms * PEAKS[1]) - 0.5
    if limit < stats.top + 1:
        figure.add_vline(x=limit, line={"color": colours.TROUBLE.on(dark), "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=limit, y=1.0, yref="paper", text=f"{PEAKS[1]} RMS", showarrow=False, yanchor="bottom",
            font={"size": 11, "color": colours.TROUBLE_TEXT.on(dark)},
        )  # fmt: skip
    shown = exponents[:: max(1, math.ceil(used / _TICKS))]
    figure.update_layout(
        barmode="group", bargap=0.15, bargroupgap=0.0, showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.08, "yanchor": "bottom", "font": {"size": 11}},
        xaxis={"title": {"text": "magnitude"}, "showgrid": False, "tickvals": shown,
               "ticktext": [_power(exponent) for exponent in shown]},
        yaxis={"title": {"text": "values"}, "type": "log", "dtick": 1, "nticks": 4},
    )  # fmt: skip
    return figure


def loss_finding(one: ScannedTensor) -> str:
    """Which of the formats tried keeps most and which least."""
    known = sorted((error.sqnr_db, error.notation) for error in one.added if error.sqnr_db is not None)
    if not known:
        return "No format tried adds an error" if one.added else "No format was tried"
    (low, worst), (high, best) = known[0], known[-1]
    if worst == best:
        return f"{best} keeps {decibel(high)}{NBSP}dB"
    return f"{best} keeps {decibel(high)}{NBSP}dB, {worst} only {decibel(low)}"


def loss_bars(one: ScannedTensor, totals: tuple[AddedError, ...], *, dark: bool) -> go.Figure:
    """The SQNR of each format on a tensor, with that over all tensors as a mark.

    Args:
        one: the tensor.
        totals: the same formats over all tensors.
        dark: whether it stands on dark ground.
    """
    figure = template.blank(plain(loss_finding(one)), dark=dark, height=60 + 30 * len(one.added))
    names = [error.notation for error in one.added]
    figure.add_bar(
        y=names, x=[error.sqnr_db for error in one.added], orientation="h", width=0.6,
        marker={"color": [colours.of_format((split_name(name) or (name, ""))[0], dark) for name in names]},
        customdata=[[three(error.bits), three(error.relative)] for error in one.added],
        hovertemplate="%{y}: %{x:.1f} dB, %{customdata[0]} bits,<br>relative error %{customdata[1]}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        y=[total.notation for total in totals], x=[total.sqnr_db for total in totals], mode="markers",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": colours.INK.on(dark)}},
        hovertemplate="%{y} over all tensors: %{x:.1f} dB<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        xaxis={"title": {"text": "SQNR, dB (marks: all tensors)"}, "rangemode": "tozero"},
        # The numbers stand with the names: behind the bars they would run into the marks.
        yaxis={"autorange": "reversed", "showgrid": False, "tickfont": {"family": template.MONO, "size": 11},
               "tickmode": "array", "tickvals": names,
               "ticktext": [f"{plain(error.notation)} {decibel(error.sqnr_db):>5}" for error in one.added]},
    )  # fmt: skip
    return figure


def _power(exponent: int) -> str:
    return "2" + str(exponent).translate(_SUPER)
