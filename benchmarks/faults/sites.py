"""Where a factor can be moved from what makes a channel into the layer that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from qdebug.graph import Layer
from qdebug.session import Session


@dataclass(frozen=True)
class Site:
    """What makes channels, and the layer that alone reads them.

    Attributes:
        made: steps of the tensors with the channels along axis 0 (a weight and its bias, or a norm's scale and bias).
        maker: the layer that makes them; None where a norm does.
        reader: the layer that reads them.
        axis: the reader's weight axis over these channels.
        count: channels.
    """

    made: tuple[int, ...]
    maker: Layer | None
    reader: Layer
    axis: int
    count: int


def sites(session: Session) -> list[Site]:
    """All of a model's, in the order of the graph."""
    state = session.subject.program.state
    found: list[Site] = []
    for group in session.subject.scale_groups:
        if group.refused or group.caps or len(group.writers) + len(group.readers) != 2:
            continue
        (maker,), (read,) = group.writers, group.readers
        reader = read.layer
        if maker.bias is None or read.spread != 1:
            continue
        axis = reader.out_axis if reader.is_depthwise else reader.in_axis
        found.append(Site((maker.weight, maker.bias), maker, reader, axis, state[reader.weight].shape[axis]))
    for norm in session.subject.norm_sites:
        if norm.refused or norm.scale is None or len(norm.layers) != 1:
            continue
        made = (norm.scale,) if norm.bias is None else (norm.scale, norm.bias)
        reader = norm.layers[0]
        found.append(Site(made, None, reader, reader.in_axis, state[norm.scale].shape[0]))
    return found


@dataclass
class Surgery:
    """Tensors of a session under the knife."""

    session: Session
    tensors: dict[int, Tensor] = field(default_factory=dict)

    def take(self, index: int) -> Tensor:
        """The step's tensor, to be changed in place."""
        if index not in self.tensors:
            self.tensors[index] = self.session.subject.program.state[index].clone()
        return self.tensors[index]

    def scale(self, site: Site, channels: np.ndarray, factor: float) -> None:
        """Multiply channels where they are made and divide where they are read: the same function."""
        picked = torch.as_tensor(channels)
        for index in site.made:
            self.take(index)[picked] *= factor
        self.columns(site, picked, lambda part: part / factor)

    def kill(self, site: Site, channel: int, value: float = 0.0) -> None:
        """Make a channel a constant."""
        for index in site.made[:-1]:
            self.take(index)[channel] = 0.0
        self.take(site.made[-1])[channel] = value

    def columns(self, site: Site, picked: Tensor, change) -> None:
        """Change what the reader's weight has for some channels."""
        weight = self.take(site.reader.weight)
        rows = weight.movedim(site.axis, 0)
        rows[picked] = change(rows[picked])


def lively(session: Session, site: Site, dice: np.random.Generator, count: int) -> np.ndarray:
    """Some of the channels that carry most of the signal at a site."""
    batch = session.subject.calib_batches[0]
    float_sheet = session.preparer.float_sheet
    x = session.subject.engine.values(float_sheet, batch, (site.reader.x,), _idle())[site.reader.x]
    power = x.movedim(site.reader.channel_axis, 0).flatten(1).square().mean(1)
    weight = session.subject.program.state[site.reader.weight].movedim(site.axis, 0).flatten(1).square().mean(1)
    order = torch.argsort(power * weight, descending=True).numpy()
    return dice.permutation(order[: max(count, len(order) // 4)])[:count]


def _idle():
    from qdebug.engine import Work

    return Work()
