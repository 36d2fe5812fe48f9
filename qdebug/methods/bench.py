"""What a method that chooses how weights are quantized works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from torch import Tensor

from qdebug.engine import Batch, Engine, LayerQuant, Overlay, Rounded, Sheet, Work
from qdebug.errors import MethodError
from qdebug.formats import Codebook, Gguf, Table, find
from qdebug.graph import Layer
from qdebug.graph.filed import plain
from qdebug.quantize import Basis, Grid, from_rows, rows, weight_grid
from qdebug.recipes import TensorPlan
from qdebug.recipes.fixes import Fix

if TYPE_CHECKING:
    from qdebug.methods.training.data import TrainingData


@dataclass(frozen=True)
class Bench:
    """A model at a stage of its repair. Methods read it and hand back another; they change nothing in place.

    Attributes:
        engine: runs sheets.
        layers: the layers whose weights are quantized, in graph order, that a method may treat.
        overlay: what earlier fixes replaced and rounded.
        quants: every layer's quantization, by step.
        reference: the float sheet that quantization starts from.
        sheet_of: the sheet of an overlay and quantizations.
        batches: calibration data.
        work: progress and cancel.
        batches_of: the calibration data in batches of so many samples; of a fixed size where the program has one.
        class_axis: the axis of the model's output along which scores of classes lie; None where they are not known to.
        held: whether values between layers are quantized too, on the grids of the layers that read them.
        points: what is quantized between layers, by step.
        shapes: of steps' values, samples first.
        training: what a network can be trained on.
    """

    engine: Engine
    layers: Sequence[Layer]
    overlay: Overlay
    quants: Mapping[int, LayerQuant]
    reference: Sheet
    sheet_of: Callable[[Overlay, Mapping[int, LayerQuant]], Sheet]
    batches: Sequence[Batch]
    work: Work
    batches_of: Callable[[int], Sequence[Batch]]
    class_axis: int | None = None
    held: bool = False
    points: Mapping[int, LayerQuant] = field(default_factory=dict)
    shapes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    training: TrainingData | None = None

    @property
    def sheet(self) -> Sheet:
        """The model as it stands, quantized."""
        return self.sheet_of(self.overlay, self.quants)

    def with_rounded(self, rounded: Mapping[int, Rounded]) -> Bench:
        """The bench with those layers' weights rounded so, by step; whoever watches the work is told the error."""
        scratch = self.engine.scratch
        put = rounded if scratch is None else {step: scratch.put(one) for step, one in rounded.items()}
        bench = replace(self, overlay=self.overlay.updated(rounded=put))
        self.work.error(bench.error)
        return bench

    def error(self) -> float:
        """The squared error of the model's output on the first calibration batch, as a fraction of its square."""
        batch = self.batches[0]
        wanted, found = (
            self.engine.output(sheet, batch, self.work, remember=False).double()
            for sheet in (self.reference, self.sheet)
        )
        return float((found - wanted).square().sum() / wanted.square().sum().clamp_min(1e-300))

    def problem(self, layer: Layer) -> Problem:
        """A layer's weight to be rounded, and on what.

        Raises:
            NumericError: no value of the weight is finite.
            MethodError: the weight's format has no grid to round on; see :func:`refusal`.
        """
        plan = self.quants[layer.step].plan.weight
        reason = refusal(plan)
        if reason:
            raise MethodError(
                f"The weight cannot be rounded otherwise: {reason}",
                layer=layer.name,
                do="Leave the fix out for this layer.",
            )
        given = plain(self.reference.constant(layer.weight, self.engine.cache))
        chosen = self.overlay.rounded.get(layer.step)
        basis, side = (chosen.basis, chosen.side) if chosen else (None, None)
        kept = given if side is None else given - side
        matrix = rows(kept, layer.out_axis).float()
        turned = matrix if basis is None else basis.into(matrix)
        grid = chosen.grid if chosen else None
        if grid is None:
            grid = weight_grid(from_rows(turned, given, layer.out_axis), plan, layer.out_axis, layer=layer.name)
        assert grid is not None
        return Problem(layer, plan, turned.contiguous(), grid, given, basis, side, chosen.beside if chosen else 0)


class EndedEarly(Exception):  # noqa: N818 - no error: somebody had enough
    """A method was told that what it has is enough.

    Attributes:
        fix: what was asked for, as it came to be: a fix that gives the same result without being told anything.
        bench: that result.
    """

    def __init__(self, fix: Fix, bench: Bench) -> None:
        super().__init__(fix)
        self.fix, self.bench = fix, bench


@dataclass(frozen=True)
class Problem:
    """A layer's weight to be rounded.

    Attributes:
        layer: the layer.
        plan: the weight's plan.
        weight: float32 ``[R, C]``, rows as in :func:`qdebug.quantize.rows`, in the basis.
        grid: what its values have to lie on.
        given: the layer's own weight in its own shape.
        basis: what the weight is rounded in, where that is not the one it comes in.
        side: what is kept of the layer beside, in the layer's own shape; not part of ``weight``.
        beside: bits that it takes.
    """

    layer: Layer
    plan: TensorPlan
    weight: Tensor
    grid: Grid
    given: Tensor
    basis: Basis | None = None
    side: Tensor | None = None
    beside: int = 0

    def in_basis(self, hessian: Tensor) -> Tensor:
        """A Hessian, or another matrix of moments, ``[groups, C, C]`` of the layer's own input, for it in the basis."""
        if self.basis is None:
            return hessian
        count, size = hessian.shape[:2]
        once = self.basis.dual(hessian.reshape(-1, size)).view(count, size, size)
        return self.basis.dual(once.transpose(1, 2).reshape(-1, size)).view(count, size, size).transpose(1, 2)

    def rounded(self, values: Tensor, grid: Grid | None = None) -> Rounded:
        """The answer: values ``[R, C]`` on the problem's grid, or on another one."""
        matrix = values if self.basis is None else self.basis.back(values)
        shaped = from_rows(matrix.to(self.given.dtype), self.given, self.layer.out_axis)
        return Rounded(shaped, grid or self.grid, self.basis, self.side, self.beside)


def refusal(plan: TensorPlan) -> str | None:
    """Why a weight of that plan has no grid on which another level than the nearest could be chosen; else None."""
    form = find(plan.format)
    if plan.is_reduced:
        return "it is pruned, or of two factors, and this would fill it again"
    if plan.range == "stored":
        return "its codes came with the model's file"
    if form.is_cast:
        return f"{form.name} has no scale, and the nearest number is as near as can be"
    if isinstance(form, (Gguf, Codebook)) or (isinstance(form, Table) and form.rule != "absmax"):
        return f"{form.name} has a rule of its own for its codes"
    return None
