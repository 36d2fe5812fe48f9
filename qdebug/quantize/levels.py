"""Grids whose steps are not all alike: small floats and tables of levels, times a scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from qdebug.formats import Float, QFormat
from qdebug.quantize.floats import cast
from qdebug.quantize.tiles import spread, tiles

try:
    from qdebug.quantize import level_kernels as kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None


@dataclass(frozen=True, eq=False)
class LevelGrid:
    """The grid of a format whose levels are not equally far apart: ``x ≈ level · scale + offset``.

    Attributes:
        form: the format; a ``Float`` rounds as a float, others to the nearest level.
        levels: float32 ``[K]``, ascending, in units of the scale; ``[R, K]`` where each row has its own.
        scale: float32, not zero; ``[]``, ``[R, 1]`` or ``[R, G]``. llama.cpp's may be negative.
        group_size: values per group along a row; 0 without groups.
        offset: float32 in the shape of ``scale``, or None.
        used: how many codes occur, where whoever made the codes has counted them; else None.
        entries: codes of the format, where they are not the levels (vectors of several weights); else None.
    """

    form: QFormat
    levels: Tensor
    scale: Tensor
    group_size: int = 0
    offset: Tensor | None = None
    used: int | None = None
    entries: int | None = None

    @property
    def clip_min(self) -> Tensor:
        """The smallest representable reals, float64, in the shape of ``scale``."""
        return torch.minimum(*self._ends)

    @property
    def clip_max(self) -> Tensor:
        """The largest representable reals, float64, in the shape of ``scale``."""
        return torch.maximum(*self._ends)

    @cached_property
    def reach(self) -> tuple[Tensor, Tensor]:
        """The reals beyond which a value is clipped: half the outermost gap past the limits; as ``clip_min``."""
        levels = self.levels.double()
        gaps = torch.zeros(2, dtype=torch.float64).expand(*levels.shape[:-1], 2)
        if levels.shape[-1] > 1:
            gaps = torch.stack([levels[..., 1] - levels[..., 0], levels[..., -1] - levels[..., -2]], dim=-1)
        slack = 0.5 + 2.0**-10
        below, above = (
            self._real(levels[..., 0] - slack * gaps[..., 0]),
            self._real(levels[..., -1] + slack * gaps[..., 1]),
        )
        return torch.minimum(below, above), torch.maximum(below, above)

    @cached_property
    def thresholds(self) -> Tensor:
        """Half-way points between levels ``[…, K − 1]``, rounded down to float32: ``t > threshold`` is exact."""
        exact = (self.levels[..., 1:].double() + self.levels[..., :-1].double()) / 2
        near = exact.float()
        return torch.where(near.double() > exact, torch.nextafter(near, torch.tensor(-torch.inf)), near)

    @property
    def _ends(self) -> tuple[Tensor, Tensor]:
        return self._real(self.levels[..., 0].double()), self._real(self.levels[..., -1].double())

    def _real(self, level: Tensor) -> Tensor:
        level = level.view(-1, 1) if level.dim() else level
        return level * self.scale.double() + (0.0 if self.offset is None else self.offset.double())


def level_grid(form: QFormat, scale: Tensor, group_size: int = 0) -> LevelGrid:
    """The grid of a format with fixed levels at these scales (see :class:`LevelGrid`)."""
    return LevelGrid(form, torch.tensor(form.levels, dtype=torch.float32), scale, group_size)


def round_to_levels(x: Tensor, out: Tensor, grid: LevelGrid, size: int) -> None:
    """Write the nearest level of each value of ``x [R, C]``, as a real, to ``out``.

    Floats: half to even, what is too large becomes the largest number. Tables: half-way goes to the lower level. NaN
    stays NaN, ±Inf becomes a clip limit. The quotient ``x / scale`` is a true float32 division.

    Args:
        x: float32 or less, contiguous.
        out: of its shape and dtype; may be ``x``.
        grid: scales ``[]``, ``[R, 1]`` or ``[R, G]``.
        size: values per scale along a row.
    """
    if grid.offset is not None:
        _beside(x, out, grid, grid.offset, size)
        return
    scale = grid.scale.reshape(1, 1).expand(len(x), 1) if not grid.scale.dim() else grid.scale
    if kernels is not None and all(t.dtype == torch.float32 and t.device.type == "cpu" for t in (x, out)):
        _compiled(x, out, grid, scale.contiguous(), size)
        return
    for tile in tiles(*x.shape, size):
        s = spread(scale, tile, size)
        out[tile] = _nearest(torch.div(x[tile].detach().float(), s), grid, tile[0]) * s


def _beside(x: Tensor, out: Tensor, grid: LevelGrid, offset: Tensor, size: int) -> None:
    """The nearest level plus the offset: what is left of a value without it is rounded."""
    whole = (slice(0, len(x)), slice(0, x.shape[1]))
    moved = spread(offset, whole, size)
    left = (x.detach().float() - moved).contiguous()
    round_to_levels(left, left, replace(grid, offset=None), size)
    out.copy_(left.add_(moved))


def _nearest(t: Tensor, grid: LevelGrid, rows: slice) -> Tensor:
    if isinstance(grid.form, Float):
        return cast(t, grid.form, saturate=True).add_(0.0)
    if grid.levels.dim() == 1:
        value = grid.levels[torch.bucketize(t, grid.thresholds)]
    else:
        places = torch.searchsorted(grid.thresholds[rows].contiguous(), t.contiguous())
        value = grid.levels[rows].gather(1, places)
    return torch.where(torch.isnan(t), t, value)


def _compiled(x: Tensor, out: Tensor, grid: LevelGrid, scale: Tensor, size: int) -> None:
    assert kernels is not None
    source, target, scales = x.detach().numpy(), out.detach().numpy(), scale.numpy()
    if isinstance(grid.form, Float):
        kernels.round_floats(source, target, scales, size, *kernels.float_constants(grid.form))
        return
    shared = grid.levels.dim() == 1
    levels, thresholds = (t.view(1, -1) if shared else t for t in (grid.levels, grid.thresholds))
    kernels.round_table(source, target, scales, size, levels.contiguous().numpy(), thresholds.contiguous().numpy())
