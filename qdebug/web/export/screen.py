"""A recipe as a file: for which tool, what it says and cannot say, and the way home."""

from __future__ import annotations

import html
from functools import partial
from pathlib import Path

import streamlit as st

from qdebug.errors import FileError
from qdebug.figures import numbers
from qdebug.figures.text import listed, plural
from qdebug.jobs import exports
from qdebug.jobs.verbs import GetExport, GetTargets
from qdebug.recipes import Recipe
from qdebug.results import Exported, TargetCard
from qdebug.web.core import ask, clicked, problem, state, words
from qdebug.web.editing import edits

ONNX = "onnx"
MOST_NAMES = 5
MIME = "application/octet-stream"


def draw() -> None:
    """Choose a target, write the file, take it home."""
    with st.container(key="export-file"):
        cards, _ = ask.latest("targets", GetTargets())
        if cards is None:
            return
        recipe = state.recipe()
        with st.container(key="export-choice", horizontal=True, vertical_alignment="center", gap="small"):
            st.html('<h1 class="q-page">Export</h1>', width="content")
            request = GetExport(ref=state.ref(), recipe=recipe, target=_target(cards))
            if not clicked.is_wanted(request):
                st.button("Write the file", key="export-write", type="primary", on_click=clicked.start, args=(request,))
        if request.target == ONNX:
            _integers(recipe)
        if clicked.is_wanted(request):
            ask.show("export", request, lambda found, fresh: _written(found, request, fresh))


def _target(cards: tuple[TargetCard, ...]) -> str:
    titles = {card.name: card.title for card in cards}
    return st.selectbox("Target", list(titles), format_func=titles.__getitem__, key="export-target", width=430,
                        label_visibility="collapsed")  # fmt: skip


def _integers(recipe: Recipe) -> None:
    """Where activations between layers stay float: what integer runtimes make of it, and the way to change it."""
    whole = edits.with_integers(recipe)
    if whole is None:
        return
    with st.container(key="export-integers", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="q-lead">{html.escape(integers_note(recipe))}</p>', width="content")
        st.button(
            "Integers everywhere", key="export-whole", on_click=state.change, args=(whole,), width="content",
            help="Gives activations between layers the layers' format and biases 32 bits, as the presets that end in "
            "-all do. Undo leads back.",
        )  # fmt: skip


def integers_note(recipe: Recipe) -> str:
    """What the recipe leaves in float, and what that means to a runtime."""
    left = []
    if recipe.between.is_float32:
        left.append("activations between layers")
    if recipe.bias != "int32":
        left.append("biases")
    return (
        f"This recipe leaves {' and '.join(left)} in float. Integer runtimes want integers there too: "
        "without them they turn back to float around every layer."
    )


def _written(found: Exported, request: GetExport, fresh: bool) -> None:
    if not exports.files(found):
        problem.draw(FileError("The written file has been removed meanwhile", do="Write it again."), "export-gone")
        st.button("Write it again", key="export-again", on_click=ask.forget, args=(request,), type="tertiary")
        return
    exports.touch(Path(found.path).parent)
    left, right = st.columns([5, 6], gap="large")
    with left:
        st.html(file_html(found, request.recipe))
        name = exports.download_name(found)
        st.download_button(
            f"Download {name}", partial(exports.content, found), name, MIME, key="export-download", on_click="ignore",
            type="primary", disabled=not fresh,
        )  # fmt: skip
    right.html(unsaid_html(found))


def file_html(found: Exported, recipe: Recipe) -> str:
    """What was written."""
    count = len(exports.files(found))
    facts = {
        "file": Path(found.path).name + (f" and {plural(count - 1, 'data file')}" if count > 1 else ""),
        "size": numbers.size(found.bytes),
        "says": " · ".join(pill.text for pill in words.recipe_pills(recipe)),
    }
    if found.opset:
        facts["opset"] = f"{found.opset}, {plural(found.added, 'node')} added"
    if found.gone:
        facts["names gone"] = (
            f"{plural(len(found.gone), 'name')}, computed beforehand: {listed(found.gone, most=MOST_NAMES)}"
        )
    if found.renamed:
        pairs = tuple(f"{old} as {new}" for old, new in found.renamed.items())
        facts["renamed"] = listed(pairs, most=MOST_NAMES)
    rows = "".join(f"<dt>{key}</dt><dd>{html.escape(value)}</dd>" for key, value in facts.items())
    return f'<dl class="q-facts">{rows}</dl>'


def unsaid_html(found: Exported) -> str:
    """What the recipe says and the file cannot."""
    if not found.unsaid:
        return '<h3 class="q-chart-title">The file says all of the recipe</h3>'
    title = f"{plural(len(found.unsaid), 'thing')} the recipe says and the file cannot"
    rows = "".join(f"<li>{html.escape(one)}</li>" for one in found.unsaid)
    return f'<h3 class="q-chart-title">{title}</h3>' + words.scrolling(f'<ul class="q-sites">{rows}</ul>')
