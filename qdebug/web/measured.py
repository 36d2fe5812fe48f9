"""What is known of layers' sensitivity, put together: predictions first, measurements in their place as they come.

A sweep measures only formats that have something left to measure, and what an earlier one measured stays, also where it
was stopped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import msgspec
import streamlit as st

from qdebug.jobs.verbs import GetSensitivity
from qdebug.results import Sensitivity, SensitivityRow
from qdebug.web import ask, desk

MOST = 32
"""Sweeps that a session remembers."""
_BEFORE = "before"
"""Where it is kept what was measured before a sweep was started once more."""


def merged(predicted: Sensitivity | None, sweeps: Iterable[Sensitivity]) -> Sensitivity | None:
    """The prediction's rows, each with its measurement where one of the sweeps has it.

    Where there is no prediction, the newest sweep's.
    """
    found = list(sweeps)
    first = predicted or (found[-1] if found else None)
    if first is None:
        return None
    rows: dict[tuple[str, str], SensitivityRow] = {}
    for sweep in found:
        rows |= {(row.layer, row.format): row for row in sweep.rows if row.exact is not None}
    return msgspec.structs.replace(first, rows=tuple(rows.get((row.layer, row.format), row) for row in first.rows))


def unmeasured(found: Sensitivity) -> tuple[SensitivityRow, ...]:
    """The rows that can be measured and are not."""
    return tuple(row for row in found.rows if row.exact is None and not row.refused)


def sweep_for(request: GetSensitivity, found: Sensitivity) -> GetSensitivity:
    """The request that measures what is not measured yet, of all formats where nothing is missing."""
    missing = {row.format for row in unmeasured(found)}
    formats = tuple(pair for pair in request.formats if pair[0] in missing) or request.formats
    return msgspec.structs.replace(request, formats=formats, mode="exact")


def start(request: GetSensitivity, sweep: GetSensitivity) -> None:
    """Measure from now on: ``sweep`` belongs to what is asked by ``request``."""
    if before := merged(None, sweeps_of(request)):
        desk.parts().keep((_BEFORE, ask.key_of(sweep)), "", before)
    ask.forget(sweep)
    sweeps = _sweeps()
    sweeps[ask.key_of(request)] = sweep
    known = [one for one in _known() if one != sweep]
    st.session_state["sweeps-known"] = (*known, sweep)[-MOST:]
    while len(sweeps) > MOST:
        sweeps.pop(next(iter(sweeps)))


def under_way(request: GetSensitivity) -> GetSensitivity | None:
    """The sweep that was started for a request, or None: also one that has ended."""
    return _sweeps().get(ask.key_of(request))


def sweeps_of(request: GetSensitivity) -> list[Sensitivity]:
    """What this session's sweeps found, oldest first, of what a request asks for."""
    plans = dict(request.formats)
    found = []
    for one in _known():
        if (one.ref, one.recipe, one.measure) == (request.ref, request.recipe, request.measure):
            shared = {name for name, plan in one.formats if plans.get(name) == plan}
            for part in (desk.parts().find((_BEFORE, ask.key_of(one))), ask.part(one)):
                if isinstance(part, Sensitivity):
                    rows = tuple(row for row in part.rows if row.format in shared)
                    found.append(msgspec.structs.replace(part, rows=rows))
    return found


def rows_as_csv(found: Sensitivity) -> str:
    """One line per layer and format, as spreadsheets and pandas read it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("layer", "format", "measure", "predicted", "predicted_low", "predicted_high", "weight", "activation", "exact",
         "exact_low", "exact_high", "metric", "linear", "refused")
    )  # fmt: skip
    for row in found.rows:
        low, high = row.predicted_ci95 or ("", "")
        exact_low, exact_high = row.exact_ci95 or ("", "")
        writer.writerow(
            (_cell(row.layer), row.format, found.measure, row.predicted, low, high, row.weight, row.activation,
             row.exact, exact_low, exact_high, row.metric, row.linear, row.refused)
        )  # fmt: skip
    return out.getvalue()


def _cell(name: str) -> str:
    """A layer's name as a spreadsheet may have it: one that looks like a formula is told to be text."""
    return "'" + name if name[:1] in tuple("=+-@") else name


def _sweeps() -> dict[Any, GetSensitivity]:
    return st.session_state.setdefault("sweeps", {})


def _known() -> tuple[GetSensitivity, ...]:
    return st.session_state.get("sweeps-known", ())
