"""The table of layers as a component: what its rows say, and what happens when someone picks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from qdebug.figures import numbers
from qdebug.figures.colours import precision
from qdebug.figures.text import common_head, telling
from qdebug.recipes import Recipe
from qdebug.results import LayerInfo, LayerTable, ModelInfo, Shares
from qdebug.web.core.choices import Choice, Tensor, choices, label_of
from qdebug.web.core.theme import ASSETS
from qdebug.web.editing import edits

TROUBLE_DB = 10.0
"""An output SQNR below this is trouble: the noise has more than a tenth of the signal's power."""

FULL_DB = 60.0
"""The SQNR that fills the bar."""

Menu = list[tuple[str, list[str]]]


@cache
def _component() -> Any:
    return component(
        "qdebug_layers",
        html='<div class="wrap"></div>',
        css=(ASSETS / "table.css").read_text("utf-8"),
        js=(ASSETS / "table.js").read_text("utf-8"),
    )


def draw(
    data: dict[str, Any], key: str, on_choose: Callable[[str], None], on_format: Callable[[str, Tensor, str], None]
) -> None:
    """Draw the table. Callbacks run before the page is drawn again.

    Args:
        data: what :func:`table_data` made.
        key: the table's key.
        on_choose: called with a layer's name.
        on_format: called with a layer's name, ``weight`` or ``activation``, and the label picked.
    """

    def chose() -> None:
        name = st.session_state[key].get("choose")
        if isinstance(name, str):
            on_choose(name)

    def picked() -> None:
        event = st.session_state[key].get("format")
        if isinstance(event, dict) and event.get("tensor") in edits.TENSORS:
            on_format(str(event.get("layer")), event["tensor"], str(event.get("label")))

    _component()(key=key, data=data, on_choose_change=chose, on_format_change=picked)


def table_data(
    info: ModelInfo, recipe: Recipe, layers: LayerTable | None, shares: Shares | None, chosen: str, *, fresh: bool
) -> dict[str, Any]:
    """What the component draws: one row per layer, in the order of the graph.

    Args:
        info: the model.
        recipe: the recipe at hand; it says the formats, whether or not anything has been measured yet.
        layers: what was measured of each layer, or None.
        shares: each layer's part in the error, or None.
        chosen: the chosen layer's name.
        fresh: whether the measures belong to this recipe; others are greyed.
    """
    measured = {row.name: row for row in layers.rows} if layers else {}
    parts = {row.name: row for row in shares.rows} if shares else {}
    largest = max((row.share for row in parts.values()), default=0.0) or 1.0
    offered: list[tuple[Choice, ...]] = []
    head, rows = common_head([layer.name for layer in info.layers]), []
    for layer in info.layers:
        plan = edits.plan_of(recipe, layer)
        row = measured.get(layer.name)
        sqnr = row.output.sqnr_db if row else None
        part = parts.get(layer.name)
        rows.append({
            "name": layer.name,
            "short": telling(layer.name, head, 24),
            "op": layer.op,
            "count": layer.params,
            "params": numbers.count(layer.params),
            "weight": _cell(label_of(plan.weight, "weight"), offered, layer, "weight"),
            "activation": _cell(label_of(plan.activation, "activation"), offered, layer, "activation"),
            "sqnr": {
                "text": _sqnr_text(row is not None, sqnr),
                "part": None if row is None else 1.0 if sqnr is None else sqnr / FULL_DB,
                "order": 1e9 if sqnr is None else sqnr,
                "precision": precision(plan.weight.format),
            },
            "share": {
                "text": numbers.share(part.share) if part else "",
                "part": part.share / largest if part else None,
                "order": part.share if part else 0.0,
            },
            "bad": sqnr is not None and sqnr < TROUBLE_DB,
        })  # fmt: skip
    return {"rows": rows, "menus": [menu_of(one) for one in offered], "chosen": chosen, "fresh": fresh}


def _sqnr_text(measured: bool, sqnr: float | None) -> str:
    if not measured:
        return ""
    return "no error" if sqnr is None else numbers.decibel(sqnr)


def _cell(label: str, offered: list[tuple[Choice, ...]], layer: LayerInfo, tensor: Tensor) -> dict[str, Any] | None:
    found = choices(tensor, layer)
    if not found:
        return None
    if found not in offered:
        offered.append(found)
    return {"label": label, "precision": precision(label), "menu": offered.index(found)}


def menu_of(found: tuple[Choice, ...]) -> Menu:
    """Choices by heading, as the select shows them."""
    menu: dict[str, list[str]] = {}
    for choice in found:
        menu.setdefault(choice.heading, []).append(choice.label)
    return list(menu.items())
