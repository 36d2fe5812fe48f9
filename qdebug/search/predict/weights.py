"""What a change of a weight does along a direction: ⟨δW ∗ x, g⟩ for every sample and every format.

Two ways to the same number, whichever moves less. *Direct* runs the layer with δW in the place of its weight, once for
each format. By the *gradient* it is ⟨δW, G⟩ with G = g xᵀ of that sample, which serves all formats at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from qdebug.graph import Layer, Program
from qdebug.graph.calls import compiled_layer
from qdebug.quantize.layout import rows
from qdebug.search.predict.samples import totals
from qdebug.search.predict.windows import Windows, windows_of

try:
    from qdebug.search.predict import kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None

_UNFOLDED = 3.0
"""What a weight's gradient by way of windows costs in passes of the layer, where a matrix product's is 1."""
_IN_CACHE = 1 << 18
"""Values of gradients that are made before they are used up: as many as stay in a core's own cache."""


@dataclass(frozen=True)
class WeightChanges:
    """One layer's weight in several formats.

    Attributes:
        layer: the layer.
        deltas: what each format changes, ``[formats, *weight]``.
        flat: the same with a row for each format, in the order of the gradient's values.
        run: the layer without its bias, on an input and a weight.
        windows: where a convolution's windows lie, if its gradient can be had from them.
        macs: multiply-accumulates for one sample.
    """

    layer: Layer
    deltas: Tensor
    flat: Tensor
    run: Callable[[Tensor, Tensor], Tensor]
    windows: Windows | None
    macs: int

    def project(self, x: Tensor, gradients: Sequence[Tensor], samples: int) -> Tensor:
        """The projections ``[formats, gradients, samples]``, float32.

        Args:
            x: the layer's float input.
            gradients: at its output, one for each direction.
            samples: how many samples all of these hold.
        """
        if self._is_depthwise(x, gradients[0]):
            return self._by_kernel(x, gradients)
        formats, size = self.flat.shape
        if self._has_gradient(x, gradients[0], samples):
            passes = 1.0 if self.windows is None or self.windows.is_point else _UNFOLDED
            if len(gradients) * (passes * self.macs + formats * size) < formats * self.macs:
                return torch.stack([self._by_gradient(x, g, samples) for g in gradients], 1)
        found = torch.empty(formats, len(gradients), samples)
        for place, delta in enumerate(self.deltas):
            change = self.run(x, delta)
            for turn, g in enumerate(gradients):
                found[place, turn] = totals(change, g, samples)
        return found

    def _is_depthwise(self, x: Tensor, g: Tensor) -> bool:
        """Whether each channel has one filter, and the compiled loop takes it."""
        plain = kernels is not None and self.windows is not None and x.dtype == torch.float32 and x.device.type == "cpu"
        return plain and self.layer.groups > 1 and x.shape[1] == self.layer.groups == g.shape[1]

    def _by_kernel(self, x: Tensor, gradients: Sequence[Tensor]) -> Tensor:
        windows, found = self.windows, torch.empty(len(gradients), len(self.deltas), len(x))
        assert windows is not None
        deltas = self.deltas.flatten(2).transpose(1, 2).contiguous().numpy()
        given, *back = (one.permute(0, 2, 3, 1).contiguous().numpy() for one in (x, *gradients))  # channels last
        shape = windows.kernel, windows.strides, windows.pads[:2], windows.dilations
        for g, own in zip(back, found.unbind(), strict=True):
            kernels.project_depthwise(given, g, deltas, *shape, own.numpy())
        return found.transpose(0, 1)

    def _has_gradient(self, x: Tensor, g: Tensor, samples: int) -> bool:
        if self.layer.kind == "matmul":
            in_rows = x.dim() > 1 and len(x) % samples == 0 and len(g) % samples == 0 and self.deltas.dim() == 3
            return in_rows and self.layer.channel_axis % x.dim() == x.dim() - 1
        return self.windows is not None and len(x) == samples == len(g) and x.dim() == 4

    def _by_gradient(self, x: Tensor, g: Tensor, samples: int) -> Tensor:
        """The projections ``[formats, samples]`` by way of each sample's gradient ``[out, in]``."""
        if self.windows is None:
            left = g.reshape(samples, -1, g.shape[-1]).transpose(1, 2)  # [S, out, T]
            right = x.reshape(samples, -1, x.shape[-1])  # [S, T, in]
        elif self.windows.is_point and self.layer.groups == 1:
            left, right = _by_place(g).transpose(1, 2), _by_place(x)
        else:
            groups = self.layer.groups
            left = g.flatten(2).unflatten(1, (groups, -1))  # [S, groups, out, places]
            right = self.windows.unfolded(x).unflatten(1, (groups, -1)).transpose(2, 3)
        step = max(1, _IN_CACHE // self.flat.shape[1])
        found = [
            self.flat @ torch.matmul(one, two).flatten(1).T
            for one, two in zip(left.split(step), right.split(step), strict=True)
        ]
        return torch.cat(found, 1)


def _by_place(x: Tensor) -> Tensor:
    """``[S, C, H, W]`` as ``[S, H·W, C]``: a view, whether channels lie first or last."""
    if x.is_contiguous():
        return x.flatten(2).transpose(1, 2)
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def weight_changes(program: Program, layer: Layer, weight: Tensor, quantized: list[Tensor], macs: int) -> WeightChanges:
    """A layer's weight changes.

    Args:
        program: the program.
        layer: the layer.
        weight: its float weight.
        quantized: the weight in each format.
        macs: multiply-accumulates for one sample.
    """
    deltas = torch.stack([one.to(weight.dtype) - weight for one in quantized])
    if layer.out_axis == 0:  # a view
        flat = deltas.flatten(1).float()
    else:
        flat = torch.stack([rows(delta, layer.out_axis).flatten() for delta in deltas]).float()
    step, bias = program.steps[layer.step], None
    if layer.bias_argument is not None and layer.bias_argument < len(step.args):
        if step.op == "aten.addmm.default":  # it has no way without
            bias = torch.zeros((), dtype=weight.dtype)
        else:
            place = layer.bias_argument
            step = replace(step, args=(*step.args[:place], None, *step.args[place + 1 :]))
    call = compiled_layer(step, layer)
    windows = windows_of(step, tuple(weight.shape[2:])) if layer.kind == "conv" and layer.out_axis == 0 else None
    return WeightChanges(layer, deltas, flat, lambda x, delta: call({}, x, delta, bias), windows, macs)
