"""What the fixes of a search's recipe would keep beside the codes of each layer in each format."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from qdebug.engine import Work
from qdebug.formats import find
from qdebug.recipes import FLOAT, LayerPlan, Recipe, set_layers
from qdebug.recipes.fixes import BaseFix, Hqq, LowRank, Outliers, SvdQuant
from qdebug.results import LayerInfo
from qdebug.search.mixed.wish import Wish, plan_of
from qdebug.session import Session

_MULTIPLIED: tuple[type[BaseFix], ...] = (LowRank, Outliers, SvdQuant)
"""Fixes that keep factors or channels in fp16, which are multiplied with activations."""
_STORED: tuple[type[BaseFix], ...] = (*_MULTIPLIED, Hqq)
"""Those, and the one whose zero points are real numbers."""
_HALF = 16
"""Bits of what is kept."""


def beside(session: Session, wish: Wish, possible: NDArray[np.bool_], work: Work) -> NDArray[np.float64] | None:
    """What is kept beside the codes, ``[layers, formats]``, in bits or bit-operations; None where nothing is.

    How much there is depends on data (outlier channels), on the format, and on what a fix finds (SVDQuant leaves layers
    alone), so it is read from what the recipe's fixes leave with one format everywhere. Those that only choose codes or
    scales are left out. Modelled seconds and joules, and measured ones, are of the plan alone.

    Args:
        session: the model with its data.
        wish: the question.
        possible: which formats each layer can have, ``[layers, formats]``.
        work: progress and cancel.
    """
    kinds = {"bits": _STORED, "bytes": _STORED, "bops": _MULTIPLIED}.get(wish.unit, ())
    kept = tuple(fix for fix in wish.recipe.fixes if isinstance(fix, kinds))
    if not kept:
        return None
    fixes = tuple(fix for fix in wish.recipe.fixes if fix.stage == "equivalent" or fix in kept)
    base, layers = (
        replace(wish.recipe, fixes=fixes, default=LayerPlan(), embeddings=FLOAT, layers=()),
        session.info().layers,
    )
    found = np.zeros(possible.shape)
    for column, (name, plan) in enumerate(wish.formats):
        work.step(column, len(wish.formats), f"looking up what is kept beside {name}")
        plans = {
            layer.name: plan_of(layer, plan) for layer, may in zip(layers, possible[:, column], strict=True) if may
        }
        bits = _bits(session, set_layers(base, plans), work)
        for place, layer in enumerate(layers):
            if wish.unit == "bops":
                found[place, column] = _operations(layer, plans.get(layer.name, LayerPlan()), bits[place])
            else:
                found[place, column] = bits[place]
    return found


def _bits(session: Session, recipe: Recipe, work: Work) -> list[int]:
    """Bits beside each layer's codes."""
    sheet = session.preparer.sheet(recipe, work)
    chosen = (sheet.rounded(layer.step) for layer in session.subject.layers)
    return [0 if one is None else one.beside for one in chosen]


def _operations(layer: LayerInfo, plan: LayerPlan, bits: int) -> float:
    """Bit-operations of fp16 values, each multiplied wherever the weight is, with inputs of 16 bits or more."""
    if not layer.macs:
        return 0.0
    places = layer.macs / (layer.out_channels * layer.in_features)
    read = find(plan.activation.format).bits
    return bits / _HALF * places * _HALF * max(_HALF, read)
