"""A recipe as a file: for which tool, what it says and cannot say, and the way home."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from qdebug.errors import FileError
from qdebug.figures import numbers
from qdebug.figures.text import escaped, listed, plural
from qdebug.jobs import exports
from qdebug.jobs.verbs import GetExport, GetTargets, GetUnsaid
from qdebug.recipes import Recipe
from qdebug.results import Exported, ModelInfo, TargetCard
from qdebug.web.core import ask, clicked, problem, state, takeaway, words
from qdebug.web.editing import edits

ONNX = "onnx"
MOST_NAMES = 5
FOLDERS = "huggingface"
"""The source of models that came from a folder, which checkpoints are written from."""


def draw(info: ModelInfo) -> None:
    """Choose a target, write the file, take it home."""
    with st.container(key="export-file"):
        cards, _ = ask.latest("targets", GetTargets())
        if cards is None:
            return
        recipe = state.recipe()
        with st.container(key="export-choice", horizontal=True, vertical_alignment="center", gap="small"):
            st.html('<h1 class="q-page">Export</h1>', width="content")
            card = _target(offered(cards, info))
            request = GetExport(ref=state.ref(), recipe=recipe, target=card.name)
            wanted = clicked.is_wanted(request)
            if not wanted:
                label = "Write the file" if card.suffix else "Write the folder"
                st.button(label, key="export-write", type="primary", on_click=clicked.start, args=(request,))
        if request.target == ONNX:
            _integers(recipe)
        if wanted:
            ask.show("export", request, lambda found, fresh: _written(found, request, fresh))
        elif card.from_folder:
            _beforehand(request)


def offered(cards: tuple[TargetCard, ...], info: ModelInfo) -> tuple[TargetCard, ...]:
    """The targets that this model can have: folders are written from folders."""
    return tuple(card for card in cards if info.source == FOLDERS or not card.from_folder)


def _target(cards: tuple[TargetCard, ...]) -> TargetCard:
    by_name = {card.name: card for card in cards}
    chosen = st.selectbox("Target", list(by_name), format_func=lambda name: by_name[name].title, key="export-target",
                          width=430, label_visibility="collapsed")  # fmt: skip
    return by_name[chosen]


def _beforehand(request: GetExport) -> None:
    """What will be left unsaid, before anybody waits for it."""
    unsaid, _ = ask.latest("unsaid", GetUnsaid(ref=request.ref, recipe=request.recipe, target=request.target))
    if unsaid is not None:
        st.html(beforehand_html(unsaid))


def beforehand_html(unsaid: tuple[str, ...]) -> str:
    """The sentences, with what they do not cover."""
    rest = "What depends on values, such as where fixes put weights, is told when it is written."
    if not unsaid:
        return words.quiet(f"By its formats it can say all of the recipe. {rest}")
    rows = "".join(f"<li>{escaped(one)}</li>" for one in unsaid)
    title = '<h3 class="q-chart-title">What it will not say</h3>'
    return title + words.scrolling(f'<ul class="q-sites">{rows}</ul>') + words.quiet(rest)


def _integers(recipe: Recipe) -> None:
    """Where activations between layers stay float: what integer runtimes make of it, and the way to change it."""
    whole = edits.with_integers(recipe)
    if whole is None:
        return
    with st.container(key="export-integers", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="q-lead">{escaped(integers_note(recipe))}</p>', width="content")
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
        takeaway.button(Path(found.path), Path(found.path).name, "export-download", disabled=not fresh)
    right.html(unsaid_html(found))


def file_html(found: Exported, recipe: Recipe) -> str:
    """What was written."""
    facts = {"file": Path(found.path).name}
    if found.holds:
        facts["holds"] = listed(found.holds, most=MOST_NAMES)
    facts |= {
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
    rows = "".join(f"<dt>{key}</dt><dd>{escaped(value)}</dd>" for key, value in facts.items())
    return f'<dl class="q-facts">{rows}</dl>'


def unsaid_html(found: Exported) -> str:
    """What the recipe says and the file cannot."""
    if not found.unsaid:
        return '<h3 class="q-chart-title">The file says all of the recipe</h3>'
    title = f"{plural(len(found.unsaid), 'thing')} the recipe says and the file cannot"
    rows = "".join(f"<li>{escaped(one)}</li>" for one in found.unsaid)
    return f'<h3 class="q-chart-title">{title}</h3>' + words.scrolling(f'<ul class="q-sites">{rows}</ul>')
