"""SVDQuant.

Li, Lin, Zhang, Cai, Li, Guo, Xie, Meng, Zhu, Han: *SVDQuant: Absorbing Outliers by Low-Rank Components for 4-Bit
Diffusion Models*, ICLR 2025 (arXiv:2411.05007), section 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from qdebug.engine import Rounded
from qdebug.graph import Layer
from qdebug.methods.bases import nearest_in, with_inputs_in
from qdebug.methods.bench import Bench, refusal
from qdebug.methods.inputs import Design, design_of
from qdebug.methods.low_rank import factors, largest_rank, without_factors
from qdebug.methods.outliers import magnitudes
from qdebug.methods.samples import calibrated_on_itself, first_values
from qdebug.methods.smoothquant import factors as smoothing_factors
from qdebug.quantize import Scaled, from_rows, quantize_weight, rows
from qdebug.recipes import LayerPlan
from qdebug.recipes.fixes import SvdQuant


@dataclass(frozen=True)
class Branch:
    """A layer's weight split in two.

    Attributes:
        smoothing: what each input channel is divided by before it is quantized, float64 ``[channels]``.
        left, right: the fp16 factors ``[R, r]`` and ``[r, C]`` of the smoothed weight's branch.
    """

    smoothing: Tensor
    left: Tensor
    right: Tensor

    @property
    def product(self) -> Tensor:
        """What the branch multiplies the smoothed input with, ``[R, C]``."""
        return self.left.float() @ self.right.float()

    @property
    def bits(self) -> int:
        """What a runtime stores of it, the smoothing factors in fp16 where there are any."""
        smoothed = bool((self.smoothing != 1).any())
        return 16 * (self.left.numel() + self.right.numel() + (len(self.smoothing) if smoothed else 0))


def split_off(bench: Bench, fix: SvdQuant) -> Bench:
    """Give every layer a branch in fp16 for the largest singular vectors of its smoothed weight.

    With X̂ = X diag(λ)⁻¹, Ŵ = W diag(λ) and Ŵ ≈ L₁L₂ of rank r, X Wᵀ = X̂ (L₁L₂)ᵀ + X̂ Rᵀ with R = Ŵ − L₁L₂, and the
    layer computes X̂ (L₁L₂)ᵀ + Q(X̂) Q(R)ᵀ (equations 5 to 7). λ are SmoothQuant's factors of this layer alone; a runtime
    divides by them where it quantizes the input, so that no layer before has to take them up. What chooses codes later
    rounds R.

    Args:
        bench: the model as earlier fixes left it.
        fix: the parameters.

    Raises:
        NumericError: a weight has no finite value, or an input that is calibrated holds NaN or Inf.
    """
    peaks = magnitudes(bench)
    axes = {layer.x: layer.channel_axis for layer in bench.layers}
    seen = first_values(bench.engine, bench.reference, bench.batches, axes, bench.work)
    rounded: dict[int, Rounded] = {}
    bases: dict[int, Scaled] = {}
    for done, layer in enumerate(bench.layers):
        bench.work.step(done, len(bench.layers), f"splitting {layer.name}")
        split = _Split(bench, layer, peaks[layer.step].double(), seen[layer.x], fix)
        branch = split.best()
        if branch is None:
            continue
        given = split.given
        columns = split.on_columns(branch.smoothing)
        side = from_rows((branch.product / columns).to(given.dtype), given, layer.out_axis)
        rounded[layer.step] = nearest_in(bench, layer, Scaled(tuple(columns.tolist())), side, branch.bits)
        if not bench.quants[layer.step].plan.activation.is_float32:
            bases[layer.step] = Scaled(tuple((1 / branch.smoothing).tolist()), layer.channel_axis)
    return with_inputs_in(bench.with_rounded(rounded), bases)


def without_branch(bench: Bench, layer: Layer) -> str | None:
    """Why a layer has no branch; None where it has one."""
    plan = bench.quants[layer.step].plan
    if plan.activation.range == "stored" or plan.activation.clip is not None:
        return "its activation's range is given, for values that are not smoothed"
    if layer.in_axis == layer.out_axis:
        return "which of its weights read a channel is not known here"
    return without_factors(bench, layer) or refusal(plan.weight)


class _Split:
    """The ways to split one layer's weight, and what each costs."""

    def __init__(self, bench: Bench, layer: Layer, peaks: Tensor, x: Tensor, fix: SvdQuant) -> None:
        design = design_of(bench.engine, layer)
        assert design is not None
        self.given: Tensor = bench.reference.constant(layer.weight, bench.engine.cache)
        self._layer, self._fix, self._x = layer, fix, x
        self._design: Design = design
        self._plan: LayerPlan = bench.quants[layer.step].plan
        self._weight = rows(self.given, layer.out_axis).float()
        self._peaks = peaks
        self._channel = _channels(self.given, layer)

    def on_columns(self, factors: Tensor) -> Tensor:
        """Factors of channels as those of the weight's columns, float32 ``[C]``."""
        return factors[self._channel].float()

    def best(self) -> Branch | None:
        """The branch with the least error of the layer's output; None where rounding the weight as it is is no worse.

        Without a search, that of the fix's α, whatever its error.
        """
        if not self._fix.search and self._fix.rounds <= 1:
            return next(self._branches(self._smoothing(self._fix.alpha)))
        least, chosen = (self.error(None), None) if self._fix.search else (math.inf, None)
        for smoothing in self._tried():
            for branch in self._branches(smoothing):
                error = self.error(branch)
                if error < least:
                    least, chosen = error, branch
        return chosen

    def error(self, branch: Branch | None) -> float:
        """The squared error of the layer's output, with both sides quantized, on the inputs at hand."""
        ones = torch.ones_like(self._peaks)
        smoothing = ones if branch is None else branch.smoothing
        columns = self.on_columns(smoothing)
        product = torch.zeros_like(self._weight) if branch is None else branch.product
        shape = [1] * self._x.dim()
        shape[self._layer.channel_axis] = -1
        along = smoothing.to(self._x.dtype).view(shape)
        seen = calibrated_on_itself(
            self._x / along, self._plan.activation, self._layer.name, self._layer.channel_axis
        )  # fmt: skip
        rest = self._rounded(self._weight * columns - product) / columns
        off = self._products(seen * along, rest) - self._products(self._x, self._weight - product / columns)
        return float(off.square().sum(dtype=torch.float64))

    def _products(self, x: Tensor, weight: Tensor) -> Tensor:
        return self._design.products(self._design.rows(x).float(), weight)

    def _rounded(self, matrix: Tensor) -> Tensor:
        return quantize_weight(matrix, self._plan.weight, layer=self._layer.name)[0]

    def _tried(self) -> Iterator[Tensor]:
        if not self._fix.search:
            yield self._smoothing(self._fix.alpha)
            return
        yield torch.ones_like(self._peaks)
        for step in range(self._fix.steps + 1):
            yield self._smoothing(step / max(1, self._fix.steps))

    def _smoothing(self, alpha: float) -> Tensor:
        """SmoothQuant's factors (equation 4 there) of this layer's input and weight."""
        sizes = self._weight.double().abs().amax(0)
        largest = torch.zeros_like(self._peaks).scatter_reduce(0, self._channel, sizes, "amax")
        return smoothing_factors(self._peaks, largest, alpha)

    def _branches(self, smoothing: Tensor) -> Iterator[Branch]:
        """The best branch for the smoothed weight, then those that are fitted to what is left of it when rounded."""
        smooth = self._weight * self.on_columns(smoothing)
        rank = max(0, min(self._fix.rank, largest_rank(*smooth.shape)))
        left_over = smooth
        for _ in range(max(1, self._fix.rounds)):
            branch = Branch(smoothing, *factors(left_over, rank))
            yield branch
            left_over = smooth - self._rounded(smooth - branch.product)


def _channels(weight: Tensor, layer: Layer) -> Tensor:
    """The input channel that each column of the weight's matrix multiplies."""
    axis = layer.in_axis % weight.dim()
    shape = [1] * weight.dim()
    shape[axis] = -1
    numbers = torch.arange(weight.shape[axis]).view(shape).expand(weight.shape)
    return rows(numbers, layer.out_axis)[0]
