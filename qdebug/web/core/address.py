"""The page's address: the model, recipe and layer shown, so that reloads, links and restarts find them again."""

from __future__ import annotations

import streamlit as st

from qdebug.classroom import workshop
from qdebug.errors import FileError
from qdebug.jobs.links import Links
from qdebug.recipes import Recipe
from qdebug.results import ModelInfo, ModelRef
from qdebug.web.core import problem, state

_READ, _LOST, _NAMED = "address-read", "address-lost", "address-named"
_KEYS = ("model", "recipe", "layer")


def read() -> None:
    """Open what the address names; called in every run, and does something in a session's first."""
    here = st.session_state
    if _READ in here:
        return
    here[_READ] = True
    here[_NAMED] = {}
    asked = {key: st.query_params[key] for key in _KEYS if key in st.query_params}
    try:
        _open(asked)
    except FileError as error:
        here[_LOST] = error


def _open(asked: dict[str, str]) -> None:
    here, links = st.session_state, Links()
    ref = links.model(asked["model"]) if "model" in asked else state.ref()
    recipe = links.recipe(asked["recipe"]) if "recipe" in asked else None
    if ref is None:
        here[_LOST] = FileError(
            "The address names a model that nobody has opened here",
            do="A workshop keeps to the samples." if workshop() else "Open its file; the recipe is a file too.",
        )
        return
    state.open_model(ref)
    if recipe is not None:
        state.begin_with(recipe)
    elif "recipe" in asked:
        here[_LOST] = FileError(
            "The address names a recipe that nobody has made here", do="Ask for the recipe's file, and load it."
        )
    if "layer" in asked:
        state.choose(asked["layer"])


def draw_problem() -> None:
    """What of the address could not be found, until it is put away."""
    if lost := st.session_state.get(_LOST):
        problem.draw(lost, "address")
        st.button("Dismiss", key="address-dismiss", type="tertiary", on_click=lambda: st.session_state.pop(_LOST))


def write(info: ModelInfo | None) -> None:
    """Put what is at hand into the address; called at the end of a run. Without data, the model alone."""
    wanted = {"model": _name(state.ref())}
    if info is not None and state.recipe() != state.first_recipe():
        wanted["recipe"] = _name(state.recipe())
    if info is not None and (layer := state.chosen(info)):
        wanted["layer"] = layer
    if all(wanted.values()) and {key: st.query_params.get(key) for key in _KEYS} != {
        key: wanted.get(key) for key in _KEYS
    }:
        st.query_params.from_dict(wanted)


def _name(what: ModelRef | Recipe) -> str:
    """What stands for it; nothing where it cannot be kept, which :func:`draw_problem` tells."""
    named: dict[ModelRef | Recipe, str] = st.session_state[_NAMED]
    if what not in named:
        try:
            links = Links()
            named[what] = links.name_model(what) if isinstance(what, ModelRef) else links.name_recipe(what)
        except FileError as error:
            st.session_state[_LOST] = error
            named[what] = ""
    return named[what]
