"""What float and quantized network draw from the same noise."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import percent, three
from qdebug.figures.text import plain, plural
from qdebug.results import Picture, Sampling

SEEN = 0.1
"""Root mean square difference in grey levels from which two small images look different."""


def sampling_finding(found: Sampling) -> str:
    """How far apart the images are, in words."""
    mean = sum(found.distances) / len(found.distances)
    seen = sum(one >= SEEN for one in found.distances)
    text = f"From the same noise the images end {three(mean)} apart, of grey levels from 0 to 1"
    far = f"{seen} of {plural(len(found.distances), 'image')} by {SEEN} or more" if seen else "none by 0.1 or more"
    return f"{text}; {far}"


def sampling_course(found: Sampling, *, dark: bool, height: int = 260) -> go.Figure:
    """Along the steps: how far the trajectories are apart, and the quantized network's error on the float one."""
    first, last = found.steps[0], found.steps[-1]
    title = f"The trajectories are {percent(first.apart)} apart after the first step, {percent(last.apart)} at the end"
    figure = template.blank(plain(title), dark=dark, height=height)
    x = [step.timestep for step in found.steps]
    lines = (
        ("trajectories apart", [step.apart for step in found.steps], colours.ACCENT, 2.5),
        ("error of a single prediction", [step.own for step in found.steps], colours.MUTED, 1.5),
    )
    said = [[percent(step.apart), percent(step.own)] for step in found.steps]
    for name, values, tone, width in lines:
        figure.add_scatter(
            name=name, x=x, y=[100 * value if value > 0 else None for value in values],
            mode="lines+markers" if len(x) <= 30 else "lines", marker={"size": 4}, customdata=said,
            line={"color": tone.on(dark), "width": width},
            hovertemplate="<b>timestep %{x}</b><br>images %{customdata[0]} apart after it<br>the quantized network's "
                          "own error %{customdata[1]}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "itemclick": False,
                "itemdoubleclick": False, "font": {"size": 11, "color": colours.MUTED.on(dark)}},
        xaxis={"title": {"text": "timestep, from noise to image"}, "autorange": "reversed", "showgrid": False},
        yaxis={"title": {"text": "relative, %"}, "type": "log", "dtick": 1},
    )  # fmt: skip
    return figure


def grid_picture(found: Sampling, *, columns: int = 8, enlarged: int = 6) -> Picture:
    """All images as one: float above quantized, pair of rows under pair of rows, a dark line around each.

    Args:
        found: the images.
        columns: images side by side.
        enlarged: pixels for each pixel.
    """
    first = found.float_[0]
    width, height, depth = first.width, first.height, first.channels
    columns = min(columns, len(found.float_))
    lines: list[bytes] = []
    edge = bytes([64] * depth)
    for start in range(0, len(found.float_), columns):
        for images in (found.float_, found.quantized):
            row = images[start : start + columns]
            blank = columns - len(row)
            gap = b"".join([edge * ((width * enlarged + 2) * columns)])
            lines += [gap]
            for y in range(height):
                line = b"".join(
                    edge + b"".join(_pixel(one, y, x) * enlarged for x in range(width)) + edge for one in row
                ) + edge * ((width * enlarged + 2) * blank)  # fmt: skip
                lines += [line] * enlarged
        lines += [gap] * 4
    return Picture(height=len(lines), width=(width * enlarged + 2) * columns, channels=depth, pixels=b"".join(lines))


def _pixel(one: Picture, y: int, x: int) -> bytes:
    at = (y * one.width + x) * one.channels
    return one.pixels[at : at + one.channels]
