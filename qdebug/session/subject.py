"""What a session is about: program, layers, data and the engine that runs them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from qdebug.doors import Dataset
from qdebug.engine import Batch, Engine
from qdebug.errors import RecipeError, UsageError, near
from qdebug.graph import (
    Flow,
    Layer,
    NormSite,
    Program,
    ScaleGroup,
    flows,
    norm_sites,
    scale_groups,
    unplaced,
)
from qdebug.graph.points import find_points
from qdebug.measure.losses import Loss
from qdebug.measure.meter import LABELLED, Meter
from qdebug.methods.places import ScaleSite, scale_sites
from qdebug.methods.training.data import Places, TrainingData
from qdebug.quantize.finite import all_finite
from qdebug.recipes import Recipe
from qdebug.results import ModelInfo
from qdebug.results.sensitivity import Measure

#: A batch keeps its largest activation within so many bytes: few calls for small models, little memory for large ones.
_ACTIVATION_BYTES = 2**24


@dataclass(frozen=True)
class Subject:
    """An opened model with its data. Everything a session computes is a function of this and a recipe.

    Attributes:
        program: the captured model.
        layers: its layers, in graph order.
        shapes: shapes by step index for ``traced`` samples.
        traced: the number of samples behind ``shapes``.
        floating: steps whose values are real numbers.
        data: evaluation data.
        calib: calibration data.
        task: ``classification``, ``language-model``, ``segmentation``, ``regression``, ``embedding`` or ``unlabelled``.
        meter: the metric that recipes are judged by.
        engine: runs sheets of the program.
        info: what people are told of all this.
        recipe: that of a model that was quantized already.
        origin: what an export starts from: the ONNX file, or the program that torch captured.
        is_strange: whether a stranger gave the file; then nothing but a process with walls opens it.
        training: data that the network may be trained on: none of the evaluation data; None where there are no others.
        folder: the Hugging Face folder that it came from.
    """

    program: Program
    layers: tuple[Layer, ...]
    shapes: Mapping[int, tuple[int, ...]]
    traced: int
    floating: frozenset[int]
    data: Dataset
    calib: Dataset
    task: str
    meter: Meter
    engine: Engine
    info: ModelInfo = field(repr=False)
    recipe: Recipe | None = None
    origin: Path | ExportedProgram | None = None
    is_strange: bool = False
    training: Dataset | None = None
    folder: Path | None = None

    @cached_property
    def lessons(self) -> TrainingData | None:
        """The training data as methods that train want them; None where there are none."""
        data = self.training
        if data is None:
            return None
        axis, left_out = None, ()
        if self.data.labels is not None and self.task in LABELLED:
            loss = self.loss("kl")
            axis, left_out = loss.axis, loss.ignored
        return TrainingData(data, partial(self._picked, data), self.program.batch or None, axis, left_out)

    def _picked(self, data: Dataset, rows: Places) -> Batch:
        """A batch of some samples, by their places."""
        key = hashlib.blake2b(data.digest + b"picked" + rows.tobytes(), digest_size=16).digest()
        size = self.program.batch or len(rows)
        return Batch(key, padded(data.take(rows).inputs, data.alike, size), len(rows), size)

    @cached_property
    def by_name(self) -> dict[str, Layer]:
        """Layers by name."""
        return {layer.name: layer for layer in self.layers}

    def layer(self, name: str) -> Layer:
        """The layer of that name.

        Raises:
            RecipeError: there is none; the message lists near names.
        """
        try:
            return self.by_name[name]
        except KeyError:
            raise RecipeError(f"The model has no layer '{name}'", do=near(name, self.by_name)) from None

    @cached_property
    def broken_weights(self) -> dict[int, tuple[int, int]]:
        """How many NaN and Inf a layer's weight holds, by the layer's step, where it holds any."""
        weights = {layer.step: self.program.state.get(layer.weight) for layer in self.layers}
        return {
            step: (int(torch.isnan(weight).sum()), int(torch.isinf(weight).sum()))
            for step, weight in weights.items()
            if weight is not None and not all_finite(weight)
        }

    @cached_property
    def scale_groups(self) -> tuple[ScaleGroup, ...]:
        """Groups of layers for cross-layer equalization."""
        return scale_groups(self.program, self.layers, self.shapes)

    @cached_property
    def points(self) -> tuple[int, ...]:
        """Steps whose values are quantized between layers, where a recipe asks for it. Single numbers stay float."""
        points = find_points(self.program, self.layers)
        return tuple(index for index in points if index in self.floating and self.shapes[index])

    @cached_property
    def alike(self) -> frozenset[int]:
        """Steps whose values are the same for every sample."""
        return self.program.alike(self.data.alike)

    @cached_property
    def norm_sites(self) -> tuple[NormSite, ...]:
        """Normalizations for SmoothQuant."""
        return norm_sites(self.program, self.layers)

    @cached_property
    def flows(self) -> tuple[Flow, ...]:
        """Linear layers and those that read what they write, for factors."""
        return flows(self.program, self.layers, self.shapes)

    @cached_property
    def scale_sites(self) -> tuple[ScaleSite, ...]:
        """Where channels can be divided by factors that weights take up: for SmoothQuant and AWQ."""
        return scale_sites(self.norm_sites, self.flows)

    @cached_property
    def unplaced(self) -> dict[str, str]:
        """Why the factors of a layer's inputs have no place to go to, by the names of the layers without one."""
        return unplaced(self.program, self.layers, self.shapes, self.norm_sites, self.flows)

    @cached_property
    def batch_size(self) -> int:
        """Samples per batch: the captured number, or as many as keep activations in cache (power of two, 4 to 256)."""
        if self.program.batch:
            return self.program.batch
        largest = max((_numel(self.shapes[layer.x]) for layer in self.layers), default=1) * 4 / self.traced
        size = 4
        while size < 256 and size * 2 * largest <= _ACTIVATION_BYTES:
            size *= 2
        return size

    def batches(self, data: Dataset, size: int | None = None) -> tuple[Batch, ...]:
        """The batches of a data set, of the engine's size or another.

        The last is padded where the program wants a fixed size.
        """
        return tuple(self._batch(data, start, stop) for start, stop in data.ranges(size or self.batch_size))

    def batches_between(self, data: Dataset, borders: Sequence[int]) -> tuple[Batch, ...]:
        """The batches of a data set, each from one border to the next; no larger than the program's fixed size."""
        return tuple(self._batch(data, start, stop) for start, stop in pairwise(borders))

    def loss(self, measure: Measure) -> Loss:
        """How changes of this model's output are counted.

        Raises:
            UsageError: the output is not known to be class scores, and they are asked for.
        """
        shape = (self.traced, *self.shapes[self.program.output][1:])
        return Loss.of(measure, self.task, shape, self.data.labels, self.program.scored)

    @cached_property
    def eval_batches(self) -> tuple[Batch, ...]:
        """Batches of the evaluation data."""
        return self.batches(self.data)

    def labelled(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, Tensor | None]]:
        """Batches from the first of the evaluation data on, each with its labels if there are any."""
        start = 0
        for batch in batches:
            yield batch, None if self.data.labels is None else self.data.labels[start : start + batch.count]
            start += batch.count

    @cached_property
    def calib_batches(self) -> tuple[Batch, ...]:
        """Batches of the calibration data."""
        return self.batches(self.calib)

    def calibration_in(self, size: int) -> tuple[Batch, ...]:
        """The calibration data in batches of so many samples; of the program's own size where that is fixed."""
        return self.batches(self.calib, self.program.batch or size)

    @cached_property
    def class_axis(self) -> int | None:
        """The axis of the output along which scores of classes lie; None where it is not known to hold any."""
        try:
            return self.loss("kl").axis
        except UsageError:
            return None

    def _batch(self, data: Dataset, start: int, stop: int) -> Batch:
        key = hashlib.blake2b(data.digest + f"{start}:{stop}".encode(), digest_size=16).digest()
        size = self.program.batch or stop - start
        return Batch(key, padded(data.rows(start, stop), data.alike, size), stop - start, size)


def padded(inputs: Mapping[str, Tensor], alike: Collection[str], size: int) -> dict[str, Tensor]:
    """Inputs of some samples, the last of them repeated until there are ``size``."""
    return {name: tensor if name in alike else _padded(tensor, size) for name, tensor in inputs.items()}


def _padded(rows: Tensor, size: int) -> Tensor:
    if len(rows) == size:
        return rows
    return torch.cat([rows, rows[-1:].expand(size - len(rows), *rows.shape[1:])])


def _numel(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
