"""What a runtime computed against what was simulated, in words and along the depth."""

from __future__ import annotations

import math
from typing import Literal

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, all_but, count, many, small_share
from qdebug.figures.text import plain, shorten
from qdebug.results import Agreement, Verified, VerifiedTensor

Reading = Literal["float_", "fed", "integer"]
READINGS: dict[Reading, str] = {
    "float_": "float, through the depth",
    "fed": "float, each layer on the runtime's inputs",
    "integer": "integer, through the depth",
}
RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
SEEN = {"float": "what you saw", "integer": "the integer simulation"}
SAME = 0.995
"""Share of equal predictions from which a runtime counts as computing the same."""
CLOSE = 0.01
"""Share of differing codes up to which it does so code by code."""
_ADDS_UP = 3.0
"""How many times more codes differ through the depth than in a layer alone before it counts as adding up."""
_MOST_POINTS = 60
#: Back to front. What each layer does alone is no line: it does not go on from the layer before.
_DRAWN: tuple[tuple[Reading, colours.Tone, str], ...] = (
    ("integer", colours.PLAIN, "square"), ("fed", colours.MUTED, "diamond-open"), ("float_", colours.ACCENT, "circle"),
)  # fmt: skip


def runtime_name(name: str) -> str:
    """A runtime's name as people write it."""
    return RUNTIMES.get(name, name)


def place_name(node: str) -> str:
    """A node's name as it is shown: of one that only rounds a value to codes, the value's."""
    return node.removesuffix("/QuantizeLinear").removesuffix("/quantized")


def differing(tensor: VerifiedTensor, reading: Reading) -> float:
    """Share of a value's codes that differ from the runtime's."""
    found: Agreement = getattr(tensor, reading)
    return found.differing / tensor.elements if tensor.elements else 0.0


def is_trouble(found: Verified) -> bool:
    """Whether the runtime predicts something else than was simulated."""
    return found.agreement < SAME


def verified_finding(found: Verified, seen: str = "") -> str:
    """Whether the runtime computes what was simulated, in words.

    Args:
        found: what was verified.
        seen: what the simulation is called, where the reader has not looked at it.
    """
    name, seen = runtime_name(found.runtime), seen or SEEN[found.simulation]
    same = _predictions(found)
    if not found.elements:
        return f"{name} {'differs from' if is_trouble(found) else 'agrees with'} {seen}: {same}"
    codes = f"{many(found.elements)} codes"
    apart = f"at most {count(found.max_code_difference)} apart"
    if is_trouble(found):
        first = f", from {shorten(place_name(found.first_divergent_layer))} on" if found.first_divergent_layer else ""
        return f"{name} differs from {seen}: {same}; {small_share(found.elements_differing)} of {codes}{first}, {apart}"
    if found.elements_differing == 0:
        return f"{name} computes {seen}: all {codes} equal, {same}"
    verb = "computes" if found.elements_differing <= CLOSE else "comes close to"
    return f"{name} {verb} {seen}: {all_but(found.elements_differing)} of {codes} equal, {apart}, {same}"


def _predictions(found: Verified) -> str:
    """How many predictions are the same; of tokens and pixels, whose number is not told, the share."""
    agreeing = found.agreement * found.n
    what = {"perplexity": "tokens predicted", "pixel_accuracy": "pixels predicted"}.get(found.metric.name, "")
    if what or abs(agreeing - round(agreeing)) > 1e-6 * found.n:
        return f"{all_but(1 - found.agreement)} of {what or 'predictions'} the same"
    return f"same predictions on {count(round(agreeing))}{NBSP}of{NBSP}{count(found.n)}{NBSP}samples"


def drift_finding(layers: tuple[VerifiedTensor, ...]) -> str:
    """What the differences do along the depth, in words."""
    through = max(layers, key=lambda one: differing(one, "float_"))
    alone = max(layers, key=lambda one: differing(one, "fed"))
    most, own = differing(through, "float_"), differing(alone, "fed")
    if most == own == 0:
        return "Not one code differs, anywhere along the depth"
    if own == 0:
        return f"Each layer alone is exact; through the depth up to {small_share(most)} of a value's codes differ"
    if most > _ADDS_UP * own:
        return (
            f"Small differences add up: {small_share(own)} of a layer's own codes at most, {small_share(most)} through "
            "the depth"
        )
    name = shorten(place_name(alone.node))
    return f"{name} itself comes out otherwise: {small_share(own)} of its codes, from the runtime's own inputs"


def drift(found: Verified, *, dark: bool, height: int = 270) -> go.Figure:
    """Share of differing codes of every quantized value in the order of computing, for the three readings.

    The axis is logarithmic; a value without a difference stands on a line of its own below it.
    """
    layers = found.layers
    figure = template.blank(plain(drift_finding(layers)), dark=dark, height=height)
    positive = [part for one in layers for reading in READINGS if (part := 100 * differing(one, reading)) > 0]
    low = math.floor(math.log10(min(positive, default=0.01)))
    high = max(math.ceil(math.log10(max(positive, default=1.0))), low + 1)
    zero = 10.0 ** (low - 0.6)
    few = len(layers) <= _MOST_POINTS
    for reading, tone, symbol in _DRAWN:
        figure.add_scatter(
            x=list(range(1, len(layers) + 1)), y=[100 * differing(one, reading) or zero for one in layers],
            name=READINGS[reading],
            mode="markers" if reading == "fed" else "lines+markers" if few else "lines",
            line={"color": tone.on(dark), "width": 2 if reading == "float_" else 1.25},
            marker={"symbol": symbol, "size": 7 if few else 5, "color": tone.on(dark)},
            customdata=[_hover(one, reading) for one in layers],
            hovertemplate="<b>%{customdata[0]}</b> %{customdata[1]}<br>%{customdata[2]} of %{customdata[3]} codes "
                          f"differ%{{customdata[4]}}<br>{READINGS[reading]}<extra></extra>",
        )  # fmt: skip
    step = max(1, math.ceil((high - low) / 5))
    powers = range(high, low - 1, -step)
    figure.add_hline(y=10.0 ** (low - 0.3), line={"color": colours.RULE.on(dark), "width": 1, "dash": "dot"})
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "traceorder": "reversed",
                "font": {"size": 11, "color": colours.MUTED.on(dark)}, "itemclick": False, "itemdoubleclick": False},
        xaxis={"title": {"text": "quantized values, in the order of computing"}, "showgrid": False,
               "range": [0.4, len(layers) + 0.6], "nticks": 10, "tickformat": "d"},
        yaxis={"type": "log", "title": {"text": "codes that differ, %, log"}, "range": [low - 0.85, high + 0.1],
               "tickmode": "array", "tickvals": [zero, *(10.0**power for power in powers)],
               "ticktext": ["none", *(f"{10.0**power:.{max(0, -power)}f}" for power in powers)]},
    )  # fmt: skip
    return figure


def _hover(tensor: VerifiedTensor, reading: Reading) -> list[str]:
    found: Agreement = getattr(tensor, reading)
    apart = f", by {found.largest} at most" if found.differing else ""
    return [
        plain(place_name(tensor.node)), plain(tensor.kernel), count(found.differing), count(tensor.elements), apart,
    ]  # fmt: skip
