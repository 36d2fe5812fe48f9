"""A fix that a lesson lets people apply: the score without and with it, and what becomes of every layer."""

from __future__ import annotations

import streamlit as st
from msgspec.structs import replace

from qdebug.figures import numbers, tried_layers
from qdebug.jobs.verbs import GetDetail, GetFixTrial
from qdebug.recipes import Fix, with_fix
from qdebug.results import FixTrial, TriedLayer
from qdebug.web.core import ask, chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import start
from qdebug.web.lessons.place import Place


def request(at: Place, fix: Fix) -> GetFixTrial:
    """The question that applying a fix to the lesson's recipe asks."""
    return GetFixTrial(ref=at.ref, before=at.recipe, after=with_fix(at.recipe, fix))


def draw(at: Place, name: str, fix: Fix, *, upstream: bool = False) -> None:
    """A button that applies it, and then what came of it.

    Args:
        at: the lesson.
        name: of the place on its page.
        fix: what is applied.
        upstream: whether layers are shown with everything before them quantized too, rather than alone.
    """
    asked = request(at, fix)
    if not start.asked(at, f"apply-{name}", f"Apply {words.inside(fix.title)}", asked, primary=True):
        st.html(words.quiet("Takes some seconds. Your own recipe stays as it is."))
        return
    ask.show(at.key(name), asked, lambda trial, _: _outcome(at, name, asked, trial, upstream=upstream))


def _outcome(at: Place, name: str, asked: GetFixTrial, trial: FixTrial, *, upstream: bool) -> None:
    st.html(f'<p class="q-lead">{words_of(trial)}</p>')
    shown = in_place(at, asked, trial) if upstream else trial
    chart.show(chart.of(tried_layers, shown, dark=is_dark(), most=16), at.key(f"layers-{name}"))
    where = "all that comes before it quantized too" if upstream else "what it reads in float"
    st.html(words.quiet(f"Each layer with {where}."))


def in_place(at: Place, asked: GetFixTrial, trial: FixTrial) -> FixTrial:
    """The same trial with each layer's SQNR where it stands: everything upstream quantized too.

    Raises:
        NotYet: the layers are still being measured.
    """
    names = [one.name for one in trial.layers]
    found = at.need_all(*(GetDetail(at.ref, one, name) for one in (asked.before, asked.after) for name in names))
    levels = [one.output.cumulative_sqnr_db for one in found]
    rows = zip(names, levels[: len(names)], levels[len(names) :], strict=True)
    return replace(trial, layers=tuple(TriedLayer(name=name, before_db=a, after_db=b) for name, a, b in rows))


def words_of(trial: FixTrial) -> str:
    """The metric of the float network, without the fix and with it."""
    if trial.before is None or trial.after is None:
        return ""
    before, after = trial.before.metric, trial.after.metric
    title = numbers.metric_title(before.name)
    shown = [numbers.metric_value(before.name, one) for one in (before.quantized, after.quantized, before.float_)]
    return f"{title[:1].upper()}{title[1:]}: {shown[0]} without it, {shown[1]} with it. In float it is {shown[2]}."
