"""Every tensor that a recipe quantizes, and the damage that it does alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from qdebug.engine import Batch, LayerQuant, Sheet, Work
from qdebug.graph import Layer
from qdebug.recipes import LayerPlan, Recipe, TensorPlan
from qdebug.results import Metric
from qdebug.session import Session

_BUDGET = 10**11
"""Multiply-accumulates that measuring all tensors once may cost; beyond it fewer samples are used."""
_FEWEST = 32

Side = Literal["weight", "activation", "output"]


@dataclass(frozen=True)
class Place:
    """A tensor that a recipe quantizes.

    Attributes:
        name: of the layer; of a value between layers that of its step.
        side: which tensor of it.
        plan: how it is quantized.
        layer: None between layers.
        step: whose value it is between layers, otherwise the layer's.
    """

    name: str
    side: Side
    plan: TensorPlan
    layer: Layer | None
    step: int


@dataclass(frozen=True)
class Damaged:
    """A place with the squared change of the output that it makes alone, per sample; infinite where that is no number.

    ``share`` is its part of the sum over all places.
    """

    place: Place
    error: float
    share: float


class Bench:
    """Measures parts of a recipe, and changes to it, against the float model.

    Args:
        session: the model with its data.
        recipe: what is looked at.
        work: progress and cancel.
    """

    def __init__(self, session: Session, recipe: Recipe, work: Work) -> None:
        self.session, self.recipe, self.work = session, recipe, work
        self.subject, self._preparer = session.subject, session.preparer
        self.reference: Sheet = self._preparer.float_with_fixes(recipe, work)

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """The evaluation data that errors are measured on: the same choice on every machine."""
        info = self.subject.info
        cost = max(sum(layer.macs for layer in info.layers) * len(info.layers), 1)
        samples = max(_BUDGET // cost, _FEWEST)
        return self.subject.eval_batches[: max(1, -(-samples // self.subject.batch_size))]

    def places(self) -> list[Place]:
        """All that the recipe quantizes, in the order of the graph."""
        found: list[Place] = []
        for layer in self.subject.layers:
            plan = self.recipe.plan_for(layer.name, layer.kind)
            if not plan.weight.is_float32:
                found.append(Place(layer.name, "weight", plan.weight, layer, layer.step))
            if not plan.activation.is_float32 and layer.kind != "embedding":
                found.append(Place(layer.name, "activation", plan.activation, layer, layer.step))
        between = self.recipe.between
        if not between.is_float32 and between.range != "stored":
            steps = self.subject.program.steps
            names = ((steps[index].module or steps[index].name, index) for index in self.subject.points)
            found += [Place(name, "output", between, None, index) for name, index in names]
        return found

    def damage(self) -> list[Damaged]:
        """Every place with its isolated error and its share, most harmful first."""
        places, errors = self.places(), []
        for done, place in enumerate(places):
            self.work.step(done, len(places), f"quantizing the {place.side} of {place.name} alone")
            errors.append(self.alone(place))
        return ranked(places, errors)

    def alone(self, place: Place, plan: TensorPlan | None = None) -> float:
        """The error per sample of quantizing one place only, with its own plan or another."""
        sheet = self.sheet_of(place, plan or place.plan)
        return self.error_of(sheet)

    def sheet_of(self, place: Place, plan: TensorPlan) -> Sheet:
        """The float sheet with one place quantized."""
        layer, overlay = place.layer, self.reference.overlay
        if layer is None:
            quant = self._preparer.activation(place.step, -1, plan, overlay, self.work, place.name)
            return self._preparer.sheet_of(overlay, {}, {place.step: quant})
        if place.side == "weight":
            quant = LayerQuant(LayerPlan(weight=plan), None, layer.channel_axis)
        else:
            quant = self._preparer.activation(layer.x, layer.channel_axis, plan, overlay, self.work, layer.name)
        return self._preparer.sheet_of(overlay, {layer.step: quant})

    def error_of(self, sheet: Sheet) -> float:
        """The squared change of the output per sample, infinite where it is no number."""
        engine, total, count = self.subject.engine, 0.0, 0
        for batch in self.batches:
            change = engine.output(sheet, batch, self.work) - engine.output(
                self._preparer.float_sheet, batch, self.work
            )
            total += float(torch.linalg.vector_norm(change, dtype=torch.float64)) ** 2
            count += len(change)
        error = total / max(count, 1)
        return error if math.isfinite(error) else math.inf

    def whole(self, recipe: Recipe) -> tuple[Metric, float]:
        """The task metric of a whole recipe, and its error per sample."""
        metric = self.session.score(recipe, self.work).metric
        error = float(np.mean(self.session.errors(recipe, self.batches, self.work)))
        return metric, error if math.isfinite(error) else math.inf


def ranked(places: Sequence[Place], errors: Sequence[float]) -> list[Damaged]:
    """Places by their share. Where some errors are without bound, these share all of the damage."""
    lost = sum(math.isinf(error) for error in errors)
    total = sum(errors) or 1.0
    found = [
        Damaged(place, error, (1 / lost if math.isinf(error) else 0.0) if lost else error / total)
        for place, error in zip(places, errors, strict=True)
    ]
    return sorted(found, key=lambda one: -one.share)
