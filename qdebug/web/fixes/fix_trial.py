"""A slow fix: what it would take, the job that tries it, what came of it, and whether to keep that."""

from __future__ import annotations

import html

import msgspec
import streamlit as st

from qdebug.errors import Cancelled
from qdebug.figures import error_course, loss_course, numbers, tried_layers
from qdebug.jobs.client import Running
from qdebug.jobs.verbs import GetFixEstimate, GetFixTrial
from qdebug.recipes import parse_fix, with_fix, without_fix
from qdebug.recipes.fixes import Fix, name_of
from qdebug.results import FixCard, FixEstimate, FixTrial
from qdebug.web.core import ask, chart, growing, state, words
from qdebug.web.core.theme import is_dark
from qdebug.web.fixes.fix_findings import is_worth_keeping, trial_words
from qdebug.web.fixes.fix_scores import scores_html


def draw(card: FixCard, fix: Fix, active: Fix | None, *, applies: bool) -> GetFixTrial | None:
    """The buttons of a slow fix's card; the question whose answer belongs under it, if it was asked.

    Args:
        card: the card.
        fix: the fix with the parameters that are set.
        active: the recipe's fix of this method.
        applies: whether there is a place for it.
    """
    request = _tried(fix, active)
    if active == fix:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.html('<p class="q-kept">In the recipe</p>', width="content")
            st.button("Take it out", key=f"out-{card.method}", on_click=_take_out, args=(card.method,))
        return request
    if active is not None:
        st.html('<p class="q-quiet">The recipe has it with other values.</p>')
    if not applies:
        return None
    stopped = isinstance(ask.failure(wanted(fix)), Cancelled)
    if request is None or stopped:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(f"Try {words.inside(card.title)}", key=f"try-{card.method}", on_click=_try, args=(fix,))
            st.html(estimate_html(_estimate(fix), card.pace, stopped=stopped), width="content")
        return None
    return request


def wanted(fix: Fix) -> GetFixTrial:
    """The question that trying a fix on the recipe at hand asks."""
    before = without_fix(state.recipe(), name_of(fix))
    return GetFixTrial(ref=state.ref(), before=before, after=with_fix(before, fix))


def _tried(fix: Fix, active: Fix | None) -> GetFixTrial | None:
    """The trial that belongs to what the card shows: of the recipe at hand, or the one that led to it."""
    if active == fix:
        kept = (one for one in reversed(state.trials()) if one.after == state.recipe() and one.ref == state.ref())
        return next((one for one in kept if fix not in one.before.fixes), None)
    request = wanted(fix)
    return request if request in state.trials() else None


def outcome(fix: Fix, active: Fix | None) -> FixTrial | None:
    """What came of trying a fix on the recipe at hand, or of the trial that led to it, where that is known."""
    request = _tried(fix, active)
    if request is None or not ask.is_known(request):
        return None
    answer = ask.look(request, wait=0.0)
    return answer if isinstance(answer, FixTrial) else None


def result(card: FixCard, request: GetFixTrial, *, kept: bool) -> None:
    """How far a trial is, or what came of it, and what can be done with that."""
    if kept and not ask.is_known(request):
        return  # it was answered long ago: not worth a job that nobody asked for
    growing.show(f"trial-{card.method}", request, lambda part, running: _drawn(card, part, running))
    answer = ask.look(request, wait=0.0)
    if kept or not isinstance(answer, FixTrial):
        return
    kind = "primary" if is_worth_keeping(answer) else "secondary"
    with st.container(horizontal=True, gap="small"):
        st.button("Keep", key=f"keep-{card.method}", type=kind, on_click=_keep, args=(request,),
                  help="Puts the fix into the recipe. Undo takes it out again.")  # fmt: skip
        st.button("Discard", key=f"discard-{card.method}", on_click=_discard, args=(request,),
                  help="Leaves the recipe as it is. Tried again, the answer is there at once.")  # fmt: skip


def _drawn(card: FixCard, trial: FixTrial | None, running: Running | None) -> None:
    # The same boxes every time: what is drawn anew inside a fragment must find what it replaces.
    head = st.container(key=f"trial-head-{card.method}")
    left, right = st.columns([6, 5], gap="large")
    foot = st.container(key=f"trial-foot-{card.method}")
    if trial is None:
        return
    known = trial.after is not None
    if known:
        head.html(f'<p class="q-lead">{html.escape(trial_words(trial))}</p>')
        head.html(scores_html(trial.before, trial.after, interval=True))
    first, second = (left, right) if known else (right, left)
    if trial.layers:
        with first:
            chart.show(chart.of(tried_layers, trial, dark=is_dark()), f"tried-{card.method}")
    if len(trial.losses) > 1:
        with second:
            chart.show(chart.of(loss_course, trial.losses, dark=is_dark()), f"losses-{card.method}")
    if len(trial.course) > 1:
        with second:
            chart.show(chart.of(error_course, trial.course, dark=is_dark()), f"course-{card.method}")
            st.html('<p class="q-quiet">Of the model\'s output on the first calibration batch.</p>')
    if running is None and known:
        ended = f" Ended early: kept as {trial.ended}." if trial.ended else ""
        foot.html(f'<p class="q-quiet">It took {html.escape(numbers.seconds(trial.seconds) + "." + ended)}</p>')


def _estimate(fix: Fix) -> FixEstimate | None:
    recipe = without_fix(state.recipe(), name_of(fix))
    turn = len([one for one in state.trials() if fix in one.after.fixes and ask.is_known(one)])
    return ask.quiet(GetFixEstimate(ref=state.ref(), recipe=recipe, fix=fix, turn=turn))


def estimate_html(found: FixEstimate | None, pace: str, *, stopped: bool = False) -> str:
    """What trying it takes, before it is started."""
    head = "Stopped; the recipe is as it was. " if stopped else ""
    if found is None:
        return f'<p class="q-quiet">{head}Takes {html.escape(pace)}.</p>'
    took = "what it took here before" if found.learned else "the layers and a float pass"
    about = html.escape(f"About {numbers.whole_seconds(round_up(found.seconds))}, estimated from {took}.")
    return f'<p class="q-quiet">{head}{about}</p>'


def round_up(seconds: float) -> float:
    """An estimate with no more digits than it has."""
    if seconds < 1:
        return 1.0
    return float(f"{seconds:.1g}") if seconds < 10 else float(f"{seconds:.2g}")


def _try(fix: Fix) -> None:
    request = wanted(fix)
    if isinstance(ask.failure(request), Cancelled):
        ask.forget(request)
    state.set_draft(name_of(fix), fix)
    state.set_trials((*(one for one in state.trials() if one != request), request))


def _keep(request: GetFixTrial) -> None:
    answer = ask.look(request, wait=0.0)
    if isinstance(answer, FixTrial) and answer.ended:
        # What is kept is what it was ended as: the card goes on with that, and the whole can be tried again.
        fix = parse_fix(answer.ended)
        done = GetFixTrial(ref=request.ref, before=request.before, after=with_fix(request.before, fix))
        ask.forget(request)
        ask.keep(done, msgspec.structs.replace(answer, ended=""))
        state.set_draft(name_of(fix), fix)
        state.set_trials((*(one for one in state.trials() if one not in (request, done)), done))
        request = done
    state.change(request.after)


def _discard(request: GetFixTrial) -> None:
    answer = ask.look(request, wait=0.0)
    if isinstance(answer, FixTrial) and answer.ended:
        ask.forget(request)
    state.set_trials(tuple(one for one in state.trials() if one != request))


def _take_out(method: str) -> None:
    state.change(without_fix(state.recipe(), method))
