"""Where a layer's error comes from: weights or activations, clipping or rounding."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import decibel, percent, share
from qdebug.figures.text import plain
from qdebug.results import ErrorSplit


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor's part in a layer's error.

    Attributes:
        name: ``weights`` or ``activations``.
        clipping, rounding: fractions of the layer's whole relative error.
        error: what it was made from.
    """

    name: str
    clipping: float
    rounding: float
    error: ErrorSplit

    @property
    def whole(self) -> float:
        """Both together."""
        return self.clipping + self.rounding


def error_parts(weight: ErrorSplit | None, activation: ErrorSplit | None) -> tuple[Part, ...]:
    """Each tensor's noise power over its signal power, as parts of their sum.

    For a linear layer with independent errors these relative powers add up at the output, which makes a weight and an
    activation comparable although their units are not.
    """
    named = [(name, error) for name, error in (("weights", weight), ("activations", activation)) if error is not None]
    noise = [10 ** (-error.sqnr_db / 10) if error.sqnr_db is not None else 0.0 for _, error in named]
    total = sum(noise)
    parts = []
    for (name, error), power in zip(named, noise, strict=True):
        whole = power / total if total else 0.0
        clipped = error.clipping_mse / error.mse if error.mse else 0.0
        parts.append(Part(name, whole * clipped, whole * (1 - clipped), error))
    return tuple(parts)


def split_finding(parts: tuple[Part, ...]) -> str:
    """What makes most of the error, in words."""
    causes = [(part.clipping, "Clipping", part.name) for part in parts] + [
        (part.rounding, "Rounding", part.name) for part in parts
    ]
    largest, cause, name = max(causes, default=(0.0, "", ""))
    if not largest:
        return "Nothing is lost here"
    return f"{cause} of the {name} makes {share(largest)} of the error"


def error_split(parts: tuple[Part, ...], *, dark: bool, height: int = 130) -> go.Figure:
    """One bar per tensor, clipping and rounding stacked, in percent of the layer's relative error."""
    figure = template.blank(plain(split_finding(parts)), dark=dark, height=height)
    names = [part.name for part in parts]
    for kind, colour in (("clipping", colours.CLIPPING), ("rounding", colours.ROUNDING)):
        figure.add_bar(
            orientation="h", name=kind, y=names, x=[100 * getattr(part, kind) for part in parts],
            marker={"color": colour.on(dark), "line": {"width": 0}}, width=0.42,
            customdata=[[kind, percent(getattr(part, kind)), decibel(part.error.sqnr_db),
                         percent(part.error.clipping_rate)] for part in parts],
            hovertemplate="%{customdata[0]}: %{customdata[1]} of the layer's error<br>tensor SQNR %{customdata[2]} dB, "
                          "%{customdata[3]} of its values clipped<extra></extra>",
        )  # fmt: skip
    for part in parts:
        figure.add_annotation(
            x=100 * part.whole, y=part.name, text=share(part.whole), showarrow=False, xanchor="left", xshift=5,
            font={"size": 12},
        )  # fmt: skip
    key = "   ".join(
        f'<span style="color:{colour.on(dark)}">■</span> {kind}'
        for kind, colour in (("clipping", colours.CLIPPING), ("rounding", colours.ROUNDING))
    )
    figure.add_annotation(
        text=key, x=0, xref="paper", y=-0.02, yref="paper", xanchor="left", yanchor="top", showarrow=False,
        font={"size": 11, "color": colours.MUTED.on(dark)},
    )  # fmt: skip
    figure.update_layout(
        barmode="stack",
        margin={"b": 26},
        xaxis={"range": [0, 140], "showgrid": False, "showticklabels": False, "title": {"text": ""}},
        yaxis={"autorange": "reversed", "showgrid": False},
    )
    return figure
