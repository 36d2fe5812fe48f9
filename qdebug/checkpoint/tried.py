"""Formats tried on a tensor that comes in pieces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from qdebug.errors import NumericError, RecipeError
from qdebug.formats import Block, Codebook, Gguf, Table, find
from qdebug.measure.split import decibels
from qdebug.measure.stream import CodeStats, squared_error
from qdebug.quantize import block_grid, fake_quantize, quantize_weight, weight_grid
from qdebug.quantize.noise import Peaks, weight_noise
from qdebug.recipes import TensorPlan, parse_weight_format
from qdebug.results.scan import AddedError

Needs = Literal["nothing", "rows", "limits", "rows and limits"]
"""What has to be known before a value can be rounded: nothing; its row or tile; the limits of the tensor; both."""

_HIGHEST = 1024
"""Rows that tiles can make inseparable."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A format as the command line writes it, its plan, and what it needs."""

    notation: str
    plan: TensorPlan
    needs: Needs

    @property
    def height(self) -> int:
        """Rows that share scales."""
        return self.plan.block[0] if self.plan.block else 1

    def error(self, x: Tensor, limits: tuple[float, float] | None = None, peaks: Peaks | None = None) -> float:
        """The sum of squared errors of a piece.

        Args:
            x: ``[R, C]`` float32; rows that are whole wherever the format needs that.
            limits: of the whole tensor, where the format needs them.
            peaks: the piece's, for all formats that are tried on it.
        """
        peak = None if limits is None else max(-limits[0], limits[1])
        quick = weight_noise(x, self.plan, peak, peaks)
        if quick is not None:
            return quick
        try:
            return squared_error(x.numpy(), self._quantized(x, limits).numpy())
        except NumericError:  # nothing in the piece is finite, so nothing is lost
            return 0.0

    def error_of_codes(self, stats: CodeStats) -> float:
        """The same of a whole tensor whose distinct values have been counted; not for formats that need rows."""
        values, counts = stats.finite
        x = torch.from_numpy(values).float().view(1, -1)
        if not x.numel():
            return 0.0
        xq = self._quantized(x, stats.limits).double()
        gone = torch.where(torch.isfinite(xq), xq, 0.0) - x.double()
        return float((gone.square() * torch.from_numpy(counts)).sum())

    def added(self, noise: float, signal: float, bits: float) -> AddedError:
        """The error in numbers, from sums of squares."""
        relative = noise / signal if signal else None
        return AddedError(notation=self.notation, bits=bits, relative=relative, sqnr_db=decibels(signal, noise))

    def _quantized(self, x: Tensor, limits: tuple[float, float] | None) -> Tensor:
        form = find(self.plan.format)
        if form.is_cast or _has_its_own_rule(self.plan):
            return quantize_weight(x, self.plan)[0]
        if isinstance(form, Block) and limits is not None:
            grid = block_grid(x, form, peak=max(-limits[0], limits[1]))
        else:
            grid = weight_grid(x if limits is None else torch.tensor([limits]), self.plan)
        assert grid is not None
        return fake_quantize(x, grid, rounding=self.plan.rounding)


def tried(notations: Sequence[str]) -> tuple[Tried, ...]:
    """The formats by their notations, each once, in order.

    Raises:
        RecipeError: an unknown notation, or one that needs all values of a tensor at once: learned codebooks and rules
            with one scale for a tensor, scales that are quantized themselves, stochastic rounding, pruning and factors.
    """
    found = []
    for notation in dict.fromkeys(text.strip().lower() for text in notations):
        plan = parse_weight_format(notation)
        needs = _needs(plan)
        if needs is None:
            raise RecipeError(
                f"'{notation}' needs a whole tensor at once, which a scan never holds",
                do="Choose a format with a scale per channel, group or block, for instance int4g128, nf4 or mxfp4.",
            )
        found.append(Tried(notation, plan, needs))
    if height(found) > _HIGHEST:
        raise RecipeError("The tiles' heights have no small common multiple", do="Choose heights such as 64 and 128.")
    return tuple(found)


def height(some: Sequence[Tried]) -> int:
    """Rows that have to be looked at together."""
    return math.lcm(*(one.height for one in some))


def _needs(plan: TensorPlan) -> Needs | None:
    """What a plan needs; None for all values at once."""
    form, whole = find(plan.format), plan.granularity == "tensor"
    if plan.is_reduced or plan.rounding == "stochastic" or plan.scale_format == "double":
        return None
    if form.is_cast:
        return "nothing"
    if isinstance(form, Block):
        return "rows and limits" if form.scale == "e4m3" else "rows"
    if isinstance(form, Codebook) and (form.dimension > 1 or whole):
        return None
    if isinstance(form, Table) and form.rule != "absmax" and whole:
        return None
    return "limits" if whole and not form.own_blocks else "rows"


def _has_its_own_rule(plan: TensorPlan) -> bool:
    """Whether codes are found otherwise than as the nearest point of a grid."""
    form = find(plan.format)
    return isinstance(form, (Gguf, Codebook)) or (isinstance(form, Table) and form.rule != "absmax")
