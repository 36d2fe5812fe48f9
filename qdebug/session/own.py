"""The recipe in a model that is quantized already, and the grids it goes by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.quantized import Stored, lowest_code
from qdebug.graph import Layer, Program
from qdebug.graph.points import grid_source
from qdebug.quantize import QParams
from qdebug.recipes import FLOAT, LayerPlan, Recipe, TensorPlan

_MATRIX = 256
"""Values from which a stored tensor counts as a matrix of weights, not as a few factors."""


def own_recipe(program: Program, layers: Sequence[Layer], stored: Stored) -> tuple[Program, Recipe, tuple[str, ...]]:
    """What a quantized file says, on the program made of it.

    Returns:
        the program with the file's grids; the recipe, whose ranges are ``stored``; and what of the file the recipe
        does not say, in words.
    """
    grids: dict[int, QParams] = {}
    left = list(stored.left)
    names = {step.name: step.index for step in program.steps if not program.constant[step.index]}
    for name, scale in stored.values.items():
        if name in names:
            grids[names[name]] = _grid(scale.scale, scale.zero_point, scale.elem)
    plans: dict[str, LayerPlan] = {}
    for layer in layers:
        weight = _weight(program, layer, stored, grids, left)
        activation = FLOAT if layer.kind == "embedding" else _activation(program, layer, stored, grids)
        plans[layer.name] = LayerPlan(weight, activation)
    partly = {names[name] for name in stored.partly if name in names}
    held = {index for index in grids if program.steps[index].kind == "op" and not program.constant[index]}
    everywhere = frozenset(held - partly)
    left += _unsaid(program, layers, stored, names, everywhere)
    left += _passed_over(program, layers, stored)
    readers = {layer.step for layer in layers}
    seen = [index for index in everywhere if not readers.issuperset(program.consumers[index])]
    between = Counter(_plan(grids[index]) for index in seen)
    recipe = Recipe(
        layers=tuple(sorted(plans.items())), between=between.most_common(1)[0][0] if between else FLOAT,
        bias="int32" if stored.int32_bias else "fp32",
    )  # fmt: skip
    return replace(program, stored=grids, everywhere=everywhere), recipe, tuple(left)


def _unsaid(
    program: Program, layers: Sequence[Layer], stored: Stored, names: Mapping[str, int], everywhere: Collection[int]
) -> list[str]:
    """Values that the file holds in codes and that nothing here quantizes."""
    inputs = {layer.x for layer in layers}
    inputs |= {grid_source(program, index) for index in inputs}
    return [
        f"The file holds '{name}' in codes; it is left as it is here"
        for name in stored.values
        if names.get(name) not in inputs and names.get(name) not in everywhere
    ]


def _passed_over(program: Program, layers: Sequence[Layer], stored: Stored) -> list[str]:
    """Stored tensors that the file holds in codes and that no layer here reads as its weight.

    Of matrices that an operator reads there is a word already, whether a file is quantized or not.
    """
    index_of = {program.steps[index].name: index for index in program.state}
    weights = {program.steps[layer.weight].name for layer in layers}
    known = {id(scale) for name, scale in stored.weights.items() if name in weights}
    return [
        f"The file holds '{name}' in codes that no layer here reads as they are: their float values are used"
        for name, scale in stored.weights.items()
        if id(scale) not in known and not (name in index_of and is_matrix(program.state[index_of[name]]))
    ]


def is_matrix(tensor: Tensor) -> bool:
    """Whether a stored tensor is of a kind that one would quantize in any network."""
    return tensor.dim() >= 2 and tensor.numel() >= _MATRIX


def _activation(program: Program, layer: Layer, stored: Stored, grids: dict[int, QParams]) -> TensorPlan:
    source = grid_source(program, layer.x)
    name = program.steps[layer.x].name
    if name in stored.dynamic:
        return TensorPlan("int8", symmetric=False, dynamic=True)
    half = stored.halves.layers.get(layer.name) or stored.halves.values.get(name)
    if half:
        return TensorPlan(half)
    if layer.x not in grids and source in grids and program.steps[source].name not in stored.partly:
        grids[layer.x] = grids[source]
    return _plan(grids[layer.x]) if layer.x in grids else FLOAT


def _weight(program: Program, layer: Layer, stored: Stored, grids: dict[int, QParams], left: list[str]) -> TensorPlan:
    name = program.steps[layer.weight].name
    scale = stored.weights.get(name)
    if scale is None:
        half = stored.halves.layers.get(layer.name) or stored.halves.weights.get(name)
        return TensorPlan(half) if half else FLOAT
    if not ELEMENTS[scale.elem].name.startswith(("int", "uint")):
        left.append(f"{layer.name} stores its weight as {ELEMENTS[scale.elem].name}: it is taken as its float values")
        return FLOAT
    shape = program.state[layer.weight].shape
    axis = scale.axis % len(shape)
    if not scale.scale.dim():
        grids[layer.weight] = _grid(scale.scale, scale.zero_point, scale.elem)
        return _plan(grids[layer.weight])
    if not scale.block and axis == layer.out_axis and layer.groups * shape[layer.out_axis] >= len(scale.scale):
        grids[layer.weight] = _grid(scale.scale.reshape(-1, 1), scale.zero_point.reshape(-1, 1), scale.elem)
        return _plan(grids[layer.weight], "channel")
    if scale.block and len(shape) > 2 and layer.out_axis == 0 and scale.scale.shape[0] == shape[0]:
        grids[layer.weight] = _grid(scale.scale, scale.zero_point, scale.elem, scale.block)
        return _plan(grids[layer.weight], "group")
    if scale.block and len(shape) == 2 and axis == layer.in_axis:
        rows, zeros = (part if layer.out_axis == 0 else part.T for part in (scale.scale, scale.zero_point))
        grids[layer.weight] = _grid(rows.contiguous(), zeros.contiguous(), scale.elem, scale.block)
        return _plan(grids[layer.weight], "group")
    left.append(f"{layer.name} has scales along axis {axis} of its weight {list(shape)}, which is not its outputs'")
    return FLOAT


def _grid(scale: Tensor, zero_point: Tensor, elem: int, block: int = 0) -> QParams:
    element = ELEMENTS[elem]
    low = lowest_code(elem)
    return QParams(scale.float(), zero_point.float(), low, low + (1 << element.bits) - 1, block)


def _plan(grid: QParams, granularity: str = "tensor") -> TensorPlan:
    bits = (grid.qmax - grid.qmin).bit_length()
    symmetric = grid.qmin < 0 and not bool(torch.any(grid.zero_point))
    size = grid.group_size if granularity == "group" else 0
    return TensorPlan(f"int{bits}", granularity, size, symmetric=symmetric, range="stored")  # type: ignore[arg-type]
