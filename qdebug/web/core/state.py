"""What a browser session holds: which model, which recipes, which layer. Small plain values, never an array."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from qdebug.recipes import Fix, Recipe, preset
from qdebug.results import ModelInfo, ModelRef

FIRST_MODEL = "digits-mobilenet"
FIRST_PRESET = "w8a8"
MOST_TRIED = 24


MOST_NAME = 40


@dataclass(frozen=True, slots=True)
class Tried:
    """A recipe that was looked at, and the digest of the one it was made from; None for the first."""

    recipe: Recipe
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The recipes of one model in the order they were made, and where one stands among them.

    Attributes:
        recipes: what undo and redo walk through.
        cursor: the recipe at hand.
        tried: all recipes seen, newest last, also those that undo and a new branch have left behind.
        trail: the same in the order in which each was first looked at, with what it was made from.
    """

    recipes: tuple[Recipe, ...]
    cursor: int = 0
    tried: tuple[Recipe, ...] = ()
    trail: tuple[Tried, ...] = ()

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
        trail = self.trail or (Tried(self.recipes[0]),)
        if all(one.recipe != recipe for one in trail):
            trail = (*trail, Tried(recipe, self.now.digest))
        return History(kept, len(kept) - 1, tried[-MOST_TRIED:], trail[-MOST_TRIED:])

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
            train=os.environ.get("QDEBUG_TRAIN") or None,
            metric=os.environ.get("QDEBUG_METRIC") or None,
            window=int(os.environ.get("QDEBUG_WINDOW") or 0) or None,
            tokens=int(os.environ.get("QDEBUG_TOKENS") or 0) or None,
        )
        here.opened = ()
        here.histories = {}
        here.chosen = {}
        here.failed = {}
        here.first = {}
        here.drawn = {}
        here.opening = None
        here.kept = {}
        here.baselines = {}
        here.names = {}
        here.drafts = {}
        here.trials = ()
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
    return found or History((first_recipe(),))


def first_recipe() -> Recipe:
    """What the model at hand is first looked at with."""
    return st.session_state.first.get(ref()) or preset(FIRST_PRESET)


def begin_with(recipe: Recipe) -> None:
    """Look at the model at hand with another recipe first."""
    st.session_state.histories[ref()] = History((recipe,))


def recipe() -> Recipe:
    """The recipe at hand."""
    return history().now


def change(new: Recipe) -> None:
    """Make a recipe the one at hand; undo leads back."""
    st.session_state.histories[ref()] = history().changed(new)


def baseline() -> Recipe | None:
    """The recipe that was pinned for the model at hand, to hold others against."""
    return st.session_state.baselines.get(ref())


def pin(one: Recipe) -> None:
    """Make a recipe the baseline of the model at hand, in this session."""
    st.session_state.baselines[ref()] = one


def name_of(one: Recipe) -> str:
    """What a recipe of the model at hand was called in this session; empty where it has no name."""
    return st.session_state.names.get((ref(), one.digest), "")


def call(one: Recipe, name: str) -> None:
    """Give a recipe of the model at hand a name, in this session; none takes it away."""
    short = " ".join(name.split())[:MOST_NAME]
    if short:
        st.session_state.names[ref(), one.digest] = short
    else:
        st.session_state.names.pop((ref(), one.digest), None)


def move(steps: int) -> None:
    """Undo (negative) or redo."""
    st.session_state.histories[ref()] = history().moved(steps)


def draft(method: str, otherwise: Fix) -> Fix:
    """A fix of the model at hand with the parameters that were set for it, in the recipe or not."""
    return st.session_state.drafts.get((ref(), method), otherwise)


def set_draft(method: str, fix: Fix) -> None:
    """Remember a fix's parameters, whether or not the recipe has it."""
    st.session_state.drafts[ref(), method] = fix


def trials() -> tuple[Any, ...]:
    """The questions of the fixes that were tried and neither discarded nor forgotten, of all models."""
    return st.session_state.trials


def set_trials(requests: tuple[Any, ...]) -> None:
    """Remember which fixes are tried."""
    st.session_state.trials = requests[-MOST_TRIED:]


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


def go(screen: str) -> None:
    """Show another screen from the next run on; for callbacks, which cannot change it themselves."""
    st.session_state.going = screen


def going() -> str:
    """The screen that a callback has asked for, once; empty where none has."""
    return str(st.session_state.pop("going", ""))
