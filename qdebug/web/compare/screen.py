"""The Compare screen: the verdict, both sides in numbers, the layers that differ, who pays, what changed."""

from __future__ import annotations

import streamlit as st

from qdebug.figures import group_differences, numbers
from qdebug.figures.comparison import comparison_finding, is_worse, layers_finding
from qdebug.figures.text import escaped
from qdebug.jobs.verbs import GetComparison
from qdebug.results import ComparedSide, Comparison, ModelInfo
from qdebug.web.compare import difference_table, flips, sides, trail
from qdebug.web.core import ask, chart, state, words
from qdebug.web.core.theme import is_dark

_OPEN = "compare-open"
CONFIDENCE = (
    "◆ lost more than chance explains, a dark dot gained: with 95 % confidence not one of all rows is marked by chance "
    "alone (Holm). Intervals are paired, at 95 % for each row by itself."
)


def draw(info: ModelInfo) -> None:
    """Everything on the screen."""
    if st.session_state.pop(_OPEN, False):
        st.switch_page("pages/layers.py")
    st.html('<h1 class="q-page">Compare</h1>')
    trail.draw()
    a, b = sides.draw(info)
    request = GetComparison(ref=state.ref(), a=a, b=b)
    ask.show("compare", request, _draw)
    if isinstance(ask.look(request, wait=0.0), Comparison):
        flips.draw(a, b)


def _draw(found: Comparison, fresh: bool) -> None:
    bad = " q-bad" if is_worse(found) else ""
    st.html(f'<h1 class="q-verdict{bad}">{escaped(comparison_finding(found))}.</h1>')
    left, right = st.columns([6, 5], gap="large") if found.groups else (st.container(), None)
    with left:
        st.html(sides_html(found))
        _layers(found)
    if right is not None:
        with right:
            chart.show(chart.of(group_differences, found, dark=is_dark()), "compare-groups", "groups")
            st.html(words.quiet(f"{CONFIDENCE} {found.left_out}".strip()))


def sides_html(found: Comparison) -> str:
    """Both recipes in numbers: metric with its interval, predictions unlike float, size."""
    title = escaped(numbers.metric_title(found.difference.name))
    head = ("", title, "95 % interval", "unlike float", "size", "bits per weight")
    cells = "".join(f'<th scope="col">{text}</th>' for text in head)
    rows = "".join(_side(letter, side) for letter, side in (("A", found.a), ("B", found.b)))
    return f'<table class="q-scores q-wide-scores"><tr>{cells}</tr>{rows}</table>'


def _side(letter: str, side: ComparedSide) -> str:
    metric, size = side.metric, side.size
    unlike = f"{numbers.count(metric.flips)} of {numbers.count(metric.predictions)}" if metric.predictions else "–"
    cells = (
        numbers.metric_value(metric.name, metric.quantized),
        f"<small>{numbers.metric_interval(metric.name, metric.quantized_ci95)}</small>",
        f"<small>{unlike}</small>", numbers.size(size.quantized_bytes), numbers.three(size.bits_per_weight),
    )  # fmt: skip
    return f"<tr><td>{letter}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _layers(found: Comparison) -> None:
    with st.container(key="card-compare-layers"):
        st.html(f'<h3 class="q-chart-title">{layers_finding(found)}</h3>')
        for one, two in found.between:
            st.html(words.quiet(f"A: {one}. B: {two}."))
        if found.layers:
            difference_table.draw(found, "compare-layers", _open)
            st.html(words.quiet(
                "Output SQNR in dB, of each layer alone with float inputs. Greyed: the same on both sides. Click a "
                "layer to open it."
            ))  # fmt: skip


def _open(name: str) -> None:
    state.choose(name)
    st.session_state[_OPEN] = True
