"""Batch normalization folded into the layer before it, as every runtime does before it quantizes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from qdebug.graph.layers import Layer, find_layers
from qdebug.graph.program import Program, Ref, Step, moved_template

_NORMS = ("aten._native_batch_norm_legit_no_training.default", "aten.batch_norm.default")


def fold_batch_norm(program: Program) -> Program:
    """The same function without the batch normalizations that follow a layer directly.

    Weight and bias become ``w · γ/√(σ² + ε)`` and ``(b − μ) · γ/√(σ² + ε) + β`` (Jacob et al. 2018, section 3.2). A
    normalization whose layer is read by something else too (as an output of the model, too), whose weights are shared
    or whose own tensors are computed, stays. What a folded one said of its outputs is kept in the program's ``norms``.
    """
    shapes = {index: tuple(tensor.shape) for index, tensor in program.state.items()}
    by_step = {layer.step: layer for layer in find_layers(program, shapes)}
    edits: dict[int, _Edit] = {}
    for norm in program.steps:
        if norm.op not in _NORMS:
            continue
        source = norm.args[0]
        layer = by_step.get(source.index) if isinstance(source, Ref) else None
        if layer and _foldable(program, layer, norm):
            edits[layer.step] = _Edit(layer, norm, *_folded(program, layer, norm), *_said(program, norm))
    return _apply(program, edits) if edits else program


class _Edit:
    def __init__(self, layer: Layer, norm: Step, weight: Tensor, bias: Tensor, mean: Tensor, deviation: Tensor) -> None:
        self.layer, self.norm, self.weight, self.bias = layer, norm, weight, bias
        self.mean, self.deviation = mean, deviation


def _foldable(program: Program, layer: Layer, norm: Step) -> bool:
    only_user = program.consumers[layer.step] == (norm.index,)
    if layer.step in (program.output, *program.outputs.values()):
        return False
    own_weight = layer.weight in program.state and len(program.consumers[layer.weight]) == 1
    if layer.bias_argument is None or layer.kind == "embedding" or not (only_user and own_weight):
        return False
    if norm.op == "aten.batch_norm.default" and norm.args[5]:
        return False
    scaled, measured = norm.args[1:3], norm.args[3:5]  # γ and β may be left out, but not be computed as the model runs
    known = all(isinstance(arg, Ref) and arg.index in program.state for arg in measured)
    known &= all(not isinstance(arg, Ref) or arg.index in program.state for arg in scaled)
    return known and (layer.bias is None or layer.bias in program.state)


def _folded(program: Program, layer: Layer, norm: Step) -> tuple[Tensor, Tensor]:
    def value(argument: object) -> Tensor | None:
        return program.state[argument.index].double() if isinstance(argument, Ref) else None

    weight = program.state[layer.weight]
    gamma, beta, mean, variance = (value(norm.args[position]) for position in (1, 2, 3, 4))
    assert mean is not None and variance is not None
    epsilon = norm.args[6] if norm.op == _NORMS[0] else norm.args[7]
    factor = (variance + epsilon).rsqrt() * (1.0 if gamma is None else gamma)
    old_bias = program.state[layer.bias].double() if layer.bias is not None else 0.0
    bias = (old_bias - mean) * factor + (0.0 if beta is None else beta)
    shape = [1] * weight.dim()
    shape[layer.out_axis] = -1
    return (weight.double() * factor.view(shape)).to(weight.dtype), bias.to(weight.dtype)


def _said(program: Program, norm: Step) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of a normalization's outputs over the training data: β and the magnitude of γ."""
    average = program.state[norm.args[3].index]
    gamma, beta = (
        program.state[arg.index] if isinstance(arg, Ref) else torch.full_like(average, otherwise)
        for arg, otherwise in ((norm.args[1], 1.0), (norm.args[2], 0.0))
    )
    return beta.detach().clone(), gamma.detach().abs()


def _apply(program: Program, edits: dict[int, _Edit]) -> Program:
    """Rebuild the step list with the folded weights, new biases before their layers and the norms as aliases."""
    weights = {edit.layer.weight: edit.weight for edit in edits.values()}
    norms = {edit.norm.index: edit for edit in edits.values()}
    steps: list[Step] = []
    state: dict[int, Tensor] = {}
    moved: dict[int, int] = {}
    outputs: dict[int, tuple[int, int]] = {}

    def add(step: Step, tensor: Tensor | None = None) -> int:
        index = len(steps)
        steps.append(
            replace(step, index=index, args=moved_template(step.args, moved), kwargs=moved_template(step.kwargs, moved))
        )
        if tensor is not None:
            state[index] = tensor
        return index

    for step in program.steps:
        if step.index in edits:
            edit = edits[step.index]
            name = program.steps[edit.layer.weight].name.removesuffix(".weight") + ".bias"
            bias = add(Step(0, "state", name), edit.bias)
            said = [
                add(Step(0, "state", f"{name}/{part}"), tensor)
                for part, tensor in (("mean", edit.mean), ("deviation", edit.deviation))
            ]
            assert edit.layer.bias_argument is not None
            args = list(moved_template(step.args, moved))
            args += [None] * (edit.layer.bias_argument + 1 - len(args))
            args[edit.layer.bias_argument] = Ref(bias)
            moved[step.index] = len(steps)
            outputs[len(steps)] = said[0], said[1]
            steps.append(replace(step, index=len(steps), args=tuple(args), kwargs=moved_template(step.kwargs, moved)))
        elif step.index in norms:
            moved[step.index] = moved[norms[step.index].layer.step]
        elif step.op == "getitem" and isinstance(step.args[0], Ref) and step.args[0].index in norms:
            moved[step.index] = moved[step.args[0].index]
        else:
            moved[step.index] = add(step, weights.get(step.index, program.state.get(step.index)))
    return replace(program.rebuilt(steps, state, moved), norms=outputs)
