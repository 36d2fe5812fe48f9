"""What layers multiply with, as matrices: a row for each product's vector, and the Hessian of its squared error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qdebug.engine import Batch, Engine, LayerQuant, Sheet, Work
from qdebug.errors import NumericError
from qdebug.graph import Layer
from qdebug.graph.unfolding import Unfolding, unfolding_of


@dataclass(frozen=True)
class Design:
    """How a layer's input becomes the rows that its weight's rows are multiplied with.

    Attributes:
        layer: the layer.
        groups: groups of a convolution, each with rows of its own; 1 otherwise.
        unfolding: of a convolution.
    """

    layer: Layer
    groups: int
    unfolding: Unfolding | None

    def rows(self, x: Tensor) -> Tensor:
        """An input ``[N, …]`` as ``[groups, n, K]``, with columns in the order of :func:`qdebug.quantize.rows`."""
        if self.unfolding is None:
            return x.reshape(1, -1, x.shape[-1])
        unfolded = self.unfolding.columns(x)
        split = unfolded.view(len(x), self.groups, -1, unfolded.shape[-1])
        return split.permute(1, 0, 3, 2).reshape(self.groups, -1, split.shape[2])

    def products(self, rows: Tensor, weight: Tensor) -> Tensor:
        """The layer's output without its bias, ``[groups, n, outputs of a group]``, of a weight's rows ``[R, K]``."""
        return rows @ weight.view(self.groups, -1, weight.shape[1]).transpose(1, 2)


def design_of(engine: Engine, layer: Layer) -> Design | None:
    """How a layer's input becomes rows; None for an operator whose products are not known here."""
    step = engine.program.steps[layer.step]
    if layer.kind == "matmul":
        return Design(layer, 1, None)
    weight = engine.program.state.get(layer.weight)
    if layer.kind != "conv" or weight is None:
        return None
    unfolding = unfolding_of(step, layer, tuple(weight.shape))
    return None if unfolding is None else Design(layer, layer.groups, unfolding)


def hessians(
    engine: Engine, designs: Sequence[Design], sheet: Sheet, batches: Iterable[Batch], work: Work
) -> dict[int, Tensor]:
    """The mean of ``x xᵀ`` over all rows that each layer multiplies with, by the layer's step.

    Half of the Hessian of the squared change of the layer's output for each row of its weight (Frantar et al. 2023,
    section 3). The rows are those of the sheet: with everything upstream as it stands there, and the layer's own input
    quantized as it says. Layers that see the same rows share one matrix.

    Args:
        engine: runs the sheet.
        designs: the layers.
        sheet: the model as it stands.
        batches: calibration data.
        work: progress and cancel.

    Returns:
        float64 ``[groups, K, K]``.
    """
    alike, chosen = _shared(designs, sheet)
    grams = {one.layer.step: Moment() for one in chosen}
    for batch in batches:
        for design, rows in inputs(engine, chosen, sheet, batch, work):
            grams[design.layer.step].add(rows, rows)
    means = {step: gram.mean() for step, gram in grams.items()}
    return {step: means[one] for step, one in alike.items()}


def require_finite(*moments: Tensor, layer: str | None) -> None:
    """Refuse what is computed from inputs, where some are not finite.

    Raises:
        NumericError: a value is NaN or Inf.
    """
    ends = [end for one in moments if one.numel() for end in torch.aminmax(one)]  # a mask takes as much as they do
    if not all(bool(torch.isfinite(end)) for end in ends):
        raise NumericError(
            "The layer's input holds NaN or Inf on the calibration data", layer=layer,
            do="Find where they arise upstream, or leave this layer's weight in float.",
        )  # fmt: skip


def cross_moments(
    engine: Engine, designs: Sequence[Design], sheet: Sheet, other: Sheet, batches: Iterable[Batch], work: Work
) -> dict[int, tuple[Tensor, Tensor]]:
    """The means of ``x̃ x̃ᵀ`` and of ``x̃ xᵀ`` over all rows, by the layer's step.

    x̃ are the rows of one sheet and x those of another, as in :func:`hessians`; layers that see the same rows on both
    share their matrices.

    Args:
        engine: runs the sheets.
        designs: the layers.
        sheet: the model as it stands.
        other: the model that it is held against, such as in float.
        batches: calibration data.
        work: progress and cancel.

    Returns:
        Both as float64 ``[groups, K, K]``.
    """
    alike, chosen = _shared(designs, sheet, other)
    found = {one.layer.step: (Moment(), Moment()) for one in chosen}
    for batch in batches:
        meant = {one.layer.step: rows for one, rows in inputs(engine, chosen, other, batch, work)}
        for design, rows in inputs(engine, chosen, sheet, batch, work):
            gram, cross = found[design.layer.step]
            gram.add(rows, rows)
            cross.add(rows, meant.pop(design.layer.step))
    means = {step: (gram.mean(), cross.mean()) for step, (gram, cross) in found.items()}
    return {step: means[one] for step, one in alike.items()}


class Moment:
    """The mean of ``x yᵀ`` over rows that come batch by batch. Products are float32, their sum float64."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self.count = 0

    def add(self, x: Tensor, y: Tensor) -> None:
        """Rows ``[groups, n, K]`` of both."""
        product = x.transpose(1, 2) @ y
        self._sum = product.double() if self._sum is None else self._sum.add_(product)
        self.count += x.shape[1]

    def mean(self) -> Tensor:
        """float64 ``[groups, K, K]``; in the place of the sum, which a network's widest layer could not hold twice."""
        assert self._sum is not None
        found, self._sum = self._sum.div_(self.count), None
        return found


def _shared(designs: Sequence[Design], *sheets: Sheet) -> tuple[dict[int, int], list[Design]]:
    """By each layer's step that of the first which multiplies with the same rows on all sheets, and these layers."""
    first: dict[tuple[object, ...], int] = {}
    alike = {
        one.layer.step: first.setdefault(tuple(_seen(one, sheet) for sheet in sheets), one.layer.step)
        for one in designs
    }
    return alike, [one for one in designs if alike[one.layer.step] == one.layer.step]


def inputs(
    engine: Engine, designs: Sequence[Design], sheet: Sheet, batch: Batch, work: Work,
    quants: Mapping[int, LayerQuant] | None = None,
) -> Iterable[tuple[Design, Tensor]]:  # fmt: skip
    """The rows of each layer on one batch, as the sheet lets them through (see :meth:`Design.rows`).

    The layer's own input is quantized as ``quants`` say, by default the sheet's.
    """
    quants = sheet.quants if quants is None else quants
    found: list[tuple[Design, Tensor]] = []
    readers: Mapping[int, list[Design]] = {}
    for design in designs:
        readers.setdefault(design.layer.x, []).append(design)

    def show(x: int, value: Tensor) -> None:
        real = batch.real_rows(value)
        for design in readers[x]:
            quant = quants.get(design.layer.step)
            plain = quant is None or quant.plan.activation.is_float32
            found.append((design, design.rows(real if plain or quant is None else quant.activate(real)).float()))

    engine.visit(sheet, batch, readers, show, work)
    return found


def _seen(design: Design, sheet: Sheet) -> tuple[object, ...]:
    """Equal for layers that multiply with the same rows."""
    quant = sheet.quants.get(design.layer.step)
    activation = b"" if quant is None or quant.plan.activation.is_float32 else quant.activation_key
    return sheet.keys[design.layer.x], activation, design.groups, design.unfolding


def in_waves(engine: Engine, layers: Sequence[Layer]) -> tuple[tuple[Design, ...], ...]:
    """Layers in the order of the graph, those that read the same value together: what is calibrated at a time."""
    waves: dict[int, list[Design]] = {}
    for layer in layers:
        design = design_of(engine, layer)
        if design is not None:
            waves.setdefault(layer.x, []).append(design)
    return tuple(tuple(wave) for wave in waves.values())


def identity(size: int, groups: int = 1) -> Tensor:
    """The Hessian of inputs that are all independent and of variance 1, float64 ``[groups, size, size]``."""
    return torch.eye(size, dtype=torch.float64).expand(groups, size, size)
