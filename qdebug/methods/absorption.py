"""High biases, absorbed into the layer behind.

Nagel, van Baalen, Blankevoort, Welling: *Data-Free Quantization Through Weight Equalization and Bias Correction*,
ICCV 2019 (arXiv:1906.04721), section 4.1.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from qdebug.graph import Layer, Program, ScaleGroup

_DEVIATIONS = 3.0
"""A channel's values are above the mean less so many standard deviations, nearly all of them."""


def why_not_absorbed(program: Program, group: ScaleGroup) -> str | None:
    """Why a constant part of a group's channels cannot move into the biases behind; None where it can."""
    if group.refused is not None:
        return group.refused
    if len(group.writers) != 1 or not group.shifts:
        return "what is added, scaled or padded on the way is not shifted as a whole"
    writer = group.writers[0]
    for layer in (writer, *(reader.layer for reader in group.readers)):
        if layer.bias is None:
            return f"{layer.name} has no bias"
        if layer.bias not in program.state or len(program.consumers[layer.bias]) > 1:
            return f"the bias of {layer.name} is not its own"
    padded = next((one.layer for one in group.readers if not _reads_alike(program, one.layer)), None)
    if padded is not None:
        return f"{padded.name} pads its input with zeros, and would see the shift inside only"
    return None


def _reads_alike(program: Program, layer: Layer) -> bool:
    """Whether each output of a layer is made of the same number of inputs: no zeros are padded to them."""
    step = program.steps[layer.step]
    if layer.kind == "matmul":
        return True
    if layer.op.startswith("conv-transpose") or layer.out_axis:
        return False
    if step.op == "onnx.conv" and len(step.args) > 7 and str(step.args[7]) not in ("NOTSET", "", "VALID"):
        return False
    padding = step.args[4] if len(step.args) > 4 else 0
    if isinstance(padding, str):
        return padding == "valid" or all(size == 1 for size in program.state[layer.weight].shape[2:])
    return not any(padding if isinstance(padding, (list, tuple)) else [padding])


def always_there(mean: Tensor, deviation: Tensor) -> Tensor:
    """The paper's c = max(0, β − 3γ): of a normal distribution, all but one of 740 values are above."""
    found = (mean - _DEVIATIONS * deviation).clamp_min(0)
    return torch.where(torch.isfinite(found), found, 0.0)


def absorb(
    tensors: Mapping[int, Tensor], groups: Sequence[ScaleGroup], always: Mapping[int, Tensor],
    statistics: Mapping[int, int],
) -> tuple[dict[int, Tensor], int]:  # fmt: skip
    """Take c out of each channel and W·c into the biases of the layers behind (equation 15).

    Where a channel's values before the activation are always above c ≥ 0, r(x − c) = r(x) − c for a ReLU, and the
    network computes the same.

    Args:
        tensors: current weights and vectors by step index.
        groups: those where it is possible (see :func:`why_not_absorbed`).
        always: c ≥ 0 of the writers' output channels, float64 ``[C]``, by layer step; see :func:`always_there`. Layers
            without stay as they are.
        statistics: the step of the stored mean of a layer's outputs, by layer step, where there is one.

    Returns:
        new tensors by step index, and how many channels they are.
    """
    new: dict[int, Tensor] = {}
    count = 0

    def now(index: int) -> Tensor:
        return new.get(index, tensors[index]).double()

    for group in groups:
        (writer,) = group.writers
        shift = always.get(writer.step)
        if shift is None or not bool(shift.any()):
            continue
        count += int((shift > 0).sum())
        for index in (writer.bias, statistics.get(writer.step)):
            if index is not None:
                new[index] = (now(index) - shift).to(tensors[index].dtype)
        for reader in group.readers:
            assert reader.layer.bias is not None
            moved = through(reader.layer, tensors[reader.layer.weight], shift.repeat_interleave(reader.spread))
            new[reader.layer.bias] = (now(reader.layer.bias) + moved).to(tensors[reader.layer.bias].dtype)
    return new, count


def through(layer: Layer, weight: Tensor, shift: Tensor, shares: Tensor | None = None) -> Tensor:
    """What a layer makes of a constant input, float64 ``[outputs]``.

    Args:
        layer: the layer.
        weight: its weight.
        shift: the input, ``[C]``.
        shares: how much of each place of its kernel counts, ``[places]``; all of it if not said.
    """
    kernels = weight.double()
    if weight.dim() > 2:
        kernels = kernels.flatten(2).sum(2) if shares is None else kernels.flatten(2) @ shares.double()
    split = kernels.reshape(layer.groups, -1, kernels.shape[1])
    if layer.out_axis:
        split = split.transpose(1, 2)
    return (split @ shift.view(layer.groups, -1, 1)).flatten()
