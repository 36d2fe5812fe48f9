"""The report: made in the compute process after a click, taken home as a page or as data."""

from __future__ import annotations

import html
from functools import partial
from pathlib import Path

import streamlit as st

from qdebug.errors import FileError
from qdebug.figures import numbers
from qdebug.figures.agreement import runtime_name
from qdebug.jobs import exports
from qdebug.jobs.verbs import GetReport
from qdebug.recipes import Recipe
from qdebug.results import Exported
from qdebug.web.core import ask, clicked, problem, state, words

ALONE, AGAINST = "alone", "against"
KINDS = {".html": ("the page", "text/html"), ".json": ("its data", "application/json")}


def draw() -> None:
    """What it is to be of, the button, and what came of it."""
    recipe, baseline = state.recipe(), state.baseline()
    with st.container(key="card-report"):
        with st.container(key="report-choice", horizontal=True, vertical_alignment="center", gap="small"):
            st.html('<h2 class="q-card">A report to send</h2>', width="content")
            other = _against(baseline) if baseline is not None and baseline != recipe else None
            request = GetReport(ref=state.ref(), recipe=recipe, runtime="onnxruntime", against=other)
            wanted = clicked.is_wanted(request)
            if not wanted:
                st.button("Make the report", key="report-make", on_click=clicked.start, args=(request,))
        if wanted:
            ask.show("report", request, lambda found, fresh: _made(found, request, fresh))
        else:
            st.html(words.quiet(about(other)))


def _against(baseline: Recipe) -> Recipe | None:
    """The recipe to report the difference from, where that is wanted."""
    titles = {ALONE: "this recipe", AGAINST: f"against {words.recipe_title(baseline)}"}
    chosen = st.segmented_control(
        "Of", list(titles), default=ALONE, format_func=titles.__getitem__, key="report-kind", required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    return baseline if chosen == AGAINST else None


def about(other: Recipe | None) -> str:
    """What the file will hold, and what making it takes."""
    if other is not None:
        return (
            "One file that opens without a network: which of the two does better, layers that differ, answers that "
            "changed, classes and groups."
        )
    return (
        "One file that opens without a network: verdict, causes and what was tried, layers, classes and groups, "
        f"{runtime_name('onnxruntime')}, recipe and digests. Looking for causes takes as long as Diagnose does."
    )


def _made(found: Exported, request: GetReport, fresh: bool) -> None:
    files = exports.files(found)
    if not files:
        problem.draw(FileError("The report has been removed meanwhile", do="Make it again."), "report-gone")
        st.button("Make it again", key="report-again", on_click=ask.forget, args=(request,), type="tertiary")
        return
    exports.touch(Path(found.path).parent)
    with st.container(key="report-files", horizontal=True, vertical_alignment="center", gap="small"):
        for file in files:
            what, mime = KINDS[file.suffix]
            st.download_button(
                f"Download {what}", partial(exports.read, file), f"{_stem(request)}-{file.name}", mime,
                key=f"report-{file.suffix[1:]}", on_click="ignore", disabled=not fresh,
                type="primary" if file.suffix == ".html" else "secondary", width="content",
            )  # fmt: skip
        st.html(f'<p class="q-quiet">{html.escape(numbers.size(found.bytes))} together</p>', width="content")


def _stem(request: GetReport) -> str:
    """The model's name as the beginning of a file's name."""
    name = Path(request.ref.model).name
    return "".join(one if one.isalnum() or one in "-_." else "-" for one in name)[:64] or "model"
