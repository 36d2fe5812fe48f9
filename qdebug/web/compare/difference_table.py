"""The layers that two recipes treat differently, as a component: what its rows say, and what a click does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from qdebug.figures import numbers
from qdebug.figures.colours import precision
from qdebug.figures.text import common_head, telling
from qdebug.recipes import parse_fix
from qdebug.results import Comparison, LayerSide
from qdebug.web.core.theme import ASSETS
from qdebug.web.core.words import fix_in_words


@cache
def _component() -> Any:
    """Drawn in the page itself: it is a table like others, and has their style."""
    return component(
        "qdebug_differences",
        html='<div class="q-scroll q-tall"></div>',
        js=(ASSETS / "differences.js").read_text("utf-8"),
        isolate_styles=False,
    )


def draw(found: Comparison, key: str, on_open: Callable[[str], None]) -> None:
    """Draw the table; ``on_open`` is called with a layer's name, before the page is drawn again."""

    def opened() -> None:
        name = st.session_state[key].get("open")
        if isinstance(name, str):
            on_open(name)

    _component()(key=key, data={"rows": rows(found)}, on_open_change=opened)


def rows(found: Comparison) -> list[dict[str, Any]]:
    """A row per layer: its name, what each side makes of it, and the SQNR of its output."""
    head = common_head([layer.name for layer in found.layers])
    return [
        {
            "name": layer.name, "short": telling(layer.name, head), "op": layer.op,
            "a": _parts(layer.a, layer.b), "b": _parts(layer.b, layer.a),
            "sqnr_a": _decibel(layer.a.output_sqnr_db), "sqnr_b": _decibel(layer.b.output_sqnr_db),
        }
        for layer in found.layers
    ]  # fmt: skip


def _parts(side: LayerSide, other: LayerSide) -> list[dict[str, Any]]:
    """What a side makes of a layer, in pieces; ``same`` where the other does the same."""
    found = [_part(side.weight, other.weight, side.weight, f"weight, SQNR {_decibel(side.weight_sqnr_db)}")]
    if side.activation is not None:
        hint = f"input, SQNR {_decibel(side.activation_sqnr_db)}"
        found.append(_part(f"input {side.activation}", f"input {other.activation}", side.activation, hint))
    found += [_part(text, "", "", "") for text in side.more]
    fixes = [{"text": fix_in_words(parse_fix(fix)), "same": fix in other.fixes} for fix in side.fixes]
    return [*found, *(fix | {"precision": "", "hint": ""} for fix in fixes)]


def _part(text: str, other: str, label: str, hint: str) -> dict[str, Any]:
    return {"text": text, "precision": precision(label) if label else "", "same": text == other, "hint": hint}


def _decibel(value: float | None) -> str:
    return "no error" if value is None else numbers.decibel(value)
