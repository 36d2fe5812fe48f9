"""The calibration screen: how many samples are enough, what leaves the ranges, which samples set them."""

from __future__ import annotations

import streamlit as st

from qdebug.figures import calibration_curve, coverage_bars, numbers, range_growth
from qdebug.figures.calibration import curve_finding, multiple, setters_finding, tolerance_words, worst_covered
from qdebug.figures.picture import data_uri
from qdebug.figures.text import escaped, listed, plural, shorten
from qdebug.jobs.verbs import GetCalibrationCurve, GetRangeSetters, GetScore
from qdebug.results import CalibrationCurve, Coverage, Extreme, ModelInfo, RangeSetters, Score, SettingSample
from qdebug.web.core import ask, chart, clicked, state, words
from qdebug.web.core.theme import is_dark

CHEAP = 15.0
"""Seconds that a curve may be expected to take for it to be measured without a click."""
SUBSETS = 5
_NAMES, _LEFT = ("sets ends of", "most narrower without it", "tensor"), ' class="q-names"'


def curve(info: ModelInfo) -> None:
    """The metric and the ranges against the number of calibration samples; on a click where that takes long."""
    request = GetCalibrationCurve(ref=state.ref(), recipe=state.recipe(), subsets=SUBSETS)
    score = ask.look(GetScore(ref=state.ref(), recipe=state.recipe()), wait=0.0)
    expected = runs(info.n_calib, SUBSETS) * score.seconds if isinstance(score, Score) else None
    if clicked.is_wanted(request) or (expected is not None and (expected < CHEAP or _is_free())):
        ask.show("calibration-curve", request, lambda found, _: _curve(found))
        return
    if expected is None:
        return  # the strip shows that the score is being measured, and the page is drawn again
    with st.container(key="curve-choice", horizontal=True, vertical_alignment="center", gap="small"):
        st.html('<h2 class="q-card">How many samples are enough?</h2>', width="content")
        st.button("Measure", key="curve-start", on_click=clicked.start, args=(request,))
    st.html(words.quiet(
        f"Calibrates anew on {SUBSETS} draws each of 1, 2, 4 … of the {info.n_calib:,} calibration samples, and "
        f"evaluates each: {runs(info.n_calib, SUBSETS)} evaluations, "
        f"at most about {numbers.seconds(expected).replace(numbers.NBSP, ' ')}."
    ))  # fmt: skip


def _is_free() -> bool:
    """Whether nothing in the recipe depends on calibration data, as far as is known by now."""
    found = ask.look(_request(), wait=0.0)
    learns = any(fix.looks_at_data for fix in state.recipe().fixes)
    return isinstance(found, RangeSetters) and not found.tensors and not learns


def runs(total: int, subsets: int) -> int:
    """How many calibrations a curve takes: the numbers below all of them are the powers of two."""
    return subsets * max(total - 1, 0).bit_length() + 1


def _curve(found: CalibrationCurve) -> None:
    if len(found.points) < 2:
        st.html(f'<h2 class="q-found">{escaped(curve_finding(found))}.</h2>')
        return
    chart.show(chart.of(calibration_curve, found, dark=is_dark()), "calibration-curve", "curve")
    last = found.points[-1]
    st.html(words.quiet(
        f"Line and band: mean and span of {plural(found.subsets, 'nested draw')}, measured on "
        f"{plural(found.n, 'evaluation sample')}. Dotted: {tolerance_words(found)} around the "
        f"{numbers.metric_value(found.metric, last.mean)} of all {last.samples}. "
        f"Float: {numbers.metric_value(found.metric, found.float_value)}."
    ))  # fmt: skip
    if found.calibrated:
        chart.show(chart.of(range_growth, found, dark=is_dark()), "range-growth", "growth")


def coverage() -> None:
    """The share of evaluation data outside each calibrated range."""
    ask.show("coverage", _request(), lambda found, _: _coverage(found))


def _request() -> GetRangeSetters:
    return GetRangeSetters(ref=state.ref(), recipe=state.recipe())


def _coverage(found: RangeSetters) -> None:
    if not found.tensors:
        st.html(
            '<h2 class="q-found">Nothing is calibrated under this recipe.</h2>'
            '<p class="q-quiet">No activation has a range from calibration data: they are in float, take their ranges '
            "at run time, were set by hand, or come with the file.</p>"
        )
        return
    chart.show(chart.of(coverage_bars, found, dark=is_dark()), "coverage", "coverage")
    st.html(words.quiet(
        "Counted is what lies more than half a step outside; a vertical line marks the calibration data's own share, "
        "which a range method may clip on purpose. “Farthest” is how far beyond values go, in widths of the range."
    ))  # fmt: skip


def setters() -> None:
    """The samples that set the ranges, and every range with who set it."""
    found = ask.look(_request(), wait=0.0)
    if not isinstance(found, RangeSetters) or not found.tensors:
        return
    with st.container(key="card-setters"):
        st.html(
            f'<h2 class="q-found">{escaped(setters_finding(found))}.</h2>'
            f'<p class="q-quiet">{plural(found.setters, "sample")} of {found.n_calib:,} set '
            f"{plural(found.limits, 'end')} alone, counted from 0. Where the rest hardly reaches as far, look at the "
            "sample: an outlier, or the only one of its kind.</p>"
        )
        if found.samples:
            st.html(samples_html(found.samples))
        with st.expander(f"All {plural(len(found.tensors), 'range')}", key="setters-table"):
            st.html(ranges_html(found))


def samples_html(samples: tuple[SettingSample, ...]) -> str:
    """The samples that set most ends, each with its picture where it is one."""
    pictured = any(one.picture is not None for one in samples)
    labelled = any(one.label for one in samples)
    head = ["sample", *(["picture"] if pictured else []), *(["label"] if labelled else []), "sets ends of", "ends",
            "most narrower without it", "by"]  # fmt: skip
    rows = "".join(_sample(one, pictured=pictured, labelled=labelled) for one in samples)
    cells = "".join(f'<th scope="col"{_LEFT if text in _NAMES else ""}>{text}</th>' for text in head)
    return words.scrolling(f'<table class="q-setters"><tr>{cells}</tr>{rows}</table>', tall=True)


def _sample(one: SettingSample, *, pictured: bool, labelled: bool) -> str:
    shown = ""
    if one.picture is not None:
        alt = f"calibration sample {one.sample}"
        shown = f'<img class="q-picture" src="{data_uri(one.picture)}" alt="{alt}" width="40" height="40">'
    tensors = listed(tuple(shorten(name, 24) for name in one.tensors), 4)
    return (
        f"<tr><td>{one.sample}</td>"
        + (f"<td>{shown}</td>" if pictured else "")
        + (f"<td>{escaped(one.label)}</td>" if labelled else "")
        + f'<td class="q-names" title="{escaped(", ".join(one.tensors))}">{escaped(tensors)}</td>'
        f"<td>{one.limits}</td><td class='q-names'>{escaped(shorten(one.narrowest, 24))}</td>"
        f"<td>{numbers.share(one.narrower)}</td></tr>"
    )


def ranges_html(found: RangeSetters) -> str:
    """Every calibrated range: its ends, who set them, what leaves it."""
    head = ("tensor", "calibrated range", "lowest seen", "by sample", "highest seen", "by sample", "narrower by",
            "outside", "farthest")  # fmt: skip
    cells = "".join(f'<th scope="col"{_LEFT if text in _NAMES else ""}>{text}</th>' for text in head)
    rows = "".join(_range(row) for row in worst_covered(found))
    return words.scrolling(f'<table class="q-setters q-wide"><tr>{cells}</tr>{rows}</table>', tall=True)


def _range(row: Coverage) -> str:
    name = escaped(shorten(row.name, 28))
    width = f"{numbers.three(row.clip_min)} to {numbers.three(row.clip_max)}"
    values = (width, *_end(row.low), *_end(row.high), numbers.share(row.narrower), numbers.small_share(row.outside),
              multiple(row.reach))  # fmt: skip
    return f'<tr><td class="q-names" title="{escaped(row.name)}">{name}</td>' + "".join(
        f"<td>{value}</td>" for value in values
    ) + "</tr>"  # fmt: skip


def _end(end: Extreme | None) -> tuple[str, str]:
    if end is None:
        return "0", numbers.NONE
    return numbers.three(end.value), "several" if end.sample is None else str(end.sample)
