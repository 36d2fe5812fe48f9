"""The α of SmoothQuant that is best at a place, by what the layers there compute under a recipe's formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from qdebug.engine import Batch, Engine, Sheet, Work
from qdebug.errors import MethodError
from qdebug.methods.places import ScaleSite
from qdebug.methods.samples import calibrated_on_itself, first_values
from qdebug.quantize import quantize_weight
from qdebug.recipes import LayerPlan, TensorPlan


@dataclass(frozen=True)
class AlphaSearch:
    """Chooses α at each place (section 4: "the sweet spot").

    The error is the squared difference of X · Wᵀ and Q(X diag(s)⁻¹) · Q(W diag s)ᵀ, summed over the layers that read X,
    with weights and activations quantized as the recipe says, on what the float model computes. Factors of 1 are among
    those tried: no place's layers, taken by themselves, end above the error that they have without smoothing.

    Attributes:
        engine: runs the sheet.
        sheet: the float model.
        batches: calibration data.
        plans: each layer's plan, by step.
        steps: α is 0, 1/steps … 1.
        work: progress and cancel.
    """

    engine: Engine
    sheet: Sheet
    batches: Sequence[Batch]
    plans: Mapping[int, LayerPlan]
    steps: int
    work: Work
    _samples: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise MethodError(f"SmoothQuant cannot search α in {self.steps} steps", do="Choose 1 or more, such as 20.")

    def prepared(self, sites: Sequence[ScaleSite]) -> AlphaSearch:
        """Itself, with the activations of all these places at hand, from one pass over as much data as is needed."""
        axes = dict.fromkeys((site.layers[0].x for site in sites), -1)
        self._samples.update(first_values(self.engine, self.sheet, self.batches, axes, self.work))
        return self

    def __call__(self, site: ScaleSite, weights: Sequence[Tensor], at: Callable[[float], Tensor]) -> float | None:
        """The α with the least error, the smallest of equals; None where no α is better than no factors."""
        self.work.check()
        x = self._samples[site.layers[0].x]
        least, best = self.error(site, weights, x, None), None
        for step in range(self.steps + 1):
            alpha = step / self.steps
            error = self.error(site, weights, x, at(alpha))
            if error < least:
                least, best = error, alpha
        return best

    def error(self, site: ScaleSite, weights: Sequence[Tensor], x: Tensor, factors: Tensor | None) -> float:
        """The squared error of the outputs of a place's layers, alone, with these factors ``[C]`` or none.

        Args:
            site: the place.
            weights: of its layers, as rows ``[R, C]``.
            x: what they read, ``[N, …, C]``.
            factors: s.
        """
        total = 0.0
        smooth = x if factors is None else (x.double() / factors).to(x.dtype)
        seen: dict[TensorPlan, Tensor] = {}
        for layer, weight in zip(site.layers, weights, strict=True):
            plan = self.plans[layer.step]
            if plan.activation not in seen:
                seen[plan.activation] = calibrated_on_itself(smooth, plan.activation, layer.name)
            scaled = weight if factors is None else (weight.double() * factors).to(weight.dtype)
            kept = scaled if plan.weight.is_float32 else quantize_weight(scaled, plan.weight, layer=layer.name)[0]
            off = rows_of(seen[plan.activation]) @ kept.T - rows_of(x) @ weight.T
            total += float(off.square().sum(dtype=torch.float64))
        return total


def rows_of(x: Tensor) -> Tensor:
    """``[N, …, C]`` as ``[n, C]``."""
    return x.reshape(-1, x.shape[-1])
