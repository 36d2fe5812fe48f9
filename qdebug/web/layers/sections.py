"""The sections of the layer view: one is drawn at a time, and nothing is computed for the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from qdebug.results import LayerDetail, LayerInfo, ModelInfo
from qdebug.web.core import state

KEPT = "layer-section"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chosen layer, as sections draw it.

    Attributes:
        info: the model.
        layer: the layer.
        detail: its detail, under the recipe at hand or as it was drawn last.
        fresh: whether that is the recipe at hand.
    """

    info: ModelInfo
    layer: LayerInfo
    detail: LayerDetail
    fresh: bool


def always(info: ModelInfo, layer: LayerInfo) -> bool:
    """Whether a section that every layer has is offered."""
    return True


@dataclass(frozen=True, slots=True)
class Section:
    """A section.

    Attributes:
        name: what the control says.
        draw: draws it; what it shows beyond the detail it asks for itself.
        offered: whether a layer of a model has it.
    """

    name: str
    draw: Callable[[Chosen], None]
    offered: Callable[[ModelInfo, LayerInfo], bool] = always


def pick(sections: tuple[Section, ...], info: ModelInfo, layer: LayerInfo) -> Section:
    """A control that chooses among the sections that the layer has; the choice stays from layer to layer."""
    offered = {one.name: one for one in sections if one.offered(info, layer)}
    first = next(iter(offered))
    kept = st.session_state.kept.get(KEPT, first)
    st.segmented_control(
        "Section", list(offered), key=state.put(KEPT, kept if kept in offered else first), required=True,
        label_visibility="collapsed", on_change=_keep,
    )  # fmt: skip
    return offered.get(kept, offered[first])


def _keep() -> None:
    st.session_state.kept[KEPT] = st.session_state[KEPT]
