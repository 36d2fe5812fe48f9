"""The sidebar: which model on which data, the recipe, and its history."""

from __future__ import annotations

import html
from functools import partial
from typing import cast

import msgspec
import streamlit as st

from qdebug.classroom import workshop
from qdebug.errors import QDebugError, RecipeError, written_out
from qdebug.figures.numbers import count, size
from qdebug.figures.text import plural
from qdebug.jobs.verbs import Check, GetStats, Samples
from qdebug.recipes import FLOAT, Recipe, dumps, loads
from qdebug.recipes.plan import ChosenRange
from qdebug.results import CacheStats, ModelInfo, ModelRef
from qdebug.web.core import ask, problem, state, words
from qdebug.web.editing import attention, edits
from qdebug.web.opening import dialog
from qdebug.web.shell import keys, tour, tried

CUSTOM = "—"
OWN = "own"
LOAD_PATIENCE = 5.0
"""Seconds that loading a recipe waits to hear whether the recipe fits the model."""


def draw(info: ModelInfo | None) -> None:
    """Draw the sidebar. Without a model, only what chooses one."""
    _model()
    if info is None:
        _back()
    else:
        st.html(data_html(info))
        _find(info)
        _recipe(info)
        _history(info)
    with st.container(key="side-help", horizontal=True, gap="small"):
        st.button("Take the tour", key="tour-again", type="tertiary", on_click=tour.again)
        with st.popover("Keys", key="keys-help", type="tertiary"):
            st.html(keys.help_html())
    _memory()


def _heading(text: str) -> None:
    st.html(f'<h2 class="q-side">{text}</h2>')


def _model() -> None:
    _heading("Model")
    cards = ask.look(Samples(), wait=2.0)
    samples = cards if isinstance(cards, tuple) else ()
    refs = tuple(dict.fromkeys([*(ModelRef(model=card.name) for card in samples), *state.opened(), state.ref()]))
    st.selectbox(
        "Model",
        refs,
        key=state.put("side-model", state.ref()),
        format_func=ref_in_words,
        on_change=_choose,
        label_visibility="collapsed",
    )
    if not workshop():
        st.button("Open a file …", key="open", width="stretch", on_click=dialog.start)


def _choose() -> None:
    """Make the selected model the one at hand.

    A browser that was not told yet that the list has changed may send an entry that is no more; it arrives as its text.
    """
    chosen = st.session_state["side-model"]
    if isinstance(chosen, ModelRef):
        state.open_model(chosen)


def _back() -> None:
    """The way back to what was open, while the model at hand is not (yet)."""
    others = [ref for ref in state.opened() if ref != state.ref()]
    if others:
        last = others[-1]
        label = f"Back to {words.literal(ref_in_words(last))}"
        st.button(label, key="back", on_click=state.open_model, args=(last,), width="stretch")


def ref_in_words(ref: ModelRef) -> str:
    """A model's name in the select: a sample's name or the last part of a path, and the data if not its own."""
    name = ref.model.rsplit("/", 1)[-1]
    return written_out(f"{name} on {ref.data.rsplit('/', 1)[-1]}" if ref.data else name)


def _find(info: ModelInfo) -> None:
    st.selectbox(
        "Find a layer", [layer.name for layer in info.layers], index=None, key=state.put("find-layer", None),
        placeholder="Find a layer", label_visibility="collapsed", on_change=_found,
    )  # fmt: skip


def _found() -> None:
    if name := st.session_state["find-layer"]:
        state.choose(name)
        state.go("layers")


def data_html(info: ModelInfo) -> str:
    """What is evaluated and what calibrates, in words."""
    return (
        f'<p class="q-side-note">{plural(info.n_eval, "sample")} evaluated<br>'
        f"ranges from {html.escape(info.calibration) or f'{count(info.n_calib)} samples'}</p>"
    )


def _recipe(info: ModelInfo) -> None:
    with st.container(key="side-recipe", horizontal=True, horizontal_alignment="distribute",
                      vertical_alignment="bottom", gap="small"):  # fmt: skip
        _heading("Recipe")
        tried.draw()
    recipe = state.recipe()
    st.html(f'<div class="q-pills">{"".join(map(pill_html, words.recipe_pills(recipe)))}</div>')
    own = loads(info.own_recipe) if info.own_recipe else None
    bare = msgspec.structs.replace(recipe, embeddings=FLOAT)  # they have a choice of their own
    name = OWN if recipe == own else words.preset_of(bare) or words.written(bare) or CUSTOM
    named = {**({OWN: "as in the file"} if own else {}), **words.PRESETS}
    st.selectbox(
        "Preset",
        [*([] if name in named else [name]), *named],
        key=state.put("side-preset", name),
        format_func=lambda one: "changed by hand" if one == CUSTOM else named.get(one, str(one)),
        on_change=lambda: _preset(st.session_state["side-preset"], own),
        accept_new_options=True,
        help="Gives every layer the same formats and drops exceptions. Fixes and attention stay. Others than "
        "those of the list can be written: `w6a8-pc`, or with pruned weights `w8a8-pc@2:4`.",
    )
    refused, digest = st.session_state.get("preset-error", (None, ""))
    if refused is not None and digest == recipe.digest:  # the next step makes it old news
        problem.draw(refused, "preset", retry=None)
    if edits.has_tables(info):
        _tables(recipe, info)
    method = edits.range_of(recipe)
    st.selectbox(
        "Ranges from calibration",
        [*([] if method in edits.RANGES else [method or CUSTOM]), *edits.RANGES],
        key=state.put("side-range", method or CUSTOM),
        format_func=lambda one: edits.RANGES.get(one, "from the file" if one == edits.STORED else "differ by layer"),
        on_change=lambda: _range(info, st.session_state["side-range"]),
        help="How clip ranges are chosen, for all tensors in an integer format.",
    )
    attention.draw(info)


def _tables(recipe: Recipe, info: ModelInfo) -> None:
    now = edits.tables_of(recipe, info)
    st.selectbox(
        "Embeddings",
        [*([] if now else [CUSTOM]), *edits.TABLES],
        key=state.put("side-tables", now or CUSTOM),
        format_func=lambda one: edits.TABLES.get(one, "changed by hand"),
        on_change=lambda: _tabled(info, st.session_state["side-tables"]),
        help="The format of the tables of embeddings, which presets leave float.",
    )


def _tabled(info: ModelInfo, text: str) -> None:
    if text in edits.TABLES:
        state.change(edits.with_tables(state.recipe(), info, text))


def _preset(name: str, own: Recipe | None) -> None:
    if name == OWN and own is not None:
        state.change(own)
    elif name and name != CUSTOM:
        try:
            state.change(edits.with_preset(state.recipe(), name))
        except QDebugError as error:  # written by hand
            st.session_state["preset-error"] = error, state.recipe().digest


def _range(info: ModelInfo, method: str) -> None:
    if method in edits.RANGES:
        state.change(edits.with_range(state.recipe(), info, cast(ChosenRange, method)))


def pill_html(pill: words.Pill) -> str:
    """One pill of the recipe."""
    return f'<span class="q-pill {pill.precision}">{html.escape(pill.text)}</span>'


def _history(info: ModelInfo) -> None:
    history = state.history()
    with st.container(key="side-history", gap="small"):
        left, right = st.columns(2, gap="small")
        first, last = history.cursor == 0, history.cursor == len(history.recipes) - 1
        left.button("Undo", key="undo", on_click=state.move, args=(-1,), disabled=first, width="stretch")
        right.button("Redo", key="redo", on_click=state.move, args=(1,), disabled=last, width="stretch")
        # Written on a click: a file made at every run would be taken away by the next while the page asks for it.
        saved = partial(dumps, msgspec.structs.replace(history.now, model=info.digest))
        left.download_button("Save", saved, f"{info.name}.recipe.yaml", "application/yaml", key="save",
                             on_click="ignore", width="stretch")  # fmt: skip
        with right.popover("Load", width="stretch", key=_closing("load")):
            _load_form()
    if "load-error" in st.session_state:
        error, place = st.session_state["load-error"]
        if place != (state.ref(), state.recipe().digest):  # the next step makes it old news
            del st.session_state["load-error"]
            return
        problem.draw(error, "load", retry=None)
        st.button("Dismiss", key="load-dismiss", type="tertiary", on_click=lambda: st.session_state.pop("load-error"))


def _load_form() -> None:
    with st.form("load", clear_on_submit=True, border=False):
        st.file_uploader("Recipe", type=["yaml", "yml", "json"], max_upload_size=16, key="load-file")
        st.form_submit_button("Load", width="stretch", on_click=_loaded)


def _loaded() -> None:
    file = st.session_state["load-file"]
    st.session_state.pop("load-error", None)
    _close("load")
    if file is not None:
        try:
            _load(file.getvalue(), file.name)
        except QDebugError as error:
            st.session_state["load-error"] = error, (state.ref(), state.recipe().digest)


def _load(content: bytes, name: str) -> None:
    """Make an uploaded recipe the one at hand, if it is one and fits the model; otherwise raise and change nothing."""
    try:
        recipe = loads(content.decode("utf-8"), file=name)
    except UnicodeDecodeError:
        raise RecipeError("The recipe is not text", file=name, do="Recipes are YAML or JSON files.") from None
    ask.demand(Check(ref=state.ref(), recipe=recipe), LOAD_PATIENCE)
    state.change(msgspec.structs.replace(recipe, model=None))  # it fits; in this session it is a recipe like any other


def _closing(name: str) -> str:
    """A popover's key. A popover under another key is another one, and closed: so it closes after its form was sent."""
    return f"{name}-popover-{st.session_state.setdefault(f'{name}-sent', 0)}"


def _close(name: str) -> None:
    st.session_state[f"{name}-sent"] += 1


def _memory() -> None:
    stats = ask.now(GetStats())
    if isinstance(stats, CacheStats):
        hint = f"{count(stats.entries)} values held, {count(stats.hits)} found again, {count(stats.evictions)} dropped"
        text = f"cache {size(stats.bytes)} of {size(stats.budget)}"
        st.html(f'<p class="q-side-note q-memory" title="{hint}">{text}</p>')
