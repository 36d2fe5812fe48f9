"""Activations between layers that integer runtimes hold in integers as well."""

from __future__ import annotations

from collections.abc import Sequence

from qdebug.graph.layers import Layer
from qdebug.graph.program import Program, Step

#: Runtimes have integer kernels for these: what they read and write is worth holding in integers.
_JOINS = {
    "aten.add.Tensor", "aten.mul.Tensor", "aten.sub.Tensor", "aten.cat.default", "aten.matmul.default",
    "aten.avg_pool2d.default", "aten.avg_pool1d.default", "aten.mean.dim", "aten.adaptive_avg_pool2d.default",
    "aten.sigmoid.default", "aten.leaky_relu.default", "aten.hardsigmoid.default", "aten.hardswish.default",
    "onnx.global_average_pool",
}  # fmt: skip
#: Hand on values as they are: what was on a grid stays on it.
_KEEPING = {
    "aten.max_pool2d.default", "aten.max_pool1d.default", "aten.view.default", "aten.reshape.default",
    "aten.flatten.using_ints", "aten.permute.default", "aten.transpose.int", "aten.squeeze.dim", "aten.squeeze.dims",
    "aten.unsqueeze.default", "aten.alias.default", "aten.clone.default", "aten.dropout.default",
    "aten.contiguous.default", "aten.slice.Tensor", "aten.expand.default", "aten.relu.default",
    "aten.select.int", "onnx.flatten", "onnx.Identity-1",
}  # fmt: skip
#: Runtimes compute these as part of what stands before them.
_FUSED = {"aten.relu.default", "aten.relu6.default", "aten.clamp.default", "aten.hardtanh.default"}


def find_points(program: Program, layers: Sequence[Layer]) -> tuple[int, ...]:
    """The steps whose values are quantized when a recipe says how activations *between* layers are held.

    These are what a layer writes, what an addition, product, concatenation or average reads and writes; behind an
    activation that is fused into them (ReLU, ReLU6, a clamp) instead of before it. What an operator hands on as it is
    (a view, a maximum) is on its source's grid already. Constants, and the model's own inputs where only layers read
    them, are left out; so are products inside a recurrent cell, which runtimes keep in full, and what is no sum or
    product of real numbers, such as an index.
    """
    writers = {layer.step for layer in layers if layer.kind != "embedding" and layer.loop is None}
    joins = {step.index for step in program.steps if _is_join(program, step) and step.index not in writers}
    found: set[int] = set()
    for index in writers | joins:
        found.add(_behind_fused(program, index))
    for index in joins:
        found.update(grid_source(program, source) for source in program.sources[index] if not program.constant[source])
    inputs = set(program.inputs.values())
    return tuple(sorted(index for index in found if index not in inputs and not program.constant[index]))


def grid_source(program: Program, index: int) -> int:
    """Where the value of a step was put on its grid: the step itself, or the one it hands on."""
    step = program.steps[index]
    while step.kind == "op" and step.op in _KEEPING and step.op not in _FUSED and not program.constant[step.index]:
        step = program.steps[program.sources[step.index][0]]
    return step.index


def _is_join(program: Program, step: Step) -> bool:
    if step.op not in _JOINS or program.constant[step.index]:
        return False
    return sum(not program.constant[source] for source in program.sources[step.index]) > 1 or step.op not in (
        "aten.add.Tensor", "aten.mul.Tensor", "aten.sub.Tensor", "aten.matmul.default",
    )  # fmt: skip


def _behind_fused(program: Program, index: int) -> int:
    """The activation that is fused into a step, where it alone reads the step's value."""
    users = program.consumers[index]
    if len(users) == 1 and index != program.output and program.steps[users[0]].op in _FUSED:
        return users[0]
    return index
