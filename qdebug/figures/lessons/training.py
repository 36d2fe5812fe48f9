"""The staircase of rounding, the slope that is put in its place, and a weight that is trained through it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import three

_FINE = 401


@dataclass(frozen=True, slots=True)
class Staircase:
    """Rounding to multiples of ``step``, cut off at ``low`` and ``high``, which are multiples themselves."""

    step: float
    low: float
    high: float

    def value(self, x: float) -> float:
        """What a number is rounded to."""
        return round(min(max(x, self.low), self.high) / self.step) * self.step

    def is_edge(self, x: float) -> bool:
        """Whether a number lies where one stair ends and the next begins."""
        return self.low < x < self.high and abs((x / self.step) % 1 - 0.5) < 1e-6

    def slope(self, x: float) -> float:
        """The straight-through estimate of the slope (Bengio et al. 2013): 1 inside the range, 0 outside."""
        return 1.0 if self.low <= x <= self.high else 0.0


@dataclass(frozen=True, slots=True)
class Descent:
    """A weight under gradient descent on the squared distance of its rounded value to a target.

    Attributes:
        weights: the weight itself before each step, and after the last.
        values: what it is rounded to.
        target: where the loss is 0.
    """

    weights: tuple[float, ...]
    values: tuple[float, ...]
    target: float

    @property
    def tips(self) -> int:
        """How often the rounded value changed."""
        return sum(one != two for one, two in itertools.pairwise(self.values))

    @property
    def swings(self) -> bool:
        """Whether it went back after it had gone ahead."""
        ways = {one < two for one, two in itertools.pairwise(self.values) if one != two}
        return len(ways) == 2


def descend(stairs: Staircase, start: float, target: float, rate: float, steps: int) -> Descent:
    """Train one weight with the straight-through estimator.

    Args:
        stairs: the rounding.
        start: the weight before training.
        target: the loss is (rounded weight − target)².
        rate: of learning.
        steps: how many.
    """
    weights = [start]
    for _ in range(steps):
        now = weights[-1]
        weights.append(now - rate * 2 * (stairs.value(now) - target) * stairs.slope(now))
    return Descent(tuple(weights), tuple(stairs.value(one) for one in weights), target)


def staircase(stairs: Staircase, weight: float, *, dark: bool, height: int = 300) -> go.Figure:
    """The staircase, the line whose slope stands for its own, and a weight on both."""
    value, slope = stairs.value(weight), stairs.slope(weight)
    true = "There is no true slope" if stairs.is_edge(weight) else "The true slope is 0"
    title = f"{true} at {weight:.2f}, the straight-through estimate is {slope:.0f}"
    figure = template.blank(title, dark=dark, height=height)
    reach = 1.5 * max(abs(stairs.low), abs(stairs.high))
    xs = [-reach + 2 * reach * place / (_FINE - 1) for place in range(_FINE)]
    tone, ink = colours.ACCENT.on(dark), colours.INK.on(dark)
    lines = (
        ("rounded", [stairs.value(x) for x in xs], {"color": ink, "width": 2, "shape": "hv"}),
        ("straight through", [min(max(x, stairs.low), stairs.high) for x in xs],
         {"color": tone, "width": 2, "dash": "dash"}),
    )  # fmt: skip
    for name, ys, line in lines:
        figure.add_scatter(
            x=xs, y=ys, mode="lines", name=name, line=line, hovertemplate=f"{name}: %{{y:.2f}}<extra></extra>"
        )
    figure.add_scatter(
        x=[weight], y=[value], mode="markers", showlegend=False,
        marker={"size": 13, "color": tone, "line": {"width": 2, "color": ink}},
        hovertemplate=f"weight {weight:.2f}, rounded to {three(value)}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        showlegend=True, legend=_legend(dark),
        xaxis={"title": {"text": "weight"}, "nticks": 9},
        yaxis={"title": {"text": "value in the forward pass"}, "nticks": 6},
    )  # fmt: skip
    return figure


def descent_finding(found: Descent) -> str:
    """Whether the weight came to its target, in words."""
    last = found.values[-1]
    if found.tips == 0:
        return f"The weight never tips over to another code: it stays at {three(last)}"
    if found.tips > 2:
        return (
            f"The weight tips {found.tips} times, to and fro between the codes around its target {three(found.target)}"
        )
    return f"The weight is pushed until it tips over: from {three(found.values[0])} to {three(last)}"


def descent(found: Descent, *, dark: bool, height: int = 280) -> go.Figure:
    """The weight and its rounded value from step to step, and the target."""
    figure = template.blank(descent_finding(found), dark=dark, height=height)
    steps = list(range(len(found.weights)))
    tone, ink, muted = colours.ACCENT.on(dark), colours.INK.on(dark), colours.MUTED.on(dark)
    figure.add_scatter(
        x=steps, y=list(found.values), mode="lines", name="rounded weight",
        line={"color": ink, "width": 2, "shape": "hv"},
        hovertemplate="rounded to %{y:.3g}<br>after %{x} steps<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=steps, y=list(found.weights), mode="lines+markers", name="weight", line={"color": tone, "width": 1.5},
        marker={"size": 5}, hovertemplate="weight %{y:.3f}<br>after %{x} steps<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[steps[0], steps[-1]], y=[found.target] * 2, mode="lines", name="target",
        line={"color": muted, "width": 1.5, "dash": "dot"}, hovertemplate="target %{y:.2f}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        showlegend=True, legend=_legend(dark),
        xaxis={"title": {"text": "steps of training"}, "nticks": 9, "showgrid": False},
        yaxis={"title": {"text": "weight"}, "nticks": 6},
    )  # fmt: skip
    return figure


def _legend(dark: bool) -> dict[str, object]:
    return {
        "orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "itemclick": False,
        "itemdoubleclick": False, "font": {"size": 11, "color": colours.MUTED.on(dark)},
    }  # fmt: skip
