"""A bias that stands behind a matrix product, taken into the layer as most runtimes do."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from qdebug.graph.layers import Layer, find_layers
from qdebug.graph.program import Program, Ref, Step, moved_template


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x · weight + bias`` with the weight as ``[in, out]``."""
    product = x @ weight
    return product if bias is None else product + bias


def fold_bias(program: Program) -> Program:
    """The same function with ``matmul`` and the addition of a stored vector behind it as one layer.

    Only where nothing else reads the product and the vector has one number per output. The layer keeps the product's
    module; its value goes by the sum's name. A sum of two stored tensors, or with a shape of its own, stays.
    """
    shapes = {index: tuple(tensor.shape) for index, tensor in program.state.items()}
    found: dict[int, tuple[Layer, int]] = {}
    for layer in find_layers(program, shapes):
        if program.steps[layer.step].op == "aten.matmul.default" and layer.in_axis == 0:
            bias = _bias(program, layer)
            if bias is not None:
                found[program.consumers[layer.step][0]] = layer, bias
    if not found:
        return program
    dropped = {layer.step for layer, _ in found.values()}
    steps: list[Step] = []
    moved: dict[int, int] = {}
    for step in program.steps:
        if step.index in dropped:
            continue
        moved[step.index] = len(steps)
        if step.index in found:
            layer, bias = found[step.index]
            first = program.steps[layer.step]
            args = tuple(Ref(moved[index]) for index in (layer.x, layer.weight, bias))
            whole = replace(first, op="onnx.linear", target=linear, name=step.name, args=args, is_view=False)
            steps.append(replace(whole, index=len(steps)))
        else:
            args, kwargs = moved_template(step.args, moved), moved_template(step.kwargs, moved)
            steps.append(replace(step, index=len(steps), args=args, kwargs=kwargs))
    state = {moved[index]: tensor for index, tensor in program.state.items()}
    return program.rebuilt(steps, state, moved)


def _bias(program: Program, layer: Layer) -> int | None:
    """The stored vector that is added to a layer's product and to nothing else, or None."""
    users = program.consumers[layer.step]
    if len(users) != 1 or layer.step in (program.output, *program.outputs.values()):
        return None
    step = program.steps[users[0]]
    if step.op != "aten.add.Tensor" or step.kwargs.get("alpha", 1) != 1:
        return None
    other = next((index for index in program.sources[users[0]] if index != layer.step), None)
    if other is None or other not in program.state:
        return None
    vector, weight = program.state[other], program.state.get(layer.weight)
    fits = weight is not None and weight.dim() == 2 and vector.shape == torch.Size([weight.shape[1]])
    return other if fits else None
