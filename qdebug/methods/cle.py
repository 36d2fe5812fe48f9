"""Cross-layer equalization.

Nagel, van Baalen, Blankevoort, Welling: *Data-Free Quantization Through Weight Equalization and Bias Correction*,
ICCV 2019 (arXiv:1906.04721), section 4.1. What it says of two layers is done here for all layers that write into, or
read from, the same channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qdebug.graph import Layer, ScaleGroup

_DEAD = 1e-7
"""A channel whose range is below this fraction of the layer's widest counts as dead and is left alone."""
_SETTLED = 1e-4
_ACTIVATION = 0.5
"""What an activation's range counts beside a weight's (PPQ's ``act_multiplier``)."""

Scales = dict[int, Tensor]
"""What each group's channels are divided by where they are written, float64 ``[C]``, by the group's place."""


@dataclass(frozen=True)
class Held:
    """What keeps a group's channels from any scale: values that may not reach the caps on the way.

    Attributes:
        least: no channel is divided by less, float64 ``[C]``; 0 where there is nothing to reach.
        fixed: channels that reach a cap already, bool ``[C]``: they keep their scale.
    """

    least: Tensor
    fixed: Tensor


def equalize(
    tensors: Mapping[int, Tensor], groups: Sequence[ScaleGroup], iterations: int = 20, *,
    held: Mapping[int, Held] | None = None, activations: Mapping[int, Tensor] | None = None,
) -> tuple[dict[int, Tensor], Scales]:  # fmt: skip
    """Rescale layers so that each channel has the same range where it is written and where it is read.

    Channel i of what is written (rows of a weight, its bias) is divided by s_i and the columns that read it are
    multiplied by it, with s_i = √(r1_i / r2_i), r being the channels' largest magnitudes over all writers and over all
    readers (equation 11 of the paper for one of each: afterwards both are √(r1_i · r2_i)). Where nothing but depthwise
    layers stands between, a whole run is solved at once: all its ranges become the (n+1)th root of their product. What
    is left, layers that mix channels, is swept until it settles. The network computes the same in exact arithmetic.

    Args:
        tensors: current weights and vectors by step index.
        groups: the groups; refused ones are skipped.
        iterations: sweeps over all groups; stops early when no scale moves by more than 1e-4.
        held: bounds of the scales, by the group's place, where there are any.
        activations: the largest magnitude of each output channel of a layer, float64 ``[C]``, by the layer's step. Half
            of it then counts as a range of the layer that writes it, as in PPQ's layerwise equalization with
            ``including_act`` (which also takes the largest of all writers, and of all readers).

    Returns:
        new tensors by step index, for those that change, and each group's scales.
    """
    active = {place: group for place, group in enumerate(groups) if group.refused is None}
    state = _State(tensors, active, held or {}, activations or {})
    runs = _runs(active, state.held, whole=not state.activations)
    for _ in range(iterations):
        moved = max((state.solve(run) for run in runs), default=0.0)
        if moved < _SETTLED:
            break
    return rescaled(tensors, active, state.scales), state.scales


def rescaled(
    tensors: Mapping[int, Tensor], groups: Mapping[int, ScaleGroup], scales: Scales
) -> dict[int, Tensor]:  # fmt: skip
    """The tensors that change, by step, with the groups' scales in them; computed in float64."""
    written = {layer.step: scales[place] for place, group in groups.items() for layer in group.writers}
    read = {
        reader.layer.step: scales[place].repeat_interleave(reader.spread)
        for place, group in groups.items()
        for reader in group.readers
    }
    new: dict[int, Tensor] = {}
    for layer in {one.step: one for group in groups.values() for one in group.layers}.values():
        weight = tensors[layer.weight]
        factor = _factor(layer, weight.shape, written.get(layer.step), read.get(layer.step))
        new[layer.weight] = (weight.double() * factor).to(weight.dtype)
    for place, group in groups.items():
        for index in group.vectors:
            new[index] = (tensors[index].double() / scales[place]).to(tensors[index].dtype)
    return new


def _factor(layer: Layer, shape: torch.Size, written: Tensor | None, read: Tensor | None) -> Tensor:
    """What a weight is multiplied with, shaped like it but for the axes of its kernel."""
    outputs, inputs = _counts(layer, shape)
    over = torch.ones(outputs, dtype=torch.float64) if written is None else 1 / written
    times = torch.ones(inputs, dtype=torch.float64) if read is None else read
    factor = over.view(layer.groups, -1, 1) * times.view(layer.groups, 1, -1)
    if layer.out_axis:
        factor = factor.transpose(1, 2)
    return factor.reshape(*shape[:2], *[1] * (len(shape) - 2))


def _counts(layer: Layer, shape: torch.Size) -> tuple[int, int]:
    """Output and input channels of a layer: its groups share the second axis of its weight."""
    first, second = shape[0], shape[1] * layer.groups
    return (second, first) if layer.out_axis else (first, second)


def magnitudes(layer: Layer, weight: Tensor) -> Tensor:
    """The largest magnitude of each kernel, float64 ``[groups, outputs of a group, inputs of a group]``."""
    each = weight.abs().flatten(2).amax(2) if weight.dim() > 2 else weight.abs()
    split = each.double().reshape(layer.groups, -1, each.shape[1])
    return split.transpose(1, 2) if layer.out_axis else split


class _State:
    """The scales so far, and the ranges that layers have with them: kernels are only looked at once."""

    def __init__(
        self, tensors: Mapping[int, Tensor], groups: Mapping[int, ScaleGroup], held: Mapping[int, Held],
        activations: Mapping[int, Tensor],
    ) -> None:  # fmt: skip
        self.groups, self.held, self.activations = groups, held, activations
        layers = {layer.step: layer for group in groups.values() for layer in group.layers}
        self._kernels = {step: magnitudes(layer, tensors[layer.weight]) for step, layer in layers.items()}
        self.scales: Scales = {
            place: torch.ones(group.channels, dtype=torch.float64) for place, group in groups.items()
        }
        self._outputs = {layer.step: place for place, group in groups.items() for layer in group.writers}
        self._inputs = {
            reader.layer.step: (place, reader.spread) for place, group in groups.items() for reader in group.readers
        }

    def solve(self, run: Sequence[int]) -> float:
        """Give a run of groups the scales that make all its ranges equal; how far they moved, as a logarithm."""
        ranges = [self._written(self.groups[run[0]])]
        ranges += [self._rows(self.groups[place].writers[0]) for place in run[1:]]
        ranges.append(self._read(self.groups[run[-1]]))
        alive = torch.stack([one > _DEAD * one.max() for one in ranges]).all(0)
        logs = torch.stack([torch.where(alive, one, 1.0).log() for one in ranges])
        steps = (logs - logs.mean(0)).cumsum(0)[:-1]
        return max(self._move(place, step.exp()) for place, step in zip(run, steps, strict=True))

    def _move(self, place: int, step: Tensor) -> float:
        old = self.scales[place]
        new = old * step
        bound = self.held.get(place)
        if bound is not None:
            new = torch.where(bound.fixed, 1.0, torch.maximum(new, bound.least))
        self.scales[place] = new
        return float((new / old).log().abs().max())

    def _written(self, group: ScaleGroup) -> Tensor:
        found = [self._rows(layer) for layer in group.writers]
        found += [
            _ACTIVATION * self.activations[layer.step] / self.scales[self._outputs[layer.step]]
            for layer in group.writers
            if layer.step in self.activations
        ]
        return torch.stack(found).amax(0)

    def _read(self, group: ScaleGroup) -> Tensor:
        columns = [self._columns(reader.layer).view(-1, reader.spread).amax(1) for reader in group.readers]
        return torch.stack(columns).amax(0)

    def _now(self, layer: Layer) -> Tensor:
        kernels = self._kernels[layer.step]
        if layer.step in self._inputs:
            place, spread = self._inputs[layer.step]
            kernels = kernels * self.scales[place].repeat_interleave(spread).view(layer.groups, 1, -1)
        if layer.step in self._outputs:
            kernels = kernels / self.scales[self._outputs[layer.step]].view(layer.groups, -1, 1)
        return kernels

    def _rows(self, layer: Layer) -> Tensor:
        return self._now(layer).amax(2).flatten()

    def _columns(self, layer: Layer) -> Tensor:
        return self._now(layer).amax(1).flatten()


def _runs(groups: Mapping[int, ScaleGroup], held: Mapping[int, Held], *, whole: bool) -> list[list[int]]:
    """Groups in the order of the graph; together where one depthwise layer alone leads from each to the next."""
    free = {place: group for place, group in groups.items() if place not in held}
    behind: dict[int, int] = {}
    if whole:
        alone = {group.writers[0].step: place for place, group in free.items() if len(group.writers) == 1}
        for place, group in free.items():
            (reader, *others) = group.readers
            follower = alone.get(reader.layer.step)
            if not others and follower is not None and _is_thin(groups[follower], group):
                behind[place] = follower
    firsts = [place for place in groups if place not in behind.values()]
    runs: list[list[int]] = []
    for place in firsts:
        run = [place]
        while run[-1] in behind:
            run.append(behind[run[-1]])
        runs.append(run)
    return runs


def _is_thin(after: ScaleGroup, before: ScaleGroup) -> bool:
    """Whether the layer between two groups has one kernel per channel."""
    return after.writers[0].is_depthwise and after.channels == before.channels
