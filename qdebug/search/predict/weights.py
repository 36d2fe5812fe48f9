"""What a change of a weight does along a direction: ⟨δW ∗ x, g⟩ for every sample and every format.

Ways to the same number, whichever moves less. *Direct* runs the layer with δW in the place of its weight, once for each
format. By the *gradient* it is ⟨δW, G⟩ with G = g xᵀ of that sample, which serves all formats at once; where a sample
has few places, G is never written down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import pad

from qdebug.graph import Layer, Program
from qdebug.graph.calls import compiled_layer
from qdebug.graph.windows import Windows, windows_of
from qdebug.quantize.layout import rows
from qdebug.search.predict.samples import totals

try:
    from qdebug.search.predict import kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None

_PASS, _CONVOLUTION = 1.2, 2.5
"""A multiply-accumulate on the way to samples' gradients, in those of running the layer: matrices as small as these are
slow to multiply, beside a convolution (which oneDNN runs near the core's peak) more than beside a matrix product."""
_DOT, _TOTAL = 4.0, 60.0
"""The same for a format's product with a gradient's value, and for the sum over an output's value, which is memory."""
_FEW, _PLACES = 1.2, 4
"""The same for a product of either kind where gradients are not written down, and how many places those are of."""
_IN_CACHE = 1 << 18
"""Values of gradients that are made before they are used up: as many as stay in a core's own cache."""
_ROWS, _NEAR = 1 << 18, 5 << 18
"""The same for matrix products: values of one gradient, and of all that are made. Few enough to be near, and of several
samples, for which the changes, which are further away, are then read but once."""


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
        if self._has_gradient(x, gradients[0], samples):
            if self._has_few_places(x, gradients, samples):
                return self._by_few(x, gradients, samples)
            if self._is_cheaper_by_gradient(gradients, samples):
                return self._by_gradient(x, gradients, samples)
        found = torch.empty(len(self.deltas), len(gradients), samples)
        for place, delta in enumerate(self.deltas):
            change = self.run(x, delta)
            for turn, g in enumerate(gradients):
                found[place, turn] = totals(change, g, samples)
        return found

    def _is_cheaper_by_gradient(self, gradients: Sequence[Tensor], samples: int) -> bool:
        """Whether one gradient of each sample, and a product with it for each format, beats running each format."""
        formats, size = self.flat.shape
        gradient = (_PASS if self.windows is None else _CONVOLUTION) * self.macs + _DOT * formats * size
        return len(gradients) * gradient < self._direct(gradients, samples)

    def _has_few_places(self, x: Tensor, gradients: Sequence[Tensor], samples: int) -> bool:
        """Whether the same holds for gradients that are never written down, and the compiled loop takes them."""
        formats, size = self.flat.shape
        rows = self.deltas[0].shape[self.layer.out_axis]
        plain = kernels is not None and x.dtype == torch.float32 and x.device.type == "cpu" and self.layer.groups == 1
        if not plain or not rows < gradients[0].numel() // samples <= _PLACES * rows:
            return False
        is_near = self.flat.numel() <= _IN_CACHE or _near(size // rows) > 2
        return is_near and len(gradients) * _FEW * (_PLACES + formats) * size < self._direct(gradients, samples)

    def _direct(self, gradients: Sequence[Tensor], samples: int) -> float:
        """What it costs to run the layer on each format's change, for one sample."""
        return len(self.flat) * (self.macs + _TOTAL * len(gradients) * gradients[0].numel() / samples)

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

    def _by_few(self, x: Tensor, gradients: Sequence[Tensor], samples: int) -> Tensor:
        """The projections ``[formats, gradients, samples]`` where a sample has four places at most."""
        if self.windows is None:
            right = x.reshape(samples, -1, x.shape[-1])
            lefts = [g.reshape(samples, -1, g.shape[-1]) for g in gradients]
        else:
            right = self.windows.columns(self.windows.padded(x).permute(0, 2, 3, 1).contiguous(), 1).squeeze(1)
            lefts = [_by_group(g, 1).squeeze(1).transpose(1, 2) for g in gradients]
        missing = (0, 0, 0, _PLACES - right.shape[1])
        deltas = self.flat.view(len(self.flat), lefts[0].shape[-1], -1).numpy()
        given, *back = (pad(one, missing).contiguous().numpy() for one in (right, *lefts))
        near = 2 if self.flat.numel() <= _IN_CACHE else _near(right.shape[-1])
        found = torch.zeros(len(gradients), len(self.flat), samples)
        for g, own in zip(back, found.unbind(), strict=True):
            kernels.project_few(given, g, deltas, near, own.numpy())
        return found.transpose(0, 1)

    def _by_gradient(self, x: Tensor, gradients: Sequence[Tensor], samples: int) -> Tensor:
        """The projections ``[formats, gradients, samples]`` by way of each sample's gradient ``[out, in]``.

        Some rows of the gradients of a few samples along all directions are there at once: so many share what is read
        of the changes, of which there is one for each format.
        """
        if self.windows is None:
            right = x.reshape(samples, -1, x.shape[-1])  # [S, T, in]
            lefts = [g.reshape(samples, -1, g.shape[-1]).transpose(1, 2) for g in gradients]
            held, most, rows = right[0].numel(), _NEAR, -(-lefts[0].shape[1] // -(-self.flat.shape[1] // _ROWS))
        else:
            right = self.windows.padded(x).permute(0, 2, 3, 1).contiguous()  # channels last
            lefts = [_by_group(g, self.layer.groups) for g in gradients]
            held, most = lefts[0].shape[-1] * self.flat.shape[1] // len(self.deltas[0]), _IN_CACHE
            rows = lefts[0].shape[-2]
        many, width = lefts[0].shape[-2], self.flat.shape[1] // lefts[0].shape[-2]
        step = max(1, most // (held + len(lefts) * rows * width))
        found = torch.zeros(len(self.flat), len(gradients), samples)
        for first, start in product(range(0, many, rows), range(0, samples, step)):
            some = slice(start, start + step)
            own = right[some] if self.windows is None else self.windows.columns(right[some], self.layer.groups)
            parts = [left[some, ..., first : first + rows, :] for left in lefts]
            made = own.new_empty(len(parts), *parts[0].shape[:-1], own.shape[-1])
            for part, into in zip(parts, made, strict=True):
                torch.matmul(part, own, out=into)
            found[:, :, some] += _products(made.flatten(2), self.flat, first * width)
        return found


@dataclass(frozen=True)
class RemadeChanges:
    """A layer's weight changes that are made anew each time, where those of all layers are more than memory holds.

    Attributes:
        make: makes them.
    """

    make: Callable[[], WeightChanges]

    def project(self, x: Tensor, gradients: Sequence[Tensor], samples: int) -> Tensor:
        """As :meth:`WeightChanges.project`."""
        return self.make().project(x, gradients, samples)


def _products(gradients: Tensor, deltas: Tensor, first: int) -> Tensor:
    """``[formats, directions, samples]`` from ``[directions, samples, some values]`` and ``[formats, values]``."""
    turns, samples, many = gradients.shape
    if kernels is None or gradients.dtype != torch.float32 or gradients.device.type != "cpu":
        return torch.einsum("fv,tsv->fts", deltas[:, first : first + many], gradients)
    found = torch.zeros(len(deltas), turns * samples)
    kernels.project_gradients(gradients.view(-1, many).numpy(), deltas.numpy(), first, found.numpy())
    return found.view(-1, turns, samples)


def _near(width: int) -> int:
    """Samples of four places, each with so many values, that stay in a core's own cache."""
    return max(2, _IN_CACHE // 4 // (_PLACES * width))


def _by_group(g: Tensor, groups: int) -> Tensor:
    """``[S, C, H, W]`` as ``[S, groups, C / groups, H·W]``: a view, whether channels lie first or last."""
    if g.is_contiguous():
        return g.flatten(2).unflatten(1, (groups, -1))
    return g.permute(0, 2, 3, 1).flatten(1, 2).unflatten(2, (groups, -1)).permute(0, 2, 3, 1)


def weight_changes(program: Program, layer: Layer, weight: Tensor, quantized: list[Tensor], macs: int) -> WeightChanges:
    """A layer's weight changes.

    Args:
        program: the program.
        layer: the layer.
        weight: its float weight.
        quantized: the weight in each format.
        macs: multiply-accumulates for one sample.
    """
    step = program.steps[layer.step]
    deltas = torch.stack([one.to(weight.dtype) - weight for one in quantized])
    windows = windows_of(step, tuple(weight.shape[2:])) if layer.kind == "conv" and layer.out_axis == 0 else None
    if windows is not None:
        flat = deltas.permute(0, 1, 3, 4, 2).flatten(1).float()
    elif layer.out_axis == 0:  # a view
        flat = deltas.flatten(1).float()
    else:
        flat = torch.stack([rows(delta, layer.out_axis).flatten() for delta in deltas]).float()
    bias = None
    if layer.bias_argument is not None and layer.bias_argument < len(step.args):
        if step.op == "aten.addmm.default":  # it has no way without
            bias = torch.zeros((), dtype=weight.dtype)
        else:
            place = layer.bias_argument
            step = replace(step, args=(*step.args[:place], None, *step.args[place + 1 :]))
    call = compiled_layer(step, layer)
    return WeightChanges(layer, deltas, flat, lambda x, delta: call({}, x, delta, bias), windows, macs)
