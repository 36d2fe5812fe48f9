"""Places where a value's channels can be divided by factors that the weights behind it take up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from qdebug.graph import Flow, Layer, NormSite
from qdebug.graph.filed import FiledTensor
from qdebug.recipes import TensorPlan

_TOGETHER = 1 << 20
"""Values that are multiplied at a time."""


@dataclass(frozen=True)
class ScaleSite:
    """A value whose channels can be divided by factors where it is made, and multiplied where it is read.

    Attributes:
        name: of what makes it.
        layers: the linear layers that read it.
        first: vectors to be divided: a normalization's scale and bias, or a layer's bias and what a batch normalization
            has said of its outputs.
        writer: the layer whose weight's output channels are divided, where it is one.
        channels: for each channel that is read the writer's own; None where they are the same. Several may have one,
            as the copies of a value head that serve a group of query heads do, and then they have one factor.
    """

    name: str
    layers: tuple[Layer, ...]
    first: tuple[int, ...]
    writer: Layer | None = None
    channels: tuple[int, ...] | None = None

    def shared(self, values: Tensor, how: Literal["amax", "mean"]) -> Tensor:
        """A number for each channel that is read ``[C]``, the same for those that share a factor: largest, or mean."""
        if self.channels is None:
            return values
        index = torch.tensor(self.channels)
        found = values.new_zeros(int(index.max()) + 1).scatter_reduce(0, index, values, how, include_self=False)
        return found[index]

    def moved(self, now: Callable[[int], Tensor], factors: Tensor) -> dict[int, Tensor]:
        """The tensors with the factors moved from the value into the weights that read it: the same function.

        Args:
            now: a tensor as it stands, by its step's index.
            factors: float64 ``[C]``, equal where channels share one.

        Returns:
            New tensors by step index.
        """
        divided = factors
        if self.writer is not None and self.channels is not None:
            outputs = now(self.writer.weight).shape[self.writer.out_axis]
            divided = factors.new_ones(outputs)
            divided[torch.tensor(self.channels)] = factors
        changed = {index: times(now(index), 1 / divided, 0) for index in self.first}
        if self.writer is not None:
            changed[self.writer.weight] = times(now(self.writer.weight), 1 / divided, self.writer.out_axis)
        return changed | {one.weight: times(now(one.weight), factors, one.in_axis) for one in self.layers}


@dataclass(frozen=True)
class Rescaled:
    """What moving factors leaves.

    Attributes:
        tensors: new ones by step index, for those that change.
        factors: of each place ``[C]``; a place that is not there is left as it is.
        strengths: the exponent that each place's were made with, where there is one.
    """

    tensors: Mapping[int, Tensor]
    factors: Mapping[ScaleSite, Tensor]
    strengths: Mapping[ScaleSite, float]


def rescaled(
    now: Callable[[int], Tensor], factors: Mapping[ScaleSite, Tensor], strengths: Mapping[ScaleSite, float]
) -> Rescaled:
    """What moving known factors leaves, one place after the other.

    Args:
        now: a tensor as it stands, by its step's index.
        factors: of each place ``[C]``, in the order in which they were found.
        strengths: see :class:`Rescaled`.
    """
    changed: dict[int, Tensor] = {}

    def current(index: int) -> Tensor:
        return changed[index] if index in changed else now(index)

    for site, chosen in factors.items():
        changed |= site.moved(current, chosen)
    return Rescaled(changed, factors, strengths)


def scale_sites(norms: Sequence[NormSite], flows: Sequence[Flow]) -> tuple[ScaleSite, ...]:
    """Normalizations and the layers they feed, and linear layers that another one feeds through nothing that bends."""
    found = [
        ScaleSite(site.name, site.layers, tuple(index for index in (site.scale, site.bias) if index is not None))
        for site in norms if site.refused is None
    ]  # fmt: skip
    for flow in flows:
        if flow.refused is None:
            bias = () if flow.writer.bias is None else (flow.writer.bias,)
            found.append(ScaleSite(flow.writer.name, flow.readers, (*bias, *flow.said), flow.writer, flow.channels))
    return tuple(found)


def site_refusal(site: ScaleSite, plans: Mapping[int, TensorPlan]) -> str | None:
    """Why factors would do harm at a site under these weight plans, by layer step; None where they would not."""
    touched = (*site.layers, *([site.writer] if site.writer else []))
    if any(plans[layer.step].range == "stored" for layer in touched):
        return "its codes came with the model's file"
    if site.writer and not plans[site.writer.step].is_float32 and plans[site.writer.step].granularity == "tensor":
        own = plans[site.writer.step].format
        return f"one scale holds all output channels of {site.writer.name} ({own}), and factors would part them"
    return None


def times(tensor: Tensor, factors: Tensor, axis: int) -> Tensor:
    """A tensor times factors along an axis, computed in float64; of one in a file, whenever it is read."""
    if isinstance(tensor, FiledTensor):
        return FiledTensor(tensor.shape, lambda: times(tensor.read(), factors, axis))
    found = torch.empty_like(tensor)
    step = max(1, _TOGETHER // max(tensor[:1].numel(), 1))
    for start in range(0, len(tensor), step):  # a whole weight in float64 would be the most that a model needs
        part = slice(start, start + step)
        shape = [1] * tensor.dim()
        shape[axis] = -1
        own = factors[part] if axis % tensor.dim() == 0 else factors
        found[part] = tensor[part].double() * own.view(shape)
    return found
