"""What is known of layers' sensitivity, put together: predictions first, measurements in their place as they come.

Measurements come from a sweep under way and, whatever became of earlier ones, from the workspace's journal.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import msgspec
import streamlit as st

from qdebug.figures.sensitivity import is_partial
from qdebug.jobs.verbs import GetOutlook, GetSensitivity
from qdebug.results import Sensitivity, SensitivityRow, WholeRecipe
from qdebug.web.core import ask, state

MOST = 32
"""Questions that a session remembers."""
_ALONE = ("exact", "exact_ci95", "metric", "n", "linear", "seconds")
_WITHOUT = ("without", "without_ci95", "without_metric", "gain", "gain_ci95")
Asked = GetSensitivity | GetOutlook


def merged(predicted: Sensitivity | None, sweeps: Iterable[Sensitivity]) -> Sensitivity | None:
    """The prediction's rows, each with its measurement where one of the sweeps has it; that on most samples counts.

    Where there is no prediction, the newest sweep's.
    """
    found = list(sweeps)
    first = predicted or (found[-1] if found else None)
    if first is None:
        return None
    rows = {(row.layer, row.format): row for row in first.rows}
    whole: dict[str, WholeRecipe] = {}
    for sweep in found:
        for row in sweep.rows:
            place = row.layer, row.format
            if place in rows:
                rows[place] = _better(rows[place], row)
        whole |= {one.format: one for one in sweep.whole if one.format not in whole or one.n >= whole[one.format].n}
    return msgspec.structs.replace(first, rows=tuple(rows.values()), whole=tuple(whole.values()))


def _better(old: SensitivityRow, new: SensitivityRow) -> SensitivityRow:
    """A row with what a newer one knows better."""
    taken: tuple[str, ...] = ()
    if new.exact is not None and (old.exact is None or new.n >= old.n):
        taken += _ALONE
    if new.gain is not None and not (_is_whole(old) and not _is_whole(new)):
        taken += _WITHOUT
    return msgspec.structs.replace(old, **{name: getattr(new, name) for name in taken}) if taken else old


def _is_whole(row: SensitivityRow) -> bool:
    """Whether the gain rests on all samples."""
    return row.gain_ci95 is not None and row.gain_ci95[0] == row.gain_ci95[1]


def unmeasured(found: Sensitivity) -> tuple[SensitivityRow, ...]:
    """The rows that can be measured, and are not on all samples."""
    return tuple(row for row in found.rows if not row.refused and (row.exact is None or is_partial(row, found.of)))


def outlook_for(sweep: GetSensitivity) -> GetOutlook:
    """The question what a sweep would cost now, after what this session has measured."""
    turn = f"{state.session_id()}-{st.session_state.get('sensitivity-turn', 0)}"
    return GetOutlook(
        ref=sweep.ref, recipe=sweep.recipe, formats=sweep.formats, measure=sweep.measure, until=sweep.until,
        worst=sweep.worst, leave_one_out=sweep.leave_one_out, turn=turn,
    )  # fmt: skip


def start(request: GetSensitivity, sweep: GetSensitivity) -> None:
    """Measure from now on: ``sweep`` belongs to what is asked by ``request``."""
    ask.forget(sweep)
    st.session_state["sensitivity-turn"] = st.session_state.get("sensitivity-turn", 0) + 1
    sweeps = _sweeps()
    sweeps[ask.key_of(request)] = sweep
    note(sweep)
    while len(sweeps) > MOST:
        sweeps.pop(next(iter(sweeps)))


def note(asked: Asked) -> None:
    """Remember a question whose answer tells of measurements."""
    known = [one for one in _known() if one != asked]
    st.session_state["sweeps-known"] = (*known, asked)[-MOST:]


def under_way(request: GetSensitivity) -> GetSensitivity | None:
    """The sweep that was started for a request, or None: also one that has ended."""
    return _sweeps().get(ask.key_of(request))


def sweeps_of(request: GetSensitivity) -> list[Sensitivity]:
    """What this session's sweeps and the journal have, oldest first, of what a request asks for."""
    plans = dict(request.formats)
    found = []
    for one in _known():
        if (one.ref, one.recipe, one.measure) == (request.ref, request.recipe, request.measure):
            shared = {name for name, plan in one.formats if plans.get(name) == plan}
            part = ask.part(one)
            if isinstance(part, Sensitivity):
                rows = tuple(row for row in part.rows if row.format in shared)
                whole = tuple(row for row in part.whole if row.format in shared)
                found.append(msgspec.structs.replace(part, rows=rows, whole=whole))
    return found


def rows_as_csv(found: Sensitivity) -> str:
    """One line per layer and format, as spreadsheets and pandas read it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("layer", "format", "measure", "predicted", "predicted_low", "predicted_high", "weight", "activation", "exact",
         "exact_low", "exact_high", "samples", "metric", "linear", "without", "gain", "gain_low", "gain_high",
         "refused")
    )  # fmt: skip
    for row in found.rows:
        low, high = row.predicted_ci95 or ("", "")
        exact_low, exact_high = row.exact_ci95 or ("", "")
        gain_low, gain_high = row.gain_ci95 or ("", "")
        writer.writerow(
            (_cell(row.layer), row.format, found.measure, row.predicted, low, high, row.weight, row.activation,
             row.exact, exact_low, exact_high, row.n or "", row.metric, row.linear, row.without, row.gain, gain_low,
             gain_high, row.refused)
        )  # fmt: skip
    return out.getvalue()


def _cell(name: str) -> str:
    """A layer's name as a spreadsheet may have it: one that looks like a formula is told to be text."""
    return "'" + name if name[:1] in tuple("=+-@") else name


def _sweeps() -> dict[Any, GetSensitivity]:
    return st.session_state.setdefault("sweeps", {})


def _known() -> tuple[Asked, ...]:
    return st.session_state.get("sweeps-known", ())
