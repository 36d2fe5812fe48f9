"""Ask the compute process and draw what it says: the answer, or how far it is, or what went wrong.

A run of the page waits for answers 0.4 s in all. What is not there by then shows a progress line of its own that looks
again every 0.4 s and, once there is an answer, has the page drawn once more. Until then the last answer stays in place,
greyed: nothing jumps. Errors are kept with their request, so that looking again does not start failing work anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from qdebug.errors import Cancelled, QDebugError, WorkerError
from qdebug.jobs.client import Running, WorkerFault
from qdebug.jobs.models import stamp
from qdebug.jobs.verbs import Open
from qdebug.results import ModelInfo
from qdebug.web.core import desk, problem, state, words

PATIENCE = 0.4
"""Seconds that one run waits for answers, and seconds between two looks."""

AGE = 1.0
"""Seconds for which an answer that changes by itself is good enough: thirty people click three times in one."""
NOW = "now"
MOST_FAILED = 64
ALIKE = ("target", "runtime", "simulation", "threads")
"""What else two questions must share for the answer to one to stay in sight while the other is answered."""
DIALOG = "opening"
"""The place of the dialog that opens files."""


def begin() -> None:
    """Start the clock of this run, and say so once if the compute process had to be started again."""
    st.session_state.until = time.monotonic() + PATIENCE
    st.session_state.waiting = []
    try:
        restarts = desk.client().restarts
    except WorkerError:
        return  # the first question meets it too, and draws it
    if restarts > st.session_state.setdefault("restarts", restarts):
        st.session_state.restarts = restarts
        st.toast("The compute process was started again. Your recipe is untouched.")


def look(request: Any, wait: float | None = None) -> Any:
    """The answer to a request, or Running, or the error it ended with (returned, not raised)."""
    failed, key = st.session_state.failed, key_of(request)
    if key in failed:
        return failed[key]
    known = desk.answers().find(key)
    if known is not None:
        return known
    left = max(0.0, st.session_state.until - time.monotonic())
    try:
        answer = desk.client().ask(
            request, left if wait is None else wait, asker=state.session_id(), seen=desk.parts().mark(key)
        )
    except QDebugError as error:
        return _failed(request, error)
    except WorkerFault as fault:
        return _failed(request, _fault(fault))
    if not isinstance(answer, Running):
        desk.answers().keep(key, answer)
    elif answer.part:
        desk.parts().keep(key, answer.mark, desk.client().part(request, answer))
    return answer


def part(request: Any) -> Any | None:
    """What is known of an answer that was asked for: all of it, or as much as came before it was stopped."""
    key = key_of(request)
    whole = desk.answers().find(key)
    return desk.parts().find(key) if whole is None else whole


def _fault(fault: WorkerFault) -> WorkerError:
    return WorkerError(str(fault), do="This is a fault of qdebug's own. Your recipe is kept.")


def _failed(request: Any, error: QDebugError) -> QDebugError:
    failed: dict[Any, QDebugError] = st.session_state.failed
    while len(failed) >= MOST_FAILED:
        failed.pop(next(iter(failed)))
    failed[key_of(request)] = error
    return error


def key_of(request: Any) -> Any:
    """A request and the state of the files it names: what a file held before it was overwritten is no answer."""
    ref = getattr(request, "ref", None)
    return request, stamp(ref) if ref else None


def latest(place: str, request: Any) -> tuple[Any | None, bool]:
    """The answer for a place on the screen and whether it is the one asked for.

    Draws progress or the error where it is called. While there is no answer, returns the last one drawn in this
    place (None if there was none) and False.
    """
    status = st.empty()
    answer = look(request)
    if isinstance(answer, QDebugError):
        with status.container():
            problem.draw(answer, place, retry=lambda: forget(request))
        return before(place, request), False
    if isinstance(answer, Running):
        with status.container():
            _follow(place, request)
        return before(place, request), False
    st.session_state.drawn[place] = request
    return answer, True


def before(place: str, request: Any) -> Any | None:
    """What was drawn last in a place, if but the recipe is the same: another recipe's may stay in sight."""
    last = st.session_state.drawn.get(place)
    same = type(last) is type(request) and all(
        getattr(last, name, None) == getattr(request, name, None) for name in ("ref", "layer", *ALIKE)
    )
    return desk.answers().find(key_of(last)) if same else None


def show(place: str, request: Any, draw: Callable[[Any, bool], None]) -> None:
    """Draw the answer to a request in a place of its own: ``draw(answer, fresh)``."""
    with st.container(key=f"slot-{place}"):
        answer, fresh = latest(place, request)
        with st.container(key=f"body-{place}"):
            if answer is not None:
                draw(answer, fresh)


def quiet(request: Any) -> Any | None:
    """The answer to a request that only adds to the screen; None until it is there, and None if it fails."""
    answer = look(request, wait=0.0)
    if isinstance(answer, Running):
        st.session_state.waiting.append(request)
        return None
    return None if isinstance(answer, QDebugError) else answer


def pending(request: Any) -> bool:
    """Whether a request that was asked quietly is still being answered."""
    return request in st.session_state.waiting


def now(request: Any) -> Any | None:
    """The answer to a request that changes by itself, such as the cache's size, as it was a second ago at most.

    Where the compute process has no time for it, the last one that it gave to anybody; None before there is one.
    """
    known = desk.answers().find((NOW, request))
    if known is not None and time.monotonic() - known[0] < AGE:
        return known[1]
    last = None if known is None else known[1]
    desk.answers().keep((NOW, request), (time.monotonic(), last))  # others need not ask meanwhile
    try:
        answer = desk.client().ask(request, 0.1, asker=state.session_id())
    except (QDebugError, WorkerFault):
        return None  # the page itself says what is wrong with the compute process
    if isinstance(answer, Running):
        return last
    desk.answers().keep((NOW, request), (time.monotonic(), answer))
    return answer


def demand(request: Any, patience: float) -> Any:
    """The answer to a request that a click waits for.

    Raises:
        QDebugError: what went wrong, also if it is not there after ``patience`` seconds.
    """
    try:
        return desk.client().get(request, patience, asker=state.session_id())
    except WorkerFault as fault:
        raise _fault(fault) from None


def opened() -> ModelInfo | None:
    """The model at hand, if it is open by now. Only :func:`need_model` draws when it is not."""
    answer = look(Open(ref=state.ref()))
    return answer if isinstance(answer, ModelInfo) else None


def need_model() -> ModelInfo | None:
    """The model at hand; draws progress or the error where there is none yet."""
    answer, fresh = latest("model", Open(ref=state.ref()))
    return answer if fresh else None


def watch() -> None:
    """Look after quiet requests; called once at the end of a run."""
    if st.session_state.waiting:
        with st.container(key="hidden-waiting"):
            st.html('<i class="q-waiting"></i>')  # whoever drives the page sees that it is not at rest
            _watch(tuple(st.session_state.waiting))


@st.fragment(run_every=PATIENCE)
def _watch(requests: tuple[Any, ...]) -> None:
    if not is_covered() and any(not isinstance(look(request, wait=0.0), Running) for request in requests):
        st.rerun()


def is_covered(place: str = "") -> bool:
    """Whether a dialog lies over a place: drawing the page anew then would lose what is being dropped on the dialog."""
    return st.session_state.opening is not None and place != DIALOG


@st.fragment(run_every=PATIENCE)
def _follow(place: str, request: Any) -> None:
    answer = look(request, wait=0.0)
    if not isinstance(answer, Running):
        if is_covered(place):
            return
        st.rerun()
    draw_progress(place, request, answer)


def draw_progress(place: str, request: Any, running: Running) -> None:
    """How far a job is, in a line with a button that stops it."""
    at = running.progress
    done = min(1.0, at.done / at.total) if at.total else 0.0
    steps = f" · {at.done} of {at.total}" if at.total else ""
    with st.container(key=f"working-{place}", horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(done, text=words.literal(f"{at.text}{steps}"))
        if at.can_finish:
            st.button("Stop and keep the best", key=f"finish-{place}", on_click=_finish, args=(running.job,),
                      help="Ends here with the best state so far.")  # fmt: skip
        st.button("Cancel", key=f"cancel-{place}", on_click=_cancel, args=(request, running.job), type="tertiary")


def _cancel(request: Any, job: str) -> None:
    desk.client().cancel(job, asker=state.session_id())
    if desk.answers().find(key_of(request)) is not None:
        return  # it was quicker than the click
    st.session_state.failed[key_of(request)] = Cancelled(do="The recipe is kept; measure again when you like.")


def _finish(job: str) -> None:
    if not desk.client().finish(job, asker=state.session_id()):
        st.toast("Somebody else waits for all of it: it goes on.")


def failure(request: Any) -> QDebugError | None:
    """The error that a request ended with, if it did."""
    return st.session_state.failed.get(key_of(request))


def is_known(request: Any) -> bool:
    """Whether a request can be drawn without any work: its answer is here, or the error that it ended with."""
    return failure(request) is not None or desk.answers().find(key_of(request)) is not None


def keep(request: Any, answer: Any) -> None:
    """Hold the answer to a request that has come another way."""
    desk.answers().keep(key_of(request), answer)


def forget(request: Any) -> None:
    """Let a request be asked anew, whether it was answered or ended with an error."""
    st.session_state.failed.pop(key_of(request), None)
    desk.answers().drop(key_of(request))
