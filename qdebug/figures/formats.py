"""Number formats against each other: error by format, and what a bit buys."""

from __future__ import annotations

import itertools

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import MINUS, NBSP, decibel, three
from qdebug.formats import FORMATS
from qdebug.results import FormatComparison, FormatRow

FOUR = (4.0, 4.75)
"""Bits, scales included, of what counts as four-bit formats; a code of theirs has four."""

_NOTABLE = 1.0
"""Decibels from which a difference is worth a remark."""

_MOST_BITS = 9.5


def near_four(rows: tuple[FormatRow, ...]) -> tuple[FormatRow, ...]:
    """The formats of about four bits, the least error first."""
    return tuple(row for row in rows if _is_four(row) and row.sqnr_db is not None)


def _is_four(row: FormatRow) -> bool:
    return FORMATS[row.format].bits == 4 and FOUR[0] <= row.bits <= FOUR[1]


def ranking_finding(comparison: FormatComparison) -> str:
    """Which format serves these values best at four bits, in words."""
    if comparison.rows and all(row.sqnr_db is None for row in comparison.rows):
        return "These values have no error in any format"
    exact = [row for row in comparison.rows if row.sqnr_db is None and _is_four(row)]
    if exact:
        return f"Near 4 bits {min(exact, key=lambda row: row.bits).notation} keeps these values without an error"
    four = near_four(comparison.rows)
    if not four:
        return "No format takes about four bits here: rows are short, and scales weigh"
    best, second = four[0], four[min(1, len(four) - 1)]
    plain = next((row for row in four if row.notation in ("int4-pc", "int4-tok")), second)
    if plain is best or best.sqnr_db is None or plain.sqnr_db is None:
        return f"Near 4 bits {best.notation} keeps most: {decibel(best.sqnr_db)}{NBSP}dB"
    less = decibel(best.sqnr_db - plain.sqnr_db)
    return f"Near 4 bits {best.notation} keeps most: {decibel(best.sqnr_db)}{NBSP}dB, {less} more than {plain.notation}"


def error_bars(comparison: FormatComparison, *, dark: bool, chosen: tuple[str, ...] = ()) -> go.Figure:
    """A bar per format: SQNR, the least error first; a diamond where a rotation first would take it.

    Args:
        comparison: the formats.
        dark: whether it stands on dark ground.
        chosen: formats whose names are set in bold.
    """
    rows = comparison.rows
    figure = template.blank(ranking_finding(comparison), dark=dark, height=44 + 17 * len(rows))
    keys = [row.notation for row in rows]
    widest = max([1.0, *(row.sqnr_db or 0.0 for row in rows)])
    lengths = [max(row.sqnr_db, 0.0) if row.sqnr_db is not None else widest for row in rows]
    figure.add_bar(
        orientation="h", y=keys, x=lengths, width=0.6,
        marker={"color": [colours.of_format(row.format, dark) for row in rows], "line": {"width": 0}},
        customdata=[_hover(row, comparison.rotation) for row in rows],
        hovertemplate="<b>%{customdata[0]}</b> %{customdata[1]} bits per value<br>SQNR %{customdata[2]}<br>"
                      "after a Hadamard rotation %{customdata[3]}<extra></extra>",
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
    )  # fmt: skip
    for row in rows:
        _beside(
            figure, row.notation, "no error" if row.sqnr_db is None else decibel(row.sqnr_db), three(row.bits), dark
        )
    _beside(figure, -0.95, "dB", "bits", dark)
    turned = [row for row in rows if _turned(row) is not None]
    figure.add_scatter(
        x=[_turned(row) for row in turned], y=[row.notation for row in turned], mode="markers", hoverinfo="skip",
        marker={"symbol": "diamond-open", "size": 7, "color": colours.INK.on(dark), "line": {"width": 1.2}},
    )  # fmt: skip
    reach = max([widest, *(row.rotated_sqnr_db or 0.0 for row in turned)])
    bold = {key: f"<b>{key}</b>" if key in chosen else key for key in keys}
    figure.update_layout(
        margin={"l": 8, "r": 104, "t": 8, "b": 8, "pad": 2},
        xaxis={"title": {"text": "SQNR, dB"}, "range": [0, reach * 1.03], "nticks": 6},
        yaxis={"type": "category", "range": [len(rows) - 0.4, -1.5], "showgrid": False,
               "tickmode": "array", "tickvals": keys,
               "ticktext": [bold[key] for key in keys],
               "tickfont": {"family": template.MONO, "size": 11, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure


def _beside(figure: go.Figure, y: str | float, sqnr: str, bits: str, dark: bool) -> None:
    """Two right-aligned columns behind the bars."""
    for text, shift, tone in ((sqnr, 50, colours.INK), (bits, 96, colours.MUTED)):
        figure.add_annotation(
            x=1, xref="paper", y=y, text=text, xanchor="right", xshift=shift, showarrow=False,
            font={"size": 11, "color": tone.on(dark)},
        )  # fmt: skip


def rate_finding(comparison: FormatComparison) -> str:
    """How near the formats come to what is possible, or what a rotation gains, in words."""
    four = near_four(comparison.rows)
    turned = [(_turned(row), row) for row in four]
    gains = [(value - (row.sqnr_db or 0.0), row) for value, row in turned if value is not None]
    if gains:
        gain, row = max(gains, key=lambda pair: pair[0])
        if gain >= _NOTABLE:
            return f"A rotation first would gain {decibel(gain)}{NBSP}dB for {row.notation}"
    gaps = [
        (at_rate(comparison.limit, row.bits) - row.sqnr_db, row)
        for row in four
        if row.sqnr_db is not None and comparison.limit
    ]
    if not gaps:
        return "SQNR against bits per value"
    gap, row = min(gaps, key=lambda pair: pair[0])
    if gap < 0:
        return f"{row.notation} passes the limit for independent values: rows differ, and its scales know it"
    return f"{row.notation} is {decibel(gap)}{NBSP}dB from what any code could keep of independent values"


def at_rate(limit: tuple[tuple[float, float], ...], bits: float) -> float:
    """The limit's SQNR at so many bits, between its points."""
    for (low, below), (high, above) in itertools.pairwise(limit):
        if low <= bits <= high:
            return below + (above - below) * (bits - low) / (high - low)
    return limit[-1][1]


def rate_figure(
    comparison: FormatComparison, *, dark: bool, chosen: tuple[str, ...] = (), height: int = 320
) -> go.Figure:
    """SQNR against bits per value: every format, where a rotation would take it, and the rate-distortion limit."""
    figure = template.blank(rate_finding(comparison), dark=dark, height=height)
    rows = [row for row in comparison.rows if row.bits <= _MOST_BITS and row.sqnr_db is not None]
    limit = [(bits, value) for bits, value in comparison.limit if bits <= _MOST_BITS]
    if limit:
        figure.add_scatter(
            x=[bits for bits, _ in limit], y=[value for _, value in limit], mode="lines", hoverinfo="skip",
            line={"color": colours.MUTED.on(dark), "width": 1.5, "dash": "dot"},
        )  # fmt: skip
        at = next((point for point in limit if point[0] >= 5.5), limit[-1])
        figure.add_annotation(
            x=at[0], y=at[1], text="limit for independent values", showarrow=False, xanchor="right", yanchor="bottom",
            xshift=-6, font={"size": 11, "color": colours.MUTED.on(dark)},
        )  # fmt: skip
    turned = [row for row in rows if _turned(row) is not None]
    figure.add_scatter(
        x=[value for row in turned for value in (row.bits, row.bits, None)],
        y=[value for row in turned for value in (row.sqnr_db, _turned(row), None)],
        mode="lines", hoverinfo="skip", line={"color": colours.RULE.on(dark), "width": 1},
    )  # fmt: skip
    for symbol, value in (("diamond-open", _turned), ("circle", lambda row: row.sqnr_db)):
        found = [row for row in rows if value(row) is not None]
        figure.add_scatter(
            x=[row.bits for row in found], y=[value(row) for row in found], mode="markers",
            marker={"symbol": symbol, "size": [11 if row.notation in chosen else 7 for row in found],
                    "color": [colours.of_format(row.format, dark) for row in found]},
            customdata=[_hover(row, comparison.rotation) for row in found],
            hovertemplate="<b>%{customdata[0]}</b> %{customdata[1]} bits per value<br>SQNR %{customdata[2]}<br>"
                          "after a Hadamard rotation %{customdata[3]}<extra></extra>",
        )  # fmt: skip
    for row in rows:
        if row.notation in chosen:  # two at most: one name on each side of its mark, so that they do not meet
            side = -1 if row.notation == chosen[0] else 1
            figure.add_annotation(x=row.bits, y=row.sqnr_db, text=f"<b>{row.notation}</b>", showarrow=False,
                                  xanchor="right" if side < 0 else "left", xshift=9 * side, yshift=2 * side,
                                  font={"size": 11})  # fmt: skip
    lowest = min([0.0, *(row.sqnr_db or 0.0 for row in rows)])
    top = max([10.0, *(row.sqnr_db or 0.0 for row in rows), *(row.rotated_sqnr_db or 0.0 for row in turned)])
    figure.update_layout(
        xaxis={"title": {"text": "bits per value, scales included"}, "range": [0, _MOST_BITS], "dtick": 1},
        yaxis={"title": {"text": "SQNR, dB"}, "range": [lowest - 2, top * 1.08], "nticks": 6},
    )  # fmt: skip
    return figure


def _turned(row: FormatRow) -> float | None:
    """Where a rotation would take a format, if one can be made."""
    return None if row.rotated_sqnr_db is None or row.sqnr_db is None else row.rotated_sqnr_db


def _hover(row: FormatRow, rotation: int) -> list[str]:
    plain = "no error" if row.sqnr_db is None else f"{decibel(row.sqnr_db)} dB"
    if row.rotated_sqnr_db is None:
        return [
            row.notation,
            three(row.bits),
            plain,
            "no error" if rotation > 1 else "not possible for rows of this length",
        ]
    turned = f"{decibel(row.rotated_sqnr_db)} dB"
    if row.sqnr_db is not None:
        change = row.rotated_sqnr_db - row.sqnr_db
        turned += f" ({'+' if change >= 0 else MINUS}{decibel(abs(change))})"
    return [row.notation, three(row.bits), plain, turned]
