"""The tensors of a checkpoint as a table that sorts by any column: what its rows say, and what a click does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from qdebug.figures.numbers import NONE, decibel, size, small_share, three
from qdebug.figures.text import common_head, telling
from qdebug.results import Scan, ScannedTensor
from qdebug.results.scan import PEAKS
from qdebug.web.core.theme import ASSETS

Cell = dict[str, Any]
_HEADS = ("tensor", "shape", "type", "size", "absmax", "crest")
_MORE = (f">{PEAKS[1]} RMS", "zeros")
"""Behind the formats, which people come for."""


@cache
def _component() -> Any:
    """Drawn in the page itself: it is a table like others, and has their style."""
    return component(
        "qdebug_scan",
        html='<div class="q-scroll q-tall" tabindex="0"></div>',
        js=(ASSETS / "scan.js").read_text("utf-8"),
        isolate_styles=False,
    )


def draw(found: Scan, chosen: str, key: str, on_open: Callable[[str], None]) -> None:
    """Draw the table; ``on_open`` is called with a tensor's name, before the page is drawn again."""

    def opened() -> None:
        name = st.session_state[key].get("open")
        if isinstance(name, str):
            on_open(name)

    _component()(key=key, data=data(found, chosen), on_open_change=opened)


def data(found: Scan, chosen: str) -> dict[str, Any]:
    """What the component draws: titles, and of each tensor its name and cells of a text and a number to sort by."""
    head = common_head([one.name for one in found.tensors])
    rows = [{"name": one.name, "cells": _cells(one, head, len(found.formats))} for one in found.tensors]
    return {"heads": [*_HEADS, *(f"{name}, dB" for name in found.formats), *_MORE], "rows": rows, "chosen": chosen}


def _cells(one: ScannedTensor, head: str, formats: int) -> list[Cell]:
    stats = one.stats
    odd = bool(stats and (stats.nans or sum(stats.infinities)))
    share = stats.zeros / max(stats.count, 1) if stats else None
    outliers = stats.outliers[1] if stats and stats.outliers else None
    cells = [
        {"text": telling(one.name, head), "order": one.name, "title": one.name},
        _cell("×".join(map(str, one.shape)), stats.count if stats else 0),
        {"text": one.kind, "order": one.kind},
        _cell(size(one.nbytes), one.nbytes),
        _cell(three(stats.absmax) + (" ◆" if odd else "") if stats else NONE, stats.absmax if stats else None, bad=odd),
        _cell(three(stats.crest) if stats else NONE, stats.crest if stats else None),
    ]
    cells += [_cell(decibel(error.sqnr_db), error.sqnr_db) for error in one.added]
    cells += [_cell(NONE, None)] * (formats - len(one.added))
    return [
        *cells,
        _cell(NONE if outliers is None else small_share(outliers), outliers),
        _cell(NONE if share is None else small_share(share), share),
    ]


def _cell(text: str, order: float | None, *, bad: bool = False) -> Cell:
    return {"text": text, "order": order, "bad": bad}
