"""A widget for each parameter of a fix, made from its class alone."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import streamlit as st

from qdebug.recipes import with_fix
from qdebug.recipes.fixes import Fix, name_of
from qdebug.recipes.fixes.parameters import Parameter, parameters
from qdebug.web.core import state

WIDTH = 150
"""Pixels of a widget; a row holds as many as there is room for."""


def draw(fix: Fix, *, live: bool) -> None:
    """The fix's parameters, as many in a row as there is room for.

    Args:
        fix: what the widgets show.
        live: whether the recipe follows them: the fix is in it and can follow a click.
    """
    every = of(fix)
    if not every:
        return
    with st.container(key=f"params-{name_of(fix)}", horizontal=True, vertical_alignment="bottom", gap="small"):
        for one in every:
            _widget(fix, one, live=live)


def of(fix: Fix) -> list[Parameter]:
    """The parameters that have a widget."""
    return [one for one in parameters(type(fix)) if one.kind != "other"]


def changed(fix: Fix) -> str:
    """What differs from the defaults, in words: ``block 64, act order true``; empty where nothing does."""
    kept = type(fix)()
    named = [one.name for one in parameters(type(fix)) if getattr(fix, one.name) != getattr(kept, one.name)]
    return ", ".join(f"{label(name).lower()} {str(getattr(fix, name)).lower()}" for name in named)


def label(name: str) -> str:
    """A parameter's name as people read it: ``act order``."""
    return name.replace("_", " ").strip().capitalize()


def _widget(fix: Fix, one: Parameter, *, live: bool) -> None:
    key = f"param-{name_of(fix)}-{one.name}"
    value = getattr(fix, one.name)
    state.put(key, _shown(one, value))
    common: dict[str, Any] = {
        "label": label(one.name), "key": key, "help": _help(one), "on_change": _changed, "args": (fix, one, key, live),
    }  # fmt: skip
    match one.kind:
        case "bool":
            st.toggle(width="content", **common)
        case "choice":
            options = [*([None] if one.optional else []), *one.choices]
            st.selectbox(
                options=options, format_func=lambda option: "none" if option is None else str(option), **common
            )
        case "int":
            low, high = (None if end is None else int(end) for end in (one.low, one.high))
            st.number_input(min_value=low, max_value=high, step=step(one), width=WIDTH, **common)
        case "float" if one.low is not None and one.high is not None and not one.optional:
            st.slider(min_value=one.low, max_value=one.high, step=(one.high - one.low) / 20, width=2 * WIDTH, **common)
        case _:
            st.number_input(min_value=one.low, max_value=one.high, step=step(one), format="%g", width=WIDTH, **common)


def step(one: Parameter) -> Any:
    """By how much a click changes a number: about a tenth of the default, with one digit."""
    size = abs(one.default or 0) or 1
    power = 10.0 ** math.floor(math.log10(size))
    return max(1, int(power / 10)) if one.kind == "int" else power / 10 if size == power else power


def _shown(one: Parameter, value: Any) -> Any:
    return float(value) if one.kind == "float" and value is not None else value


def _help(one: Parameter) -> str:
    default = "none" if one.default is None else f"{one.default}".lower() if one.kind == "bool" else one.default
    about = f"{one.about[:1].upper()}{one.about[1:].rstrip('.')}. " if one.about else ""
    return f"{about}Default: {default}. On the command line: `{one.name}`."


def _changed(fix: Fix, one: Parameter, key: str, live: bool) -> None:
    value = st.session_state[key]
    if value is None and not one.optional:
        value = one.default  # a number that was rubbed out
    changed = msgspec.structs.replace(fix, **{one.name: value})
    state.set_draft(name_of(fix), changed)
    if live:
        state.change(with_fix(state.recipe(), changed))
