"""A few of a layer's inputs, for searches that try much on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from qdebug.calibrate import AVERAGED, Observer, choose_range
from qdebug.engine import Batch, Engine, Sheet, Work
from qdebug.quantize import Grid, choose_grid, fake_quantize_activation, is_static
from qdebug.recipes import TensorPlan

_VECTORS = 2**12
"""So many vectors of a value, about, are enough for a search."""


def first_values(
    engine: Engine, sheet: Sheet, batches: Sequence[Batch], axes: Mapping[int, int], work: Work
) -> dict[int, Tensor]:
    """Values on the first calibration samples, as many as have about 4,096 vectors of channels.

    Args:
        engine: runs the sheet.
        sheet: the model.
        batches: calibration data.
        axes: the axis of channels of each value, by step.
        work: progress and cancel.

    Returns:
        ``[N, …]`` by step.
    """
    parts: dict[int, list[Tensor]] = {x: [] for x in axes}

    def vectors(x: int, value: Tensor) -> int:
        return value.numel() // value.shape[axes[x]]

    for batch in batches:
        wanted = [x for x in axes if sum(vectors(x, part) for part in parts[x]) < _VECTORS]
        if not wanted:
            break

        def show(x: int, value: Tensor, batch: Batch = batch) -> None:
            real = batch.real_rows(value)
            each = max(1, vectors(x, real) // len(real))
            parts[x].append(real[: -(-_VECTORS // each)].clone())

        engine.visit(sheet, batch, wanted, show, work, remember=False)
    return {x: torch.cat(found) for x, found in parts.items()}


def calibrated_on_itself(x: Tensor, plan: TensorPlan, layer: str, axis: int = -1) -> Tensor:
    """An activation ``[N, …]`` as a plan lets it through that is calibrated on these values themselves."""
    return fake_quantize_activation(x, plan, _grid(x, plan, layer, axis) if is_static(plan) else None, axis)


def _grid(x: Tensor, plan: TensorPlan, layer: str, axis: int) -> Grid:
    if plan.clip is not None:
        return choose_grid(*plan.clip, plan, layer=layer)
    observer = Observer(axis)
    for part in x.split(AVERAGED):
        observer.update(part)
    return choose_grid(*choose_range(observer.stats(), plan, layer=layer), plan, layer=layer)
