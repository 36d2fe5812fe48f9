"""What a browser session holds: which model, which recipes, which layer. Small plain values, never an array."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from qdebug.recipes import Recipe, preset
from qdebug.results import ModelInfo, ModelRef

FIRST_MODEL = "digits-mobilenet"
FIRST_PRESET = "w8a8"
MOST_TRIED = 24


@dataclass(frozen=True, slots=True)
class History:
    """The recipes of one model in the order they were made, and where one stands among them.

    Attributes:
        recipes: what undo and redo walk through.
        cursor: the recipe at hand.
        tried: all recipes seen, newest last, also those that undo and a new branch have left behind.
    """

    recipes: tuple[Recipe, ...]
    cursor: int = 0
    tried: tuple[Recipe, ...] = ()

    @property
    def now(self) -> Recipe:
        """The recipe at hand."""
        return self.recipes[self.cursor]

    def changed(self, recipe: Recipe) -> History:
        """With a new recipe after the one at hand; what had been undone is dropped from the line."""
        if recipe == self.now:
            return self
        kept = (*self.recipes[: self.cursor + 1], recipe)
        tried = (*(one for one in self.tried or self.recipes if one != recipe), recipe)
        return History(kept, len(kept) - 1, tried[-MOST_TRIED:])

    def moved(self, steps: int) -> History:
        """Undone (negative) or redone, as far as there is something."""
        return replace(self, cursor=min(max(0, self.cursor + steps), len(self.recipes) - 1))


def start() -> None:
    """Give a new session its model and first recipe; called at the top of every run."""
    here = st.session_state
    if "ref" not in here:
        here.ref = ModelRef(
            model=os.environ.get("QDEBUG_MODEL") or FIRST_MODEL,
            data=os.environ.get("QDEBUG_DATA") or None,
            calib=os.environ.get("QDEBUG_CALIB") or None,
        )
        here.opened = ()
        here.histories = {}
        here.chosen = {}
        here.failed = {}
        here.first = {}
        here.drawn = {}
        here.opening = None
        here.kept = {}
        here.id = secrets.token_hex(8)


def session_id() -> str:
    """A name for this session, by which the compute process knows who waits for what."""
    return str(st.session_state.id)


def ref() -> ModelRef:
    """The model at hand."""
    return st.session_state.ref


def opened() -> tuple[ModelRef, ...]:
    """Every model that has opened in this session, first to last."""
    return st.session_state.opened


def open_model(one: ModelRef) -> None:
    """Make a model the one at hand. Recipes of the others are kept."""
    st.session_state.ref = one


def is_open(first: Recipe) -> None:
    """Note that the model at hand has opened, and which recipe it is first looked at with."""
    here = st.session_state
    here.first[ref()] = first
    if ref() not in here.opened:
        here.opened = (*here.opened, ref())


def history() -> History:
    """The recipes of the model at hand."""
    found: History | None = st.session_state.histories.get(ref())
    return found or History((st.session_state.first.get(ref()) or preset(FIRST_PRESET),))


def recipe() -> Recipe:
    """The recipe at hand."""
    return history().now


def change(new: Recipe) -> None:
    """Make a recipe the one at hand; undo leads back."""
    st.session_state.histories[ref()] = history().changed(new)


def move(steps: int) -> None:
    """Undo (negative) or redo."""
    st.session_state.histories[ref()] = history().moved(steps)


def choose(layer: str) -> None:
    """Make a layer the chosen one."""
    st.session_state.chosen[ref()] = layer


def chosen(info: ModelInfo) -> str | None:
    """The name of the chosen layer, if one of the model's has been chosen."""
    name = st.session_state.chosen.get(ref())
    return name if name in {layer.name for layer in info.layers} else None


def put(key: str, value: Any) -> str:
    """Make a widget show a value that lives elsewhere: set it before the widget is drawn. Returns the key."""
    st.session_state[key] = value
    return key
