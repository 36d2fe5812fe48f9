"""A model whose weights came out of a quantized checkpoint: its grids in the program, its plans in a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from qdebug.doors.checkpoints import Checkpoint, StoredLinear
from qdebug.graph import Layer, Program
from qdebug.graph.layers import find_layers
from qdebug.quantize import Grid, LevelGrid, QParams
from qdebug.recipes import FLOAT, LayerPlan, Recipe, TensorPlan
from qdebug.session.loading import Loaded


def with_checkpoint(loaded: Loaded, checkpoint: Checkpoint) -> Loaded:
    """A float model that was filled with a checkpoint's decoded weights, with what the checkpoint says of them.

    Weights are known by their names: a state called ``module.weight``, or the only one whose name ends so.

    Returns:
        the model with the grids and the recipe whose ranges are ``stored``; its ``unknown`` tells of what the recipe
        leaves out.

    Raises:
        QDebugError: a layer of the checkpoint cannot be read.
    """
    program = loaded.program
    constants = {index: tuple(tensor.shape) for index, tensor in program.state.items()}
    readers: dict[int, list[Layer]] = {}
    for layer in find_layers(program, constants):
        readers.setdefault(layer.weight, []).append(layer)
    grids: dict[int, Grid] = {}
    plans: dict[str, LayerPlan] = {}
    left = list(checkpoint.unsaid)
    states = {program.steps[index].name: index for index in program.state}
    for module in checkpoint.modules:
        weight = _state(f"{module}.weight", states)
        reading = readers.get(weight, []) if weight is not None else []
        if weight is None or not reading:
            left.append(f"The checkpoint quantizes '{module}', which is no layer here; its float values are used")
            continue
        stored = checkpoint.linear(module)
        if not _fits(program, reading[0], stored):
            left.append(f"'{module}' has another shape here than in the checkpoint; its float values are used")
            continue
        grids[weight] = stored.grid
        left += [f"{module}: {text}" for text in stored.unsaid]
        for layer in reading:
            activation = FLOAT if layer.kind == "embedding" else _activation(layer, stored, grids, left)
            plans[layer.name] = LayerPlan(stored.plan, activation)
    recipe = Recipe(layers=tuple(sorted(plans.items())))
    return replace(
        loaded, program=replace(program, stored={**program.stored, **grids}), recipe=recipe,
        unknown=(*loaded.unknown, *dict.fromkeys(left)),
    )  # fmt: skip


def _state(name: str, states: Mapping[str, int]) -> int | None:
    if name in states:
        return states[name]
    found = [index for known, index in states.items() if known.endswith(f".{name}")]
    return found[0] if len(found) == 1 else None


def _fits(program: Program, layer: Layer, stored: StoredLinear) -> bool:
    shape = program.state[layer.weight].shape
    return len(shape) == 2 and (shape[layer.out_axis], shape[layer.in_axis]) == stored.shape


def _activation(layer: Layer, stored: StoredLinear, grids: dict[int, Grid], left: list[str]) -> TensorPlan:
    """How a layer's input is quantized; of layers that read one value, all on the grid of the first."""
    grid = stored.activation_grid
    if grid is None:
        return stored.activation
    known = grids.setdefault(layer.x, grid)
    if not _same(known, grid):
        left.append(
            f"'{stored.module}' fixes another scale for its input than a layer before it does for the same value; it "
            "is given that one's"
        )
        if type(known) is not type(grid):
            return FLOAT
    return stored.activation


def _same(one: Grid, two: Grid) -> bool:
    if isinstance(one, QParams) and isinstance(two, QParams):
        limits = (one.qmin, one.qmax) == (two.qmin, two.qmax)
        return limits and torch.equal(one.scale, two.scale) and torch.equal(one.zero_point, two.zero_point)
    if isinstance(one, LevelGrid) and isinstance(two, LevelGrid):
        return one.form == two.form and torch.equal(one.scale, two.scale)
    return False
