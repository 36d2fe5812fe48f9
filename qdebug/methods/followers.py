"""The activation function behind a layer, where its error is measured behind it."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.engine import Sheet
from qdebug.graph import Layer, Program
from qdebug.methods.bench import Bench, Problem
from qdebug.methods.objectives import Follower

_RELU = {"aten.relu.default": (0.0, torch.inf), "aten.relu6.default": (0.0, 6.0)}


def follower_of(bench: Bench, problem: Problem) -> Follower | None:
    """What a layer's output goes through before anything else reads it, if it is a ReLU or a clipped one; else None.

    None too where a part of the layer is kept beside its weight: the output is then not the weight's alone.
    """
    layer = problem.layer
    limits = clamp_behind(bench.engine.program, layer.step)
    if limits is None or problem.side is not None:
        return None
    bias = bias_of(bench, bench.reference, layer)
    return Follower(limits, torch.zeros(len(problem.weight)) if bias is None else bias)


def clamp_behind(program: Program, step: int) -> tuple[float, float] | None:
    """The interval that the only reader of a step's value clamps it to; None where there is no such reader."""
    readers = program.consumers[step]
    if len(readers) != 1 or step == program.output:
        return None
    reader = program.steps[readers[0]]
    if reader.op == "aten.hardtanh.default":
        low, high = reader.args[1:3] if len(reader.args) > 2 else (-1.0, 1.0)
        return float(low), float(high)
    return _RELU.get(reader.op)


def bias_of(bench: Bench, sheet: Sheet, layer: Layer) -> Tensor | None:
    """A layer's bias on a sheet, ``[R]``; None where it has none."""
    added = sheet.bias(layer, bench.engine.cache)
    if added is None and layer.bias is not None:
        added = sheet.constant(layer.bias, bench.engine.cache)
    return added
