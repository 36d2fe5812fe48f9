"""The values of one tensor, the codes that stand for them, and what is cut off."""

from __future__ import annotations

import itertools

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import count, percent, three
from qdebug.figures.text import plain
from qdebug.results import Grid, TensorView


def clip_is_range(view: TensorView) -> bool:
    """Whether the clip limits cut nothing off that was observed."""
    return view.error.clip_min <= view.error.rmin and view.error.clip_max >= view.error.rmax


def histogram_finding(view: TensorView, noun: str) -> str:
    """What the histogram shows, in words; ``noun`` is what the values are, such as ``weights``."""
    error = view.error
    if view.grid is None:
        kept = (
            "are kept as they are" if error.format == "fp32" else f"are cast to {error.format}: no grid, no clip range"
        )
        return f"The {noun} {kept}"
    if view.dynamic:
        return f"The {noun} get a range of their own at run time; all of them together are shown"
    if error.clipping_rate > 0:
        part = error.clipping_mse / error.mse if error.mse else 0.0
        return f"{percent(error.clipping_rate)} of the {noun} are clipped, which makes {percent(part)} of their error"
    few = error.codes and error.used_codes < 0.5 * error.codes
    codes = f"{'only ' if few else ''}{error.used_codes} of {error.codes} codes are used"
    return f"Nothing is clipped, {'but ' if few else 'and '}{codes}"


def tensor_histogram(
    view: TensorView, noun: str, *, dark: bool, log: bool = True, height: int = 220, draggable: bool = True,
    reach: tuple[float, float] | None = None,
) -> go.Figure:  # fmt: skip
    """Counts of a tensor's values with the quantization grid and the clip limits.

    Args:
        view: the tensor.
        noun: what the values are, such as ``weights``.
        dark: whether it stands on dark ground.
        log: whether counts are on a logarithmic axis, which keeps rare values in sight.
        height: pixels.
        draggable: whether dragging over it selects a range.
        reach: what the axis of values spans; about all of them if not given.
    """
    figure = template.blank(plain(histogram_finding(view, noun)), dark=dark, height=height)
    _bars(figure, view, dark)
    tallest = max(view.histogram.counts, default=1)
    if view.grid is not None:
        _grid(figure, view.grid, view.error.format, dark)
        if not view.dynamic:
            _clip_lines(figure, view.grid, dark)
    _outliers(figure, view, dark)
    figure.update_layout(
        bargap=0,
        dragmode="select" if draggable else False,
        selectdirection="h",
        yaxis={"title": {"text": "values per bin"}, "type": "log" if log else "linear", "nticks": 4,
               "dtick": 1 if log else None, "range": [-0.3, _log10(tallest) + 0.25] if log else [0, tallest * 1.15]},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
        xaxis={"title": {"text": f"value of the {noun}, float"}, "showgrid": False,
               "range": list(reach or _reach(view))},
        newselection={"line": {"color": colours.CLIPPING.on(dark), "width": 1, "dash": "dot"}},
    )  # fmt: skip
    return figure


def _reach(view: TensorView) -> list[float]:
    """What the axis spans: all values and the clip limits, with a little room for the lines at the ends."""
    ends = [view.histogram.low, view.histogram.high]
    ends += [view.grid.clip_min, view.grid.clip_max] if view.grid and not view.dynamic else []
    room = 0.02 * (max(ends) - min(ends)) or 1.0
    return [min(ends) - room, max(ends) + room]


def _log10(number: int) -> float:
    return max(1, len(str(max(1, number))) - 1 + int(str(max(1, number))[0]) / 10)


def _bars(figure: go.Figure, view: TensorView, dark: bool) -> None:
    histogram = view.histogram
    width = (histogram.high - histogram.low) / max(1, len(histogram.counts))
    edges = [histogram.low + width * index for index in range(len(histogram.counts) + 1)]
    centres = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    low, high = (view.grid.clip_min, view.grid.clip_max) if view.grid else (histogram.low, histogram.high)
    cut = [view.grid is not None and not view.dynamic and not low <= centre <= high for centre in centres]
    figure.add_bar(
        x=centres,
        y=list(histogram.counts),
        width=width or None,
        marker={"color": [(colours.CLIPPING if one else colours.PLAIN).on(dark) for one in cut], "line": {"width": 0}},
        customdata=[
            [
                three(a),
                three(b),
                count(n),
                percent(n / histogram.total if histogram.total else 0),
                "clipped" if c else "kept",
            ]
            for a, b, n, c in zip(edges, edges[1:], histogram.counts, cut, strict=False)
        ],
        hovertemplate="%{customdata[0]} to %{customdata[1]}<br>%{customdata[2]} values, %{customdata[3]}, "
        "%{customdata[4]}<extra></extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
    )


def _grid(figure: go.Figure, grid: Grid, format_: str, dark: bool) -> None:
    xs: list[float | None] = []
    ys: list[float | None] = []
    for point in grid.points:
        xs += [point, point, None]
        ys += [0.0, 0.06, None]
    figure.add_scatter(
        x=xs, y=ys, yaxis="y2", mode="lines", hoverinfo="skip",
        line={"color": colours.of_format(format_, dark), "width": 1 if len(grid.points) > 64 else 1.5},
    )  # fmt: skip


def _clip_lines(figure: go.Figure, grid: Grid, dark: bool) -> None:
    middle = (grid.clip_min + grid.clip_max) / 2
    for limit in (grid.clip_min, grid.clip_max):
        figure.add_scatter(
            x=[limit, limit], y=[0, 1], yaxis="y2", mode="lines", hoverinfo="skip",
            line={"color": colours.CLIPPING.on(dark), "width": 1.5, "dash": "dash"},
        )  # fmt: skip
        figure.add_annotation(
            x=limit, y=1, yref="y2", yanchor="top", text=f"clip {three(limit, signed=True)}", showarrow=False, xshift=4
            if limit < middle else -4, xanchor="left" if limit < middle else "right",
            font={"size": 11, "color": colours.TROUBLE_TEXT.on(dark)},
        )  # fmt: skip


def _outliers(figure: go.Figure, view: TensorView, dark: bool) -> None:
    if not view.histogram.outliers:
        return
    figure.add_scatter(
        x=list(view.histogram.outliers), y=[0.03] * len(view.histogram.outliers), yaxis="y2", mode="markers",
        marker={"symbol": "diamond", "size": 6, "color": colours.TROUBLE.on(dark)},
        customdata=[[three(value)] for value in view.histogram.outliers],
        hovertemplate=f"{colours.TROUBLE_MARK} extreme value %{{customdata[0]}}<extra></extra>",
    )  # fmt: skip
