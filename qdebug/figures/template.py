"""What all figures share: type, thin rules, white space, no decoration; on light and on dark ground."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import plotly.graph_objects as go

from qdebug.figures import colours

FONT = '"Source Sans", "Source Sans 3", system-ui, sans-serif'
MONO = '"Source Code Pro", "Source Code", ui-monospace, monospace'


def blank(title: str, *, dark: bool, height: int) -> go.Figure:
    """An empty figure in the house style.

    Args:
        title: the finding it shows.
        dark: whether it stands on dark ground.
        height: pixels, without the title.
    """
    # Plotly's check of every property takes 12 ms, more than anything else that a screen does for a chart; what is
    # checked here once is copied, and what comes after it is checked as always.
    figure = go.Figure({"layout": copy.deepcopy(_checked(dark))}, _validate=False)
    figure._validate = True
    figure.update_layout(title_text=title, height=height)
    return figure


@cache
def _checked(dark: bool) -> dict[str, Any]:
    """The layout of an empty figure, as Plotly has it."""
    figure = go.Figure()
    axis = {
        "showgrid": True, "gridcolor": colours.RULE.on(dark), "gridwidth": 1, "zeroline": False, "showline": False,
        "ticks": "", "tickfont": {"size": 11, "color": colours.MUTED.on(dark)}, "automargin": True,
        "title": {"font": {"size": 12, "color": colours.MUTED.on(dark)}, "standoff": 6},
    }  # fmt: skip
    figure.update_layout(
        title={"x": 0, "xanchor": "left", "font": {"size": 14}},
        margin={"l": 8, "r": 12, "t": 8, "b": 8, "pad": 2},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": colours.INK.on(dark)},
        hoverlabel={
            "bgcolor": colours.PANEL.on(dark), "bordercolor": colours.RULE.on(dark), "align": "left",
            "font": {"family": FONT, "size": 12, "color": colours.INK.on(dark)},
        },
        showlegend=False,
        bargap=0.25,
        xaxis=axis,
        yaxis=axis,
        dragmode=False,
    )  # fmt: skip
    return figure.layout.to_plotly_json()


def mark(figure: go.Figure, x: float, y: float, text: str, *, dark: bool, **more: object) -> None:
    """Write a remark on trouble into the figure, with its mark."""
    figure.add_annotation(
        x=x, y=y, text=f"{colours.TROUBLE_MARK} {text}", showarrow=False,
        font={"size": 11, "color": colours.TROUBLE_TEXT.on(dark)}, **more,
    )  # fmt: skip
