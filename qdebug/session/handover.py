"""What fixes found in one session, given to another one of the same model that came through another door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from qdebug.engine import Overlay, Rounded, Sheet, Work
from qdebug.graph import Layer
from qdebug.quantize import from_rows, rows
from qdebug.recipes import Recipe
from qdebug.recipes.fixes import in_order
from qdebug.session.kept import Finding
from qdebug.session.session import Session


def hand_over(session: Session, other: Session, recipe: Recipe, work: Work) -> None:
    """Let the other session have the tensors, rounded weights and grids that a recipe's fixes give in this one.

    It would work them out by itself otherwise, find other places for factors in another graph, and since rounding makes
    large differences of small ones, come to other weights than those that were measured. Layers are found by their
    names, other stored tensors by theirs; a weight may lie in another order there. Where a rewritten tensor is not
    found again, fixes are worked out anew there.
    """
    if not recipe.fixes:
        return
    fixes = in_order(recipe.fixes)
    before, sheet = session.preparer.overlay(recipe, work), session.preparer.sheet(recipe, work)
    moved = _Moved(session, other)
    rewritten = moved.tensors(before.tensors)
    if rewritten is None:
        return
    equivalent = tuple(fix for fix in fixes if fix.stage == "equivalent")
    other.preparer.rewrites.adopt(equivalent, Overlay(rewritten, {}))
    later = [fix for fix in fixes if fix.stage != "equivalent"]
    if later:
        first, *rest = later
        other.preparer.repairs.adopt(first, moved.finding(before, sheet))
        for fix in rest:
            other.preparer.repairs.adopt(fix, Finding({}, {}, {}, {}))


def _norms(session: Session, other: Session) -> dict[int, int]:
    """Scales and biases of normalizations, found again by the layers that read them."""
    found: dict[int, int] = {}
    its = {tuple(layer.name for layer in site.layers): site for site in other.subject.norm_sites}
    for site in session.subject.norm_sites:
        same = its.get(tuple(layer.name for layer in site.layers))
        for one, two in () if same is None else ((site.scale, same.scale), (site.bias, same.bias)):
            if one is not None and two is not None:
                found[one] = two
    return found


class _Moved:
    """One session's values as another one has them."""

    def __init__(self, session: Session, other: Session) -> None:
        self._session, self._other = session, other
        kept = [layer for layer in session.subject.layers if not layer.is_recurrent]  # an operator of its own there
        self._layers = [(layer, other.subject.layer(layer.name)) for layer in kept]
        self._weights = {layer.weight: (layer, its) for layer, its in self._layers}
        self._biases = {layer.bias: its.bias for layer, its in self._layers if layer.bias is not None}
        program = other.subject.program
        self._named = {program.steps[index].name: index for index in program.state}
        self._norms = _norms(session, other)

    def tensors(self, found: Mapping[int, Tensor]) -> dict[int, Tensor] | None:
        """Stored tensors, by the other's steps; None where one of them is not there."""
        program = self._session.subject.program
        unread = {index for said in program.norms.values() for index in said}
        result: dict[int, Tensor] = {}
        for index, value in found.items():
            if index in self._weights:
                layer, its = self._weights[index]
                result[its.weight] = self._turned(value, layer, its)
            elif index not in unread:
                named = self._norms.get(index) or self._named.get(program.steps[index].name)
                place = self._biases.get(index) or named
                if place is None:
                    return None
                result[place] = value.view_as(self._given(place))
        return result

    def finding(self, before: Overlay, sheet: Sheet) -> Finding:
        """What fixes behind the rewriting ones have added, and how every layer is quantized with them."""
        found, given = sheet.overlay, before.tensors
        tensors = {index: value for index, value in found.tensors.items() if given.get(index) is not value}
        stored, biases, rounded, quants = self.tensors(tensors) or {}, {}, {}, {}
        for layer, its in self._layers:
            bias = found.biases.get(layer.step)
            if bias is not None and before.biases.get(layer.step) is not bias:
                if its.bias is None:
                    biases[its.step] = bias
                else:
                    stored[its.bias] = bias.view_as(self._given(its.bias))
            if layer.step in found.rounded:
                rounded[its.step] = self._rounded(found.rounded[layer.step], layer, its)
            quant = sheet.quants.get(layer.step)
            if quant is not None:
                quants[its.step] = replace(quant, axis=its.channel_axis)
        return Finding(stored, biases, rounded, quants)

    def _rounded(self, chosen: Rounded, layer: Layer, its: Layer) -> Rounded:
        side = None if chosen.side is None else self._turned(chosen.side, layer, its)
        return replace(chosen, values=self._turned(chosen.values, layer, its), side=side)

    def _turned(self, weight: Tensor, layer: Layer, its: Layer) -> Tensor:
        """A layer's weight in the shape and order of the other session's."""
        return from_rows(rows(weight, layer.out_axis), self._given(its.weight), its.out_axis)

    def _given(self, index: int) -> Tensor:
        value: Tensor = self._other.preparer.float_sheet.constant(index, self._other.subject.engine.cache)
        return value
