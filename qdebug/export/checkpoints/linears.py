"""A layer that was decided, as the codes that a checkpoint stores."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.doors.checkpoints import StoredLinear
from qdebug.doors.checkpoints.stored import spread
from qdebug.errors import ModelError
from qdebug.formats import Float
from qdebug.quantize import Grid, QParams, encode, quantize, quantize_weight, rows
from qdebug.recipes import FLOAT, TensorPlan
from qdebug.session.decided import DecidedLayer


def linear_of(
    module: str, values: Tensor, plan: TensorPlan, grid: Grid, activation: TensorPlan = FLOAT,
    activation_grid: Grid | None = None,
) -> StoredLinear:  # fmt: skip
    """A weight on its grid.

    Args:
        module: the layer's path.
        values: float32 ``[out, in]``; each gets the code of the number on the grid that is nearest.
        plan: how it is quantized.
        grid: its scales, ``[]``, ``[out, 1]`` or ``[out, G]``.
        activation: how the layer's input is quantized.
        activation_grid: its scale, where that is fixed.

    Raises:
        NumericError: a value is NaN.
        ModelError: the grid has more than a scale to each level (an offset, levels for each row).
    """
    return StoredLinear(module, plan, grid, _codes(module, values, grid), activation, activation_grid)


def decided_linear(layer: DecidedLayer) -> StoredLinear | None:
    """A layer of a recipe that was worked out; None where its weight is no codes on one grid.

    Raises:
        NumericError: a value is NaN.
        ModelError: see :func:`linear_of`.
    """
    grid = layer.weight.grid
    if grid is None or not layer.is_on_grid or layer.layer.kind != "matmul":
        return None
    if layer.rounded is not None:
        values = layer.rounded.values
    else:  # by the plan's own rounding, which need not be to the nearest
        values = quantize_weight(layer.values, layer.weight.plan, layer.layer.out_axis, grid=grid)[0]
    activation, fixed = (layer.activation.plan, layer.activation.grid) if layer.activation else (FLOAT, None)
    return linear_of(layer.node, rows(values, layer.layer.out_axis), layer.weight.plan, grid, activation, fixed)


def _codes(module: str, values: Tensor, grid: Grid) -> Tensor:
    if isinstance(grid, QParams):
        codes = quantize(values, grid)
        return codes.to(torch.int8 if grid.qmin < 0 else torch.uint8) if grid.qmax - grid.qmin < 256 else codes
    if grid.offset is not None or grid.levels.dim() > 1:
        raise ModelError(
            f"The weight of '{module}' is on a grid that is more than levels times a scale",
            do="Give it an integer or float format.",
        )
    units = values.float() / spread(grid.scale, values.shape[1], grid.group_size)
    if isinstance(grid.form, Float):
        return encode(units, grid.form, saturate=True).to(torch.uint8)
    return torch.bucketize(units, grid.thresholds).to(torch.uint8)
