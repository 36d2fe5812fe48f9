"""SmoothQuant's α against the error that is left."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import three, times
from qdebug.figures.tradeoff import log_ticks


def alpha_finding(errors: Mapping[float, float], without: float) -> str:
    """Where the error is least and what is gained there, or that nothing is, in words.

    Args:
        errors: by α.
        without: the error without any smoothing.
    """
    best = min(errors.values())
    if best >= without:
        return "No α makes the error smaller than it is without smoothing"
    return f"The best α leaves {three(best)} of error, {times(without / best)} less than without smoothing"


def alpha_curve(
    errors: Mapping[float, float], without: float, chosen: float, *, dark: bool, height: int = 280
) -> go.Figure:
    """The error of the model's output at each α on a log axis, and as a line the error without smoothing.

    Args:
        errors: mean squared change of the output per sample, by α.
        without: the same without smoothing.
        chosen: the α that stands out.
        dark: whether it stands on dark ground.
        height: pixels.
    """
    figure = template.blank(alpha_finding(errors, without), dark=dark, height=height)
    tone, muted = colours.ACCENT.on(dark), colours.MUTED.on(dark)
    figure.add_hline(y=without, line={"color": muted, "width": 1, "dash": "dot"})
    figure.add_annotation(
        x=1, xref="x domain", xanchor="right", y=1, yref="y domain", yanchor="top", showarrow=False,
        text=f"⋯ without smoothing {three(without)}", font={"size": 11, "color": muted},
    )  # fmt: skip
    alphas = sorted(errors)
    figure.add_scatter(
        x=alphas, y=[errors[alpha] for alpha in alphas], mode="lines+markers", line={"color": tone, "width": 2},
        marker={"color": [tone if alpha == chosen else colours.GROUND.on(dark) for alpha in alphas],
                "size": [13 if alpha == chosen else 8 for alpha in alphas], "opacity": 1.0,
                "line": {"color": tone, "width": 2}},
        customdata=[[f"{alpha:g}", three(errors[alpha])] for alpha in alphas],
        hovertemplate="α %{customdata[0]}<br>squared output error %{customdata[1]}<extra></extra>",
    )  # fmt: skip
    values = [*errors.values(), without]
    figure.update_layout(
        xaxis={"title": {"text": "α: how much of the difficulty moves into the weights"}, "tickvals": alphas,
               "showgrid": False, "tickformat": ".2~g"},
        yaxis={"title": {"text": "squared output error per sample, log"}, "type": "log", "tickvals": log_ticks(values),
               "tickformat": ".3~g"},
    )  # fmt: skip
    return figure
