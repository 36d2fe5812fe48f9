"""A fix that was tried: every layer before and after it, and how the error fell while it worked."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, decibel, percent, three
from qdebug.figures.text import plain, plural, shorten
from qdebug.figures.tradeoff import log_ticks
from qdebug.results import FixTrial, Losses, TriedLayer

SAME_DB = 0.05
"""Decibels within which a layer counts as unchanged."""


def layers_finding(trial: FixTrial) -> str:
    """How many layers gain, which most, and how many lose, in words."""
    gains = {layer.name: layer.gain_db for layer in trial.changed}
    better = [name for name, gain in gains.items() if gain is not None and gain > SAME_DB]
    worse = [name for name, gain in gains.items() if gain is not None and gain < -SAME_DB]
    if not better and not worse:
        return "No layer's output changes"
    if not better:
        return f"{plural(len(worse), 'layer')} lose and none gains; most loses {_with(worse[0], gains)}"
    rest = f", {len(worse)} {'loses' if len(worse) == 1 else 'lose'}" if worse else ""
    verb = "gains" if len(better) == 1 else "gain"
    return f"{plural(len(better), 'layer')} {verb}{rest}; most gains {_with(better[0], gains)}"


def _with(name: str, gains: dict[str, float | None]) -> str:
    return f"{shorten(name)}, {three(gains[name], signed=True)}{NBSP}dB"


def tried_layers(trial: FixTrial, *, dark: bool, most: int = 12, hint: bool = True) -> go.Figure:
    """A hollow dot without the fix and a full one with it, a line between, the most changed layers first.

    Args:
        trial: the answer.
        dark: whether it stands on dark ground.
        most: layers that are drawn.
        hint: whether the axis says which end is better; without it, the words fit a phone.
    """
    rows = [layer for layer in trial.changed if layer.gain_db is not None][:most]
    figure = template.blank(plain(layers_finding(trial)), dark=dark, height=64 + 24 * max(1, len(rows)))
    names = [layer.name for layer in rows]
    tones = [_tone(layer, dark) for layer in rows]
    for layer, tone in zip(rows, tones, strict=True):
        figure.add_scatter(
            x=[layer.before_db, layer.after_db], y=[layer.name] * 2, mode="lines", line={"color": tone, "width": 2},
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    said = [[plain(one.name), *_said(one)] for one in rows]
    hover = (
        "<b>%{customdata[0]}</b><br>%{customdata[1]} before, %{customdata[2]} after<br>%{customdata[3]}<extra></extra>"
    )
    ink, ground = colours.MUTED.on(dark), colours.GROUND.on(dark)
    figure.add_scatter(
        x=[one.before_db for one in rows], y=names, mode="markers", name="without it", customdata=said,
        marker={"size": 9, "color": ground, "line": {"color": ink, "width": 1.5}}, hovertemplate=hover,
    )  # fmt: skip
    figure.add_scatter(
        x=[one.after_db for one in rows], y=names, mode="markers", name="with it", customdata=said,
        marker={"size": 9, "color": tones, "line": {"width": 0}}, hovertemplate=hover,
    )  # fmt: skip
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom",
                "font": {"size": 11, "color": ink}, "itemclick": False, "itemdoubleclick": False},
        xaxis={"title": {"text": f"SQNR of a layer's output, dB{' (right is better)' if hint else ''}"}, "nticks": 7},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": True, "tickmode": "array", "tickvals": names,
               "ticktext": [plain(shorten(name, 24)) for name in names],
               "tickfont": {"family": template.MONO, "size": 11, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure


def _tone(layer: TriedLayer, dark: bool) -> str:
    worse = (layer.gain_db or 0.0) < -SAME_DB
    return (colours.TROUBLE if worse else colours.ACCENT).on(dark)


def _said(layer: TriedLayer) -> tuple[str, str, str]:
    gain = layer.gain_db or 0.0
    change = "as before" if abs(gain) <= SAME_DB else f"{three(gain, signed=True)}{NBSP}dB"
    return decibel(layer.before_db), decibel(layer.after_db), change


def course_finding(course: Sequence[float]) -> str:
    """Where the error began and where it is, in words."""
    if len(course) < 2:
        return f"The output's error is {percent(course[0])} of the signal" if course else "Nothing is known yet"
    verb = "fell" if course[-1] < course[0] else "rose"
    return f"The output's error {verb} from {percent(course[0])} to {percent(course[-1])} of the signal"


def losses_finding(losses: Sequence[Losses]) -> str:
    """Where the loss on held-out samples began, where it was least, and when, in words."""
    if not losses:
        return "Nothing is known yet"
    first, best = losses[0], min(losses, key=lambda one: one.held_out)
    if best is first:
        return f"The loss on held-out samples is {three(first.held_out)}, and was never less"
    return (
        f"The loss on held-out samples fell from {three(first.held_out)} to {three(best.held_out)}, at step {best.step}"
    )


def loss_course(losses: Sequence[Losses], *, dark: bool) -> go.Figure:
    """The loss of a training, on the samples that are trained on and on those that are held out, on a log scale.

    Args:
        losses: from look to look.
        dark: whether it stands on dark ground.
    """
    figure = template.blank(losses_finding(losses), dark=dark, height=180)
    ink, tone = colours.MUTED.on(dark), colours.ACCENT.on(dark)
    trained = [one for one in losses if one.training is not None]
    figure.add_scatter(
        x=[one.step for one in trained], y=[one.training for one in trained], mode="lines", name="training",
        line={"color": ink, "width": 1.5}, hovertemplate="%{y:.3g} in training<br>up to step %{x}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[one.step for one in losses], y=[one.held_out for one in losses], mode="lines+markers", name="held out",
        line={"color": tone, "width": 2}, marker={"size": 5, "color": tone},
        hovertemplate="%{y:.3g} on held-out samples<br>after %{x} steps<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom",
                "font": {"size": 11, "color": ink}, "itemclick": False, "itemdoubleclick": False},
        xaxis={"title": {"text": "steps of training"}, "showgrid": False, "nticks": 8, "tickformat": "d"},
        yaxis={"title": {"text": "loss"}, "type": "log", "nticks": 4, "exponentformat": "power", "tickformat": ".2~g",
               "tickvals": log_ticks([value for one in losses for value in (one.training, one.held_out) if value])},
    )  # fmt: skip
    return figure


def error_course(course: Sequence[float], *, dark: bool) -> go.Figure:
    """The squared error of the model's output as the fix went from layer to layer.

    Args:
        course: as fractions of the signal, the first before any layer was treated.
        dark: whether it stands on dark ground.
    """
    figure = template.blank(course_finding(course), dark=dark, height=130)
    tone = colours.ACCENT.on(dark)
    figure.add_scatter(
        x=list(range(len(course))), y=[100 * value for value in course], mode="lines+markers",
        line={"color": tone, "width": 2}, marker={"size": 5, "color": tone},
        customdata=[percent(value) for value in course],
        hovertemplate="%{customdata} of the signal<br>after %{x} steps<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        xaxis={"title": {"text": "steps done"}, "showgrid": False, "dtick": max(1, -(-len(course) // 8))},
        yaxis={"title": {"text": "error, %"}, "rangemode": "tozero", "nticks": 4},
    )
    return figure
