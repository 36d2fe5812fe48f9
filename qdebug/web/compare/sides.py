"""The two sides of the Compare screen: what can stand there, and what was chosen."""

from __future__ import annotations

from typing import Literal

import msgspec
import streamlit as st

from qdebug.errors import QDebugError, RecipeError
from qdebug.jobs.verbs import Check
from qdebug.recipes import Recipe, loads, preset
from qdebug.results import ModelInfo
from qdebug.web.compare import baseline
from qdebug.web.core import ask, problem, state, words
from qdebug.web.shell.sidebar import LOAD_PATIENCE, pill_html

Side = Literal["a", "b"]
NOW, PINNED, FLOAT, OWN = "now", "pinned", "float", "own"
MOST_LOADED = 8
_ERROR = "compare-load-error"
_SENT = "compare-load-sent"


def options(info: ModelInfo) -> dict[str, tuple[str, Recipe]]:
    """What a side can be: its name in words and the recipe, by a key that stays while the page is drawn anew."""
    now, pinned = state.recipe(), state.baseline()
    found: dict[str, tuple[str, Recipe]] = {NOW: (f"At hand: {_called(now)}", now)}
    if pinned is not None:
        found[PINNED] = (f"Baseline: {_called(pinned)}", pinned)
    found[FLOAT] = ("Float", Recipe())
    if info.own_recipe:
        found[OWN] = ("As in the file", loads(info.own_recipe))
    titles = words.PRESETS | words.COMPRESSED
    presets = {name: preset(name) for name in titles if name != "w32a32"}
    tried = list(enumerate(state.history().tried, 1))
    for place, recipe in reversed(tried):
        if recipe not in (now, pinned, *presets.values()):
            found[f"tried-{recipe.digest}"] = (f"Tried {place}: {_called(recipe)}", recipe)
    for name, recipe in _loaded().items():
        found[f"file-{name}"] = (f"From {name}", recipe)
    for name, recipe in presets.items():
        found[f"preset-{name}"] = (titles[name], recipe)
    return found


def _called(recipe: Recipe) -> str:
    """What people named it; what it is, where they have not."""
    return state.name_of(recipe) or words.recipe_title(recipe)


def draw(info: ModelInfo) -> tuple[Recipe, Recipe]:
    """Two selects with each recipe in pills below; returns the recipes chosen."""
    known = options(info)
    with st.container(key="compare-sides"):
        left, middle, right = st.columns([10, 1, 10], gap="small", vertical_alignment="top")
        with left:
            a = _side("a", known)
        with middle:
            st.button("Swap A and B", key="compare-swap", on_click=_swap, args=(known,), width="stretch",
                      help="Swap A and B")  # fmt: skip
        with right:
            b = _side("b", known)
    return a, b


def _side(side: Side, known: dict[str, tuple[str, Recipe]]) -> Recipe:
    chosen = key_of(side, known)
    st.selectbox(
        side.upper(), list(known), key=state.put(f"compare-{side}", chosen), format_func=lambda key: _name(key, known),
        on_change=lambda: _choose(side, st.session_state[f"compare-{side}"]),
    )  # fmt: skip
    recipe = known[chosen][1]
    pills = "".join(map(pill_html, words.recipe_pills(recipe)))
    with st.container(key=f"compare-{side}-below", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<div class="q-pills">{pills}</div>', width="content")
        if recipe != state.recipe():
            st.button(f"Use {side.upper()}", key=f"compare-use-{side}", type="tertiary", on_click=state.change,
                      args=(recipe,), help="Makes it the recipe at hand; undo leads back", width="content")  # fmt: skip
        if side == "b":
            baseline.button(recipe, "compare-pin", "Pin as baseline")
            _files()
    return recipe


def _name(key: str, known: dict[str, tuple[str, Recipe]]) -> str:
    """A browser that was not told yet of a change may send an entry that is no more."""
    return known[key][0] if key in known else key


def key_of(side: Side, known: dict[str, tuple[str, Recipe]]) -> str:
    """What a side shows: what was chosen if it is still there; else the baseline or float against what is at hand."""
    usual = NOW if side == "b" else PINNED if PINNED in known else FLOAT
    chosen = _chosen().get((state.ref(), side))
    return chosen if chosen in known else usual


def _choose(side: Side, key: str) -> None:
    _chosen()[state.ref(), side] = key


def _swap(known: dict[str, tuple[str, Recipe]]) -> None:
    a, b = key_of("a", known), key_of("b", known)
    _choose("a", b)
    _choose("b", a)


def _files() -> None:
    """A recipe file as one of the sides, without making it the recipe at hand."""
    sent = st.session_state.setdefault(_SENT, 0)
    with (  # under another key it is another popover, and closed
        st.popover("From a file", key=f"compare-file-{sent}", type="tertiary"),
        st.form("compare-load", clear_on_submit=True, border=False),
    ):
        st.file_uploader("Recipe", type=["yaml", "yml", "json"], max_upload_size=16, key="compare-load-file")
        left, right = st.columns(2)
        left.form_submit_button("As A", width="stretch", on_click=_sent, args=("a",))
        right.form_submit_button("As B", width="stretch", on_click=_sent, args=("b",))
    if _ERROR in st.session_state:
        problem.draw(st.session_state[_ERROR], "compare-load", retry=None)
        st.button("Dismiss", key="compare-load-dismiss", type="tertiary", on_click=st.session_state.pop, args=(_ERROR,))


def _sent(side: Side) -> None:
    file = st.session_state["compare-load-file"]
    st.session_state[_SENT] += 1
    st.session_state.pop(_ERROR, None)
    if file is not None:
        try:
            add_file(side, file.getvalue(), file.name)
        except QDebugError as error:
            st.session_state[_ERROR] = error


def add_file(side: Side, content: bytes, name: str) -> None:
    """Make a recipe file a side.

    Raises:
        QDebugError: it is no recipe, or one that does not fit the model.
    """
    try:
        recipe = loads(content.decode("utf-8"), file=name)
    except UnicodeDecodeError:
        raise RecipeError("The recipe is not text", file=name, do="Recipes are YAML or JSON files.") from None
    ask.demand(Check(ref=state.ref(), recipe=recipe), LOAD_PATIENCE)
    loaded = _loaded()
    loaded[name] = msgspec.structs.replace(recipe, model=None)
    while len(loaded) > MOST_LOADED:
        loaded.pop(next(iter(loaded)))
    _choose(side, f"file-{name}")


def _loaded() -> dict[str, Recipe]:
    by_model: dict[object, dict[str, Recipe]] = st.session_state.setdefault("compare-loaded", {})
    return by_model.setdefault(state.ref(), {})


def _chosen() -> dict[tuple[object, Side], str]:
    return st.session_state.setdefault("compare-chosen", {})
