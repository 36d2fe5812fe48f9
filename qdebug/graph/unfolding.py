"""Convolutions over one or two axes, transposed ones too, as matrix products of windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from qdebug.graph.layers import Layer
from qdebug.graph.program import Step
from qdebug.graph.windows import Windows, windows_of

_PLAIN = ("aten.conv1d.default", "onnx.conv")
_PADDED = ("aten.conv1d.padding", "aten.conv2d.padding")
_TRANSPOSED = ("aten.conv_transpose1d.default", "aten.conv_transpose2d.input")


@dataclass(frozen=True)
class Unfolding:
    """How a convolution's input becomes columns that its weight's rows are multiplied with.

    Attributes:
        windows: over two axes; one axis is the second of two, with a height of 1.
        spread: of a transposed convolution, which is a plain one on its input with ``spread − 1`` zeros between
            neighbours and its kernels turned round; None for a plain one.
    """

    windows: Windows
    spread: tuple[int, int] | None = None

    def columns(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` or ``[N, C, L]`` as ``[N, C·kH·kW, outputs]``, ordered as a weight's rows."""
        planes = x.unsqueeze(2) if x.dim() == 3 else x
        if self.spread is None:
            return self.windows.unfolded(planes)
        (down, right), (samples, channels, height, width) = self.spread, planes.shape
        spread = planes.new_zeros(samples, channels, (height - 1) * down + 1, (width - 1) * right + 1)
        spread[:, :, ::down, ::right] = planes
        found = self.windows.unfolded(spread)
        return found.view(samples, channels, -1, found.shape[-1]).flip(2).view(found.shape)


def unfolding_of(step: Step, layer: Layer, shape: tuple[int, ...]) -> Unfolding | None:
    """How the input of a convolution becomes columns; None for one over three axes and others that are not known.

    Args:
        step: the operator.
        layer: the layer.
        shape: of its weight.
    """
    kernel, count = shape[2:], len(shape) - 2
    known = windows_of(step, kernel)
    if known is not None:
        return Unfolding(known)
    if count not in (1, 2):
        return None
    strides = _each(step, 3, 1, count)
    if step.op in _PLAIN and count == 1 and not _pads_by_size(step):
        pads, dilations = _each(step, 4, 0, count), _each(step, 5, 1, count)
        return Unfolding(_two(kernel, strides, pads[:1], pads[-1:], dilations))
    if step.op in _PADDED:
        dilations = _each(step, 5, 1, count)
        same = len(step.args) > 4 and step.args[4] == "same"
        whole = [d * (k - 1) if same else 0 for d, k in zip(dilations, kernel, strict=True)]
        before = [one // 2 for one in whole]
        return Unfolding(_two(kernel, strides, before, [a - b for a, b in zip(whole, before, strict=True)], dilations))
    if step.op in _TRANSPOSED and layer.groups == 1:
        pads, more, dilations = _each(step, 4, 0, count), _each(step, 5, 0, count), _each(step, 7, 1, count)
        before = [d * (k - 1) - p for d, k, p in zip(dilations, kernel, pads, strict=True)]
        after = [one + extra for one, extra in zip(before, more, strict=True)]
        windows = _two(kernel, [1] * count, before, after, dilations)
        return Unfolding(windows, (strides[0] if count == 2 else 1, strides[-1]))
    return None


def _pads_by_size(step: Step) -> bool:
    return step.op == "onnx.conv" and len(step.args) > 7 and str(step.args[7]) not in ("NOTSET", "")


def _each(step: Step, place: int, default: int, count: int) -> list[int]:
    """An argument for each axis; for an ONNX operator's pads, twice as many."""
    given: Any = step.args[place] if place < len(step.args) else default
    if isinstance(given, int):
        return [given] * count
    return [int(given[0])] * count if len(given) == 1 else [int(one) for one in given]


def _two(kernel: Any, strides: Any, before: Any, after: Any, dilations: Any) -> Windows:
    """Windows over two axes from the arguments of one or two."""
    if len(kernel) == 2:
        return Windows(tuple(kernel), tuple(strides), (*before, *after), tuple(dilations))
    return Windows((1, kernel[0]), (1, strides[0]), (0, before[0], 0, after[0]), (1, dilations[0]))
