"""The slow way: every step executed in order, nothing remembered, nothing shared."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from qdebug.engine import Sheet
from qdebug.graph.program import Ref
from qdebug.quantize import fake_quantize_activation, fake_quantize_bias, quantize_weight


def execute(sheet: Sheet, inputs: Mapping[str, Tensor]) -> Tensor:
    """The program's output under a sheet."""
    program, values = sheet.program, {}
    with torch.no_grad():
        for step in program.steps:
            if step.index in sheet.overlay.tensors:
                values[step.index] = sheet.overlay.tensors[step.index]
            elif step.kind == "input":
                values[step.index] = inputs[step.name]
            elif step.kind == "state":
                values[step.index] = program.state[step.index]
            else:
                values[step.index] = _operation(sheet, step, values)
    return values[program.output]


def _operation(sheet, step, values):
    args = [_filled(arg, values) for arg in step.args]
    layer, quant = sheet.layers.get(step.index), sheet.quants.get(step.index)
    bias = sheet.overlay.biases.get(step.index)
    if quant is not None and quant.has_int32_bias and layer.kind != "embedding":
        own = bias if bias is not None else _filled(args[layer.bias_argument], {}) if layer.bias is not None else None
        grid = quantize_weight(args[layer.weight_argument], quant.plan.weight, layer.out_axis)[1]
        bias = None if own is None else fake_quantize_bias(own, quant.activation, grid)
    if quant is not None:
        if layer.kind != "embedding":
            args[layer.x_argument] = fake_quantize_activation(
                args[layer.x_argument], quant.plan.activation, quant.activation, quant.axis
            )
        args[layer.weight_argument] = quantize_weight(args[layer.weight_argument], quant.plan.weight, layer.out_axis)[0]
    if bias is not None and layer.bias_argument is not None:
        args = args + [None] * (layer.bias_argument + 1 - len(args))
        args[layer.bias_argument] = bias
    further = {key: _filled(value, values) for key, value in step.kwargs.items()}
    inside = {layer.turn: layer for layer in sheet.layers.values() if layer.loop == step.index}
    if inside:  # a walk over a sequence: each product is what the layer gives for that input alone

        def product(turn, x, _time):
            return _operation(sheet, sheet.program.steps[inside[turn].step], {**values, inside[turn].x: x})

        further["product"] = product
    result = step.target(*args, **further)
    result = result + bias if bias is not None and layer.bias_argument is None else result
    point = sheet.points.get(step.index)
    return result if point is None else fake_quantize_activation(result, point.plan.activation, point.activation)


def _filled(template, values):
    if isinstance(template, Ref):
        return values[template.index]
    if isinstance(template, (list, tuple)):
        return [_filled(item, values) for item in template]
    if isinstance(template, Mapping):
        return {key: _filled(item, values) for key, item in template.items()}
    return template
