"""A bias that stands behind a matrix product or a convolution, taken into the layer as most runtimes do."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace

from torch import Tensor

from qdebug.graph.layers import Layer, find_layers
from qdebug.graph.program import Program, Ref, Step, moved_template
from qdebug.graph.prune import pruned


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x · weight + bias`` with the weight as ``[in, out]``."""
    product = x @ weight
    return product if bias is None else product + bias


def fold_bias(program: Program, kept: Container[str] = ()) -> Program:
    """The same function with a layer that has no bias, and the addition of a stored one behind it, as one layer.

    Only where nothing else reads what the layer writes, and the stored tensor has one number per output channel and no
    more axes than fit. The layer keeps its module; its value goes by the sum's name. Values whose names are ``kept``
    stay values of their own.
    """
    shapes = {index: tuple(tensor.shape) for index, tensor in program.state.items()}
    found: dict[int, tuple[Layer, int]] = {}
    for layer in find_layers(program, shapes):
        if _takes_bias(program, layer) and program.steps[layer.step].name not in kept:
            bias = _bias(program, layer)
            if bias is not None:
                found[program.consumers[layer.step][0]] = layer, bias
    if not found:
        return program
    dropped = {layer.step for layer, _ in found.values()}
    steps: list[Step] = []
    moved: dict[int, int] = {}
    state: dict[int, Tensor] = {}
    for step in program.steps:
        if step.index in dropped:
            continue
        if step.index in found:
            layer, bias = found[step.index]
            vector = len(steps)
            steps.append(Step(vector, "state", program.steps[bias].name))
            state[vector] = program.state[bias].reshape(-1)
            moved[step.index] = len(steps)
            steps.append(
                replace(_with_bias(program.steps[layer.step], vector, moved), index=len(steps), name=step.name)
            )
            continue
        moved[step.index] = len(steps)
        if step.index in program.state:
            state[len(steps)] = program.state[step.index]
        args, kwargs = moved_template(step.args, moved), moved_template(step.kwargs, moved)
        steps.append(replace(step, index=len(steps), args=args, kwargs=kwargs))
    return pruned(program.rebuilt(steps, state, moved))


def _takes_bias(program: Program, layer: Layer) -> bool:
    if layer.kind == "conv":
        return layer.bias is None and layer.bias_argument is not None
    return program.steps[layer.step].op == "aten.matmul.default" and layer.in_axis == 0


def _with_bias(step: Step, bias: int, moved: Mapping[int, int]) -> Step:
    if step.op == "aten.matmul.default":
        args = (*moved_template(step.args, moved), Ref(bias))
        return replace(step, op="onnx.linear", target=linear, args=args, is_view=False)
    args = list(moved_template(step.args, moved))
    args[2] = Ref(bias)
    return replace(step, args=tuple(args))


def _bias(program: Program, layer: Layer) -> int | None:
    """The stored tensor that is added to what a layer writes and to nothing else, or None."""
    users = program.consumers[layer.step]
    if len(users) != 1 or layer.step in (program.output, *program.outputs.values()):
        return None
    step = program.steps[users[0]]
    if step.op != "aten.add.Tensor" or step.kwargs.get("alpha", 1) != 1:
        return None
    other = next((index for index in program.sources[users[0]] if index != layer.step), None)
    weight = program.state.get(layer.weight)
    if other is None or other not in program.state or weight is None:
        return None
    channels = weight.shape[layer.out_axis] * (layer.groups if layer.op.startswith("conv-transpose") else 1)
    shape = tuple(program.state[other].shape)
    if layer.kind == "matmul":
        return other if weight.dim() == 2 and shape == (channels,) else None
    behind = (1,) * (weight.dim() - 2)
    return other if shape in ((channels, *behind), (1, channels, *behind)) else None
