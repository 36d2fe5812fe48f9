"""From a session to projections: every layer's changes prepared, every batch run forward and backward."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from qdebug.engine import Batch, Overlay, Sheet, Work
from qdebug.engine.backward import needed
from qdebug.errors import QDebugError
from qdebug.graph import Layer
from qdebug.graph.filed import plain
from qdebug.quantize import quantize_weight
from qdebug.recipes import LayerPlan, Recipe, TensorPlan
from qdebug.results.sensitivity import Measure
from qdebug.search.predict.activations import ActivationChanges
from qdebug.search.predict.cotangents import draw
from qdebug.search.predict.projections import Projections, joined
from qdebug.search.predict.tape import Looks, Tape
from qdebug.search.predict.weights import RemadeChanges, WeightChanges, weight_changes
from qdebug.session import Session
from qdebug.session.check import check_layer

_MANY = 512
RECORDED_BYTES = 1 << 28
"""What one batch's forward pass may keep for the way back."""
HELD_PART = 2
"""The part of the cache's budget up to which weights' changes are held: one in so many."""


Project = Callable[[Tensor, Sequence[Tensor], int], Tensor]


class _Projected:
    """What is found out about one place in one batch: gradients are gathered until all directions are there."""

    def __init__(self, project: Project, samples: int, turns: int, check: Callable[[], None]) -> None:
        self._project, self._samples, self._turns, self._check = project, samples, turns, check
        self._gradients: list[Tensor] = []
        self.found: Tensor | None = None

    def look(self, value: Tensor, gradient: Tensor) -> None:
        """Gets a value and the gradient along the next direction."""
        self._check()
        self._gradients.append(gradient)
        if len(self._gradients) == self._turns:
            self.found = self._project(value, self._gradients, self._samples)
            self._gradients.clear()


def turns_for(samples: int) -> int:
    """Directions for each sample that are worth their passes: chance averages out over samples too."""
    return 1 if samples >= _MANY else 2


class Projector:
    """Projects the errors of one session's layers.

    Args:
        session: the model with its data.
        recipe: its function-preserving fixes are applied first, and activations between layers are looked at if it
            quantizes them; its formats are not looked at.
        weights, activations: the formats of every layer.
        turns: random directions for each sample.
        measure: what is predicted; for ``loss`` a walk back along the loss's own gradient comes before the others.
        seed: of the directions.
        own: look at each layer in the format that the recipe gives it, and at values between layers in theirs, instead:
            projections then have one format, and zeros where nothing is quantized.
        work: cancel, and progress of calibration.
    """

    def __init__(
        self, session: Session, recipe: Recipe, weights: Sequence[TensorPlan], activations: Sequence[TensorPlan], *,
        turns: int = 2, measure: Measure = "squared", seed: int = 0, own: bool = False, work: Work | None = None,
    ) -> None:  # fmt: skip
        if own:
            weights, activations = (recipe.default.weight,), (recipe.default.activation,)
        self._own = own
        self._subject, self._seed = session.subject, seed
        self._measure: Measure = measure
        self._loss, self._turns = session.subject.loss(measure), turns + (measure == "loss")
        self._weights, self._activations = tuple(weights), tuple(activations)
        self._work, self._recipe = work or Work(), recipe
        self._prepared = session.preparer
        self._overlay: Overlay = self._prepared.overlay(recipe, self._work)
        self._sheet: Sheet = self._prepared.float_sheet_of(self._overlay)
        self._points = self._subject.points if not recipe.between.is_float32 else ()
        if own and recipe.between.range == "stored":
            self._points = ()
        self._tape = Tape(self._subject.engine)
        self._changes = self._all_weight_changes()
        self._inputs = {
            layer.step: self._activation_changes(layer.x, layer.channel_axis, layer)
            for layer in self._subject.layers
            if layer.kind != "embedding" and self._plans(layer)[1]
        }
        self._betweens = {point: self._activation_changes(point, -1) for point in self._points}

    def project(self, batches: Sequence[Batch]) -> Projections:
        """All projections of some batches."""
        return joined(list(self.each(batches)))

    def each(self, batches: Sequence[Batch]) -> Iterator[Projections]:
        """The projections of one batch after another; equal however batches are put together or shared out."""
        for place, batch in enumerate(batches):
            self._work.step(place, len(batches), "predicting")
            yield self._batch(batch)

    def growing(self, batches: Sequence[Batch]) -> Iterator[Projections]:
        """The projections of the first batch, the first two, and so on."""
        parts: list[Projections] = []
        for part in self.each(batches):
            parts.append(part)
            yield joined(parts)

    def parts(self, samples: int | None = None) -> tuple[Batch, ...]:
        """The evaluation data, or its first samples, in batches small enough to be run backward."""
        subject = self._subject
        data = subject.data if samples is None else subject.data.first(samples)
        if subject.program.batch:
            return subject.batches(data)
        kept = sum(math.prod(subject.shapes.get(index, ())) for index in needed(subject.program)) * 4 / subject.traced
        size = subject.batch_size
        while size > 1 and size * kept > RECORDED_BYTES:
            size //= 2
        return subject.batches(data, size)

    def _batch(self, batch: Batch) -> Projections:
        weight, activation, between = (
            self._places(held, batch) for held in (self._changes, self._inputs, self._betweens)
        )  # fmt: skip
        looks = Looks(*({step: one.look for step, one in held.items()} for held in (activation, weight, between)))
        recorded = self._tape.record(self._sheet, batch, looks, self._work.check)
        dice = torch.Generator().manual_seed(int.from_bytes(batch.key[:7], "little") ^ self._seed)
        output = recorded.output.detach()
        self._loss.check(output)
        for turn in range(self._turns):
            cotangent = self._cotangent(turn, output, batch, dice)
            cotangent[batch.count :] = 0.0
            recorded.back(cotangent, again=turn + 1 < self._turns)
        steps = [layer.step for layer in self._subject.layers]
        return Projections(
            tuple(layer.name for layer in self._subject.layers), self._weights, self._activations,
            self._told(weight, steps, len(self._weights), batch),
            self._told(activation, steps, len(self._activations), batch),
            self._points, self._told(between, self._points, len(self._activations), batch),
            np.array([self._reached(step, weight, activation) for step in steps]), self._measure,
        )  # fmt: skip

    def _cotangent(self, turn: int, output: Tensor, batch: Batch, dice: torch.Generator) -> Tensor:
        if self._measure == "squared":
            return draw(output, self._measure, dice)
        labels = self._labels.get(batch.key)
        if labels is None:
            raise ValueError("these samples are none of the session's own batches, and have no labels")
        labels = torch.cat([labels, labels[-1:].expand(batch.size - batch.count, *labels.shape[1:])])
        if self._measure == "loss" and turn == 0:
            return self._loss.slope(output, labels)
        drawn = draw(output, self._measure, dice, self._loss.axis)
        return drawn * self._loss.weights(labels).sqrt().to(drawn.dtype)

    @cached_property
    def _labels(self) -> dict[bytes, Tensor]:
        """The labels of the session's batches, and of these projections' own."""
        every = (*self._subject.labelled(self._subject.eval_batches), *self._subject.labelled(self.parts()))
        return {batch.key: labels for batch, labels in every if labels is not None}

    def _reached(self, step: int, *held: Mapping[int, _Projected]) -> bool:
        """Whether a gradient got to a layer; also where none of the formats would quantize anything of it."""
        return not any(step in one for one in held) or any(_found(one, step) for one in held)

    def _places(
        self, changes: Mapping[int, WeightChanges | RemadeChanges | ActivationChanges], batch: Batch
    ) -> dict[int, _Projected]:
        samples = batch.size
        return {step: _Projected(one.project, samples, self._turns, self._work.check) for step, one in changes.items()}

    def _told(self, held: Mapping[int, _Projected], steps: Sequence[int], formats: int, batch: Batch) -> np.ndarray:
        """``[steps, formats, directions, samples]``, zeros where nothing came back."""
        told = np.zeros((len(steps), formats, self._turns, batch.count), np.float32)
        for place, step in enumerate(steps):
            if _found(held, step):
                told[place] = held[step].found[..., : batch.count].numpy()
        return told

    def _all_weight_changes(self) -> dict[int, WeightChanges | RemadeChanges]:
        """Of every layer whose weight is looked at; held in memory as far as a part of the cache's budget goes."""
        room = self._subject.engine.cache.budget // HELD_PART
        found: dict[int, WeightChanges | RemadeChanges] = {}
        for layer, one in zip(self._subject.layers, self._subject.info.layers, strict=True):
            plans = self._plans(layer)[0]
            if plans:
                room -= 4 * math.prod(one.weight_shape) * len(plans)
                make = partial(self._weight_changes, layer, one.macs)
                found[layer.step] = make() if room >= 0 else RemadeChanges(make)
        return found

    def _weight_changes(self, layer: Layer, macs: int) -> WeightChanges:
        weight = plain(self._sheet.constant(layer.weight, self._subject.engine.cache))
        quantized = [
            quantize_weight(weight, plan, layer.out_axis, layer=layer.name)[0]
            if self._takes(layer, LayerPlan(weight=plan))
            else torch.full_like(weight, torch.nan)
            for plan in self._plans(layer)[0]
        ]
        return weight_changes(self._subject.program, layer, weight, quantized, macs)

    def _activation_changes(self, index: int, axis: int, layer: Layer | None = None) -> ActivationChanges:
        name = layer.name if layer else ""
        return ActivationChanges(tuple(
            self._prepared.activation(index, axis, plan, self._overlay, self._work, name)
            if layer is None or self._takes(layer, LayerPlan(activation=plan))
            else None
            for plan in self._plans(layer)[1]
        ))  # fmt: skip

    def _plans(self, layer: Layer | None) -> tuple[Sequence[TensorPlan], Sequence[TensorPlan]]:
        """What a layer's weight and its input are looked at in; of a value between layers the second counts."""
        if not self._own:
            return self._weights, self._activations
        if layer is None:
            return (), (self._recipe.between,)
        plan = self._recipe.plan_for(layer.name, layer.kind)
        return (
            () if plan.weight.is_float32 else (plan.weight,),
            () if plan.activation.is_float32 else (plan.activation,),
        )

    def _takes(self, layer: Layer, plan: LayerPlan) -> bool:
        try:
            check_layer(layer, plan, self._recipe, self._subject)
        except QDebugError:
            return False
        return True


def _found(held: Mapping[int, _Projected], step: int) -> bool:
    return step in held and held[step].found is not None
