"""Convolutions as matrix products: where each output's window lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from qdebug.graph.program import Step


@dataclass(frozen=True)
class Windows:
    """The windows of a convolution over two axes.

    Attributes:
        kernel: height and width.
        strides, dilations: along both axes.
        pads: before and behind: top, left, bottom, right.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]

    def padded(self, x: Tensor) -> Tensor:
        """An input with its borders of zeros."""
        top, left, bottom, right = self.pads
        return F.pad(x, (left, right, top, bottom)) if any(self.pads) else x

    def unfolded(self, x: Tensor) -> Tensor:
        """Windows as columns, ordered as a weight's rows: ``[N, C, H, W]`` gives ``[N, C·kH·kW, outputs]``."""
        return F.unfold(self.padded(x), self.kernel, self.dilations, 0, self.strides)

    def columns(self, x: Tensor, groups: int) -> Tensor:
        """Every window as a row: ``[S, H, W, C]``, padded, gives ``[S, groups, outputs, kH·kW·C / groups]``."""
        (high, wide), (down, right), (lower, further) = self.kernel, self.strides, self.dilations
        samples, height, width, channels = x.shape
        rows = (height - lower * (high - 1) - 1) // down + 1
        columns = (width - further * (wide - 1) - 1) // right + 1
        sample, row, column, _ = x.stride()
        shape = samples, rows, columns, high, wide, channels
        seen = x.as_strided(shape, (sample, row * down, column * right, row * lower, column * further, 1))
        if groups == 1:
            return seen.reshape(samples, 1, rows * columns, -1)
        return seen.unflatten(5, (groups, -1)).permute(0, 5, 1, 2, 3, 4, 6).reshape(samples, groups, rows * columns, -1)


def windows_of(step: Step, kernel: tuple[int, ...]) -> Windows | None:
    """The windows of a step that convolves over two axes; None where it is no such step or pads by the input's size."""
    if step.op not in ("aten.conv2d.default", "onnx.conv") or len(kernel) != 2:
        return None
    if step.op == "onnx.conv" and len(step.args) > 7 and str(step.args[7]) not in ("NOTSET", ""):
        return None
    strides, pads, dilations = (_pair(step, place, default) for place, default in ((3, 1), (4, 0), (5, 1)))
    ends = pads if len(pads) == 4 else (*pads, *pads)
    return Windows((kernel[0], kernel[1]), strides[:2], ends, dilations[:2])


def _pair(step: Step, place: int, default: int) -> tuple[Any, ...]:
    given: Any = step.args[place] if place < len(step.args) else default
    if isinstance(given, int):
        return given, given
    return (given[0], given[0]) if len(given) == 1 else tuple(given)
