"""Layers by formats as a component: what its cells say, and what happens when someone picks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from qdebug.figures.colours import precision
from qdebug.figures.numbers import three
from qdebug.figures.sensitivity import Part, is_measured, is_partial, known, leading_format
from qdebug.figures.sensitivity_charts import in_words
from qdebug.figures.text import common_head, telling
from qdebug.recipes import LayerPlan, Recipe
from qdebug.results import ModelInfo, Sensitivity, SensitivityRow
from qdebug.web.core import words
from qdebug.web.core.theme import ASSETS
from qdebug.web.editing import edits

DECADES = 6
"""Powers of ten that a bar's length covers, from the largest error down."""
FLOAT = "fp32"
"""The choice that leaves a layer as it is."""


@cache
def _component() -> Any:
    return component(
        "qdebug_matrix",
        html='<div class="wrap"></div>',
        css=(ASSETS / "table.css").read_text("utf-8") + (ASSETS / "matrix.css").read_text("utf-8"),
        js=(ASSETS / "matrix.js").read_text("utf-8"),
    )


def draw(data: dict[str, Any], key: str, on_open: Callable[[str], None], on_put: Callable[[str, str], None]) -> None:
    """Draw the table. Callbacks run before the page is drawn again.

    Args:
        data: what :func:`matrix_data` made.
        key: the table's key.
        on_open: called with a layer's name.
        on_put: called with a layer's name and the name of the format that it is to have.
    """

    def opened() -> None:
        name = st.session_state[key].get("open")
        if isinstance(name, str):
            on_open(name)

    def put() -> None:
        event = st.session_state[key].get("put")
        if isinstance(event, dict):
            on_put(str(event.get("layer")), str(event.get("format")))

    _component()(key=key, data=data, on_open_change=opened, on_put_change=put)


def matrix_data(
    info: ModelInfo,
    recipe: Recipe,
    found: Sensitivity | None,
    plans: Mapping[str, LayerPlan],
    chosen: str | None,
    *,
    part: Part = "both",
    working: bool = False,
) -> dict[str, Any]:
    """What the component draws: one row per layer, one cell per format.

    Args:
        info: the model.
        recipe: the recipe at hand, which says what format each layer has now.
        found: what is known so far.
        plans: the formats by name.
        chosen: the chosen layer's name.
        part: what of a layer is quantized.
        working: whether more is on its way: rows then keep their places.
    """
    cells = {(row.layer, row.format): row for row in found.rows} if found else {}
    largest = max((known(row, part) or 0.0 for row in cells.values()), default=0.0)
    head = common_head([layer.name for layer in info.layers])
    rows = []
    for layer in info.layers:
        plan = edits.plan_of(recipe, layer)
        mine = [cells.get((layer.name, name)) for name in plans]
        refused = [name for name, cell in zip(plans, mine, strict=True) if cell and cell.refused]
        now = FLOAT if plan == LayerPlan() else words.plan_in_words(plan)
        rows.append({
            "name": layer.name,
            "short": telling(layer.name, head),
            "op": layer.op,
            "cells": [_cell(row, largest, part, found.of if found else 0) for row in mine],
            "now": now,
            "precision": precision(plan.weight.format),
            "same": next((name for name, one in plans.items() if one == plan), now),
            "refused": refused,
        })  # fmt: skip
    lead = leading_format(found, part) if found else None
    return {
        "rows": rows,
        "formats": [{"name": name, "precision": precision(plan.weight.format)} for name, plan in plans.items()],
        "menu": [*(name for name in plans if plans[name] != LayerPlan()), FLOAT],
        "sort": list(plans).index(lead) if lead is not None and lead in plans else None,
        "chosen": chosen,
        "working": working,
    }


def _cell(row: SensitivityRow | None, largest: float, part: Part, of: int) -> dict[str, Any] | None:
    if row is None:
        return None
    value = known(row, part)
    lines = list(in_words(row, of))
    if row.metric is not None:
        lines.append(f"the metric is then {three(row.metric)}")
    return {
        "text": "" if value is None else three(value),
        "order": -1.0 if value is None else value,
        "part": length(value, largest),
        "measured": is_measured(row, part),
        "partial": part == "both" and is_partial(row, of),
        "below": below(row, of) if part == "both" else "",
        "odd": row.linear is False,
        "hint": "\n".join(lines),
    }


def below(row: SensitivityRow, of: int) -> str:
    """What stands small under a measured number: its interval while it tightens, and what had been predicted."""
    if row.exact is None:
        return ""
    said = []
    if is_partial(row, of) and row.exact_ci95 is not None and row.exact > 0:
        low, high = row.exact_ci95
        said.append(f"±{50 * (high - low) / row.exact:.0f} %")
    if row.predicted is not None:
        said.append(f"≈ {three(row.predicted)}")
    return " · ".join(said)


def length(value: float | None, largest: float) -> float | None:
    """A bar's length as a part of the longest, on a log scale over :data:`DECADES` powers of ten.

    >>> length(1.0, 1000.0)
    0.5
    """
    if value is None or largest <= 0.0:
        return None
    if value <= 0.0:
        return 0.0
    return max(0.0, 1.0 + math.log10(value / largest) / DECADES)
