"""Every tensor that a recipe quantizes, and what quantizing it alone does."""

from __future__ import annotations

import math
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
"""Multiply-accumulates that measuring tensors once may cost; beyond it fewer samples are used."""
_FEWEST, _MOST = 32, 32
"""Samples that are used in any case, and layers that are counted at most: no more are measured."""

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
        operator: what computes it between layers; a module may hold several.
    """

    name: str
    side: Side
    plan: TensorPlan
    layer: Layer | None
    step: int
    operator: str = ""


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
        cost = max(sum(layer.macs for layer in info.layers) * min(len(info.layers), _MOST), 1)
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
            for index in self.subject.points:
                name, operator = steps[index].module or steps[index].name, _plain(steps[index].op)
                found.append(Place(name, "output", between, None, index, operator))
        return found

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


def _plain(op: str) -> str:
    """An operator's name without its library and its variant: ``add`` of ``aten.add.Tensor``."""
    parts = op.split(".")
    return parts[1] if len(parts) > 1 else op
