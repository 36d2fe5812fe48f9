"""What rounding an activation does along a direction: ⟨q(x) − x, h⟩ for every sample and every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from qdebug.engine import LayerQuant
from qdebug.quantize import QParams
from qdebug.quantize.layout import memory_order
from qdebug.search.predict.samples import totals

try:
    from qdebug.search.predict import kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None


@dataclass(frozen=True, eq=False)
class ActivationChanges:
    """One activation in several formats; None where it cannot have one."""

    quants: tuple[LayerQuant | None, ...]

    def project(self, x: Tensor, gradients: Sequence[Tensor], samples: int) -> Tensor:
        """The projections ``[formats, gradients, samples]``, float32.

        Args:
            x: the float activation.
            gradients: at it, one for each direction.
            samples: how many samples all of these hold.
        """
        found = torch.full((len(self.quants), len(gradients), samples), torch.nan)
        plain = self._plain(x, gradients, samples)
        places, limits = self._uniform
        if plain is not None:
            sums = np.zeros((len(places), len(gradients), samples))
            kernels.project_rounded(*plain, *limits, sums)
            found[list(places)] = torch.from_numpy(sums).float()
        for place, quant in enumerate(self.quants):
            if quant is not None and (plain is None or place not in places):
                change = quant.activate(x) - x
                for turn, h in enumerate(gradients):
                    found[place, turn] = totals(change, h, samples)
        return found

    @cached_property
    def _uniform(self) -> tuple[tuple[int, ...], tuple[np.ndarray, ...]]:
        """The formats that have one scale for all values, and their scales and code limits."""
        held = [(place, quant) for place, quant in enumerate(self.quants) if quant is not None]
        uniform = [
            (place, quant.activation.limits)
            for place, quant in held
            if isinstance(quant.activation, QParams)
            and quant.activation.scale.dim() == 0
            and quant.plan.activation.rounding == "half_even"
        ]
        columns = zip(*(limits for _, limits in uniform), strict=True)
        return tuple(place for place, _ in uniform), tuple(np.array(column, np.float32) for column in columns)

    def _plain(self, x: Tensor, gradients: Sequence[Tensor], samples: int) -> tuple[np.ndarray, np.ndarray] | None:
        """``[samples, values]`` and ``[gradients, samples, values]`` in one order; None where no loop takes them."""
        if kernels is None or not self._uniform[0] or x.dtype != torch.float32 or x.device.type != "cpu":
            return None
        if not x.dim() or not x.numel() or len(x) % samples:
            return None
        order = memory_order(x[0])
        rows = [value.permute(0, *(axis + 1 for axis in order)).reshape(samples, -1) for value in (x, *gradients)]
        back = rows[1].contiguous().unsqueeze(0) if len(rows) == 2 else torch.stack(rows[1:])
        return rows[0].contiguous().numpy(), back.numpy()
