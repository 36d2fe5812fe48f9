"""How convolution weights lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from qdebug.graph.layers import Layer
from qdebug.graph.program import Program, Step

_VIEWS = ("aten.view.default", "aten._unsafe_view.default")
_BY_STRIDE = ("aten.as_strided", "aten.view_as_real", "aten.view.dtype")


def channels_last(program: Program, layers: Sequence[Layer]) -> Program:
    """The program with its two-dimensional convolutions' weights in channels-last order; the values are the same.

    A convolution takes the order of its weight and hands it on, so that all activations between convolutions follow.
    On CPUs that is the order oneDNN computes in, without turning each activation around twice. A view that asks for
    another order becomes a reshape. A program that looks at strides itself is left as it is.
    """
    if any(step.op.startswith(_BY_STRIDE) for step in program.steps):
        return program
    state = dict(program.state)
    for layer in layers:
        weight = state.get(layer.weight)
        if layer.kind == "conv" and weight is not None and weight.dim() == 4 and weight.dtype == torch.float32:
            # not contiguous(): where a size is one, any order passes for channels-last there, but not in oneDNN
            state[layer.weight] = torch.empty_like(weight, memory_format=torch.channels_last).copy_(weight)
    ordered = replace(program, state=state, steps=tuple(_reshaping(step) for step in program.steps))
    # A key is of the values, which are the same: hashing them a second time would cost as much as reading the file.
    ordered.__dict__["state_keys"] = program.state_keys
    return ordered


def _reshaping(step: Step) -> Step:
    return replace(step, target=torch.ops.aten.reshape.default) if step.op in _VIEWS else step
