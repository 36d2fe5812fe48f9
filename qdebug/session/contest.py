"""Formats tried on the values of a layer or of a distribution."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import msgspec
import torch
from torch import Tensor

from qdebug.calibrate import choose_range
from qdebug.engine import Work
from qdebug.errors import RecipeError, near
from qdebug.formats import find
from qdebug.measure import channel_limits, channel_ranges, error_split, grid
from qdebug.measure.clipping import clip_curve
from qdebug.measure.contest import Calibrated, contest, crests, limit, quantized
from qdebug.measure.cosines import input_cosines
from qdebug.measure.distributions import draw
from qdebug.quantize import choose_grid, is_dynamic, rows
from qdebug.recipes import Recipe, TensorPlan, parse_activation_format, parse_weight_format
from qdebug.recipes.candidates import ACTIVATIONS, WEIGHTS
from qdebug.results import DISTRIBUTIONS, ClipCurve, FormatComparison, InputCosines, TensorView, Values
from qdebug.session.detail import tensor_histogram
from qdebug.session.prepare import Preparer
from qdebug.session.subject import Subject

MOST = 1 << 18
"""Values that are looked at. Rows are left out evenly beyond; errors hardly depend on how many there are."""


class Contests:
    """Tries formats on the values of one subject. Of a recipe only the fixes count: what is quantized is float.

    Static activations take the calibrated min-max range.
    """

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject, self._preparer = subject, preparer

    def comparison(self, recipe: Recipe, values: Values, work: Work, notations: Sequence[str] = ()) -> FormatComparison:
        """The formats that are named, or all worth comparing, on the same values."""
        matrix, count = self._matrix(recipe, values, work)
        plans = {one: self._plan(values, one) for one in notations}
        plans = plans or plans_for(values.tensor, tokens=not self._has_no_tokens(values))
        return compared(values, matrix, count, plans, work, self._calibrated(recipe, values, work))

    def clip_curve(self, recipe: Recipe, layer: str, notation: str, work: Work) -> ClipCurve:
        """A layer's weight at one clip limit after another."""
        plan = parse_weight_format(notation)
        if not find(plan.format).is_integer or plan.granularity != "tensor" or not plan.symmetric:
            raise RecipeError(f"'{notation}' has no single symmetric range", do="Choose for instance int4.")
        return clip_curve(_thinned(self._matrix(recipe, Values(layer=layer), work)[0]), plan)

    def view(
        self, recipe: Recipe, values: Values, notation: str, work: Work, clip: tuple[float, float] | None = None
    ) -> TensorView:
        """One format on these values: histogram, grid and error."""
        plan = msgspec.structs.replace(self._plan(values, notation), clip=clip)
        x = _thinned(self._matrix(recipe, values, work)[0])
        xq, chosen = quantized(x, plan, values.tensor, self._calibrated(recipe, values, work))
        axis = 0 if values.tensor == "weight" else 1
        return TensorView(
            histogram=tensor_histogram(x), grid=grid(chosen) if chosen else None,
            channels=channel_ranges(*channel_limits(x, axis)), error=error_split(x, xq, chosen, plan),
            dynamic=values.tensor == "activation" and is_dynamic(plan),
        )  # fmt: skip

    def input_cosines(self, recipe: Recipe, layer: str, work: Work) -> InputCosines:
        """How far the channels of a layer's input go together."""
        return input_cosines(self._matrix(recipe, Values(layer=layer, tensor="activation"), work)[0], layer)

    def _plan(self, values: Values, notation: str) -> TensorPlan:
        plan = _parse(values.tensor, notation)
        if self._has_no_tokens(values) and plan.granularity == "token":
            raise RecipeError("A convolution's input has no tokens", layer=values.layer, do="Choose another format.")
        return plan

    def _has_no_tokens(self, values: Values) -> bool:
        layer = self._subject.by_name.get(values.layer)
        return layer is not None and layer.kind == "conv" and values.tensor == "activation"

    def _calibrated(self, recipe: Recipe, values: Values, work: Work) -> Calibrated | None:
        """What gives static plans of a layer's input their grid."""
        layer = self._subject.by_name.get(values.layer)
        if layer is None or values.tensor == "weight" or layer.kind == "embedding":
            return None
        stats = self._preparer.stats(self._preparer.overlay(recipe, work), layer, work)
        return lambda plan: choose_grid(*choose_range(stats, plan, layer=layer.name), plan, layer=layer.name)

    def _matrix(self, recipe: Recipe, values: Values, work: Work) -> tuple[Tensor, int]:
        """The values as ``[R, C]``, groups and blocks along the rows, and how many such rows there are in all.

        Of inputs, batches are read until there are enough values.
        """
        if not values.layer:
            drawn = _drawn(values.distribution)
            return drawn, len(drawn)
        layer = self._subject.layer(values.layer)
        sheet = self._preparer.float_with_fixes(recipe, work)
        if values.tensor == "weight":
            weight = rows(sheet.constant(layer.weight, self._subject.engine.cache), layer.out_axis).float()
            return weight.contiguous(), len(weight)
        if layer.kind == "embedding":
            raise RecipeError(f"The input of '{layer.name}' is not quantized: it is an index", do="Choose its weight.")
        parts, count, samples = [], 0, 0
        for batch in self._subject.eval_batches:
            value = batch.real_rows(self._subject.engine.values(sheet, batch, (layer.x,), work)[layer.x])
            moved = value.movedim(layer.channel_axis, -1)
            parts.append(moved.reshape(-1, moved.shape[-1]).float())
            count, samples = count + value.numel(), samples + batch.count
            if count >= MOST:
                break
        matrix = torch.cat(parts)
        return matrix, len(matrix) * self._subject.info.n_eval // max(samples, 1)


def compare_distribution(name: str, tensor: Literal["weight", "activation"], work: Work) -> FormatComparison:
    """All formats worth comparing on a textbook distribution; needs no model.

    Raises:
        RecipeError: there is no such distribution.
    """
    drawn = _drawn(name)
    return compared(Values(distribution=name, tensor=tensor), drawn, len(drawn), plans_for(tensor), work)


def compared(
    values: Values, matrix: Tensor, count: int, plans: dict[str, TensorPlan], work: Work,
    calibrated: Calibrated | None = None,
) -> FormatComparison:  # fmt: skip
    """These formats on a matrix, which is part of one with ``count`` rows."""
    start = time.perf_counter()
    x, columns = _thinned(matrix), matrix.shape[1]
    found, rotation = contest(x, plans, values.tensor, (count, columns), work.step, calibrated)
    return FormatComparison(
        values=values, count=x.numel(), total=count * columns, columns=columns, rows=found, limit=limit(x),
        rotation=rotation, crests=crests(x, found), seconds=time.perf_counter() - start,
    )  # fmt: skip


def plans_for(tensor: str, *, tokens: bool = True) -> dict[str, TensorPlan]:
    """The formats that such values could have, by notation."""
    groups = WEIGHTS if tensor == "weight" else ACTIVATIONS
    plans = {notation: _parse(tensor, notation) for group in groups.values() for notation in group}
    return {notation: plan for notation, plan in plans.items() if tokens or plan.granularity != "token"}


def _drawn(name: str) -> Tensor:
    if name not in DISTRIBUTIONS:
        raise RecipeError(f"There is no distribution '{name}'", do=near(name, DISTRIBUTIONS))
    return draw(name)


def _parse(tensor: str, notation: str) -> TensorPlan:
    return (parse_weight_format if tensor == "weight" else parse_activation_format)(notation)


def _thinned(matrix: Tensor) -> Tensor:
    """Evenly spaced rows, at most ``MOST`` values but at least one row."""
    kept = max(1, MOST // max(matrix.shape[1], 1))
    if len(matrix) <= kept:
        return matrix
    return matrix[torch.linspace(0, len(matrix) - 1, kept).round().long()]
