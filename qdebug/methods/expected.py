"""Means of layers' inputs, channel by channel, from what batch normalizations say of their outputs. No data.

Nagel, van Baalen, Blankevoort, Welling: *Data-Free Quantization Through Weight Equalization and Bias Correction*,
ICCV 2019 (arXiv:1906.04721), section 4.2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from qdebug.graph import Layer, Program, Ref, Step
from qdebug.graph.between import Lay, ends, passage
from qdebug.methods.clipped_normal import clipped_mean, leaky_mean

_CLAMPS = ("aten.relu.default", "aten.relu6.default", "aten.hardtanh.default", "aten.clamp.default")
_NORMS = ("aten.batch_norm.default", "aten._native_batch_norm_legit_no_training.default")

NO_DATA = "nothing is known of the model's input without data"
NO_NORM = (
    "the layer that makes its input has no batch normalization here; where normalizations were folded before the model "
    "was opened, β and γ are gone"
)


@dataclass(frozen=True)
class Means:
    """What is known of a value's channels.

    Attributes:
        mean: float64 ``[C]``.
        deviation: of a value that comes from a normalization, and so is taken for normal; None of others.
        lay: where the channels lie.
    """

    mean: Tensor
    deviation: Tensor | None
    lay: Lay


def expected_inputs(
    program: Program, layers: Sequence[Layer], shapes: Mapping[int, tuple[int, ...]],
    constant: Callable[[int], Tensor],
) -> tuple[dict[int, Tensor], dict[int, str]]:  # fmt: skip
    """The mean of each input channel of each layer, as far as it follows from batch normalizations.

    Behind a normalization a channel is taken for normal with mean β and standard deviation γ; a ReLU, a clamp, a leaky
    ReLU make a mean of that (see :mod:`qdebug.methods.clipped_normal`). Averages hand a mean on, a sum adds means.

    Args:
        program: the program.
        layers: its layers.
        shapes: shapes of all values by step, of one and the same run.
        constant: the value of a step that depends on no input, as earlier fixes left it.

    Returns:
        float64 ``[C]`` for each input channel (each column of a linear layer's weight), by the layer's step; and by
        that of each other layer, why it is not known.
    """
    walk = _Walk(program, layers, shapes, constant)
    found: dict[int, Tensor] = {}
    reasons: dict[int, str] = {}
    for layer in layers:
        known = walk.at(layer.x)
        if isinstance(known, str):
            reasons[layer.step] = known
        elif known.lay.axis != layer.channel_axis % len(shapes[layer.x]):
            reasons[layer.step] = "it does not read its input channel by channel"
        else:
            found[layer.step] = known.mean.repeat_interleave(known.lay.spread)
    return found, reasons


class _Walk:
    def __init__(
        self, program: Program, layers: Sequence[Layer], shapes: Mapping[int, tuple[int, ...]],
        constant: Callable[[int], Tensor],
    ) -> None:  # fmt: skip
        self._program, self._shapes, self._constant = program, shapes, constant
        self._layers = {layer.step: layer for layer in layers}
        self._known: dict[int, Means | str] = {}
        for step in program.steps:
            if not program.constant[step.index]:
                self._known[step.index] = self._of(step)

    def at(self, index: int) -> Means | str:
        """What is known of a step's value, or why nothing is."""
        return self._known.get(index, "its input is a constant")

    def _of(self, step: Step) -> Means | str:
        if step.kind == "input":
            return NO_DATA
        layer = self._layers.get(step.index)
        if layer is not None:
            return self._behind(layer)
        if step.op in _NORMS:
            return self._normalized(step)
        moving = [index for index in self._program.sources[step.index] if not self._program.constant[index]]
        if step.op in ("aten.add.Tensor", "aten.sub.Tensor") and len(moving) == 2:
            return self._sum(step, moving)
        if step.op == "getitem" and step.args[1] != 0:
            return "an operator's second result is not known"
        before = self._known.get(moving[0]) if len(moving) == 1 else None
        if before is None:
            return f"{_word(step)} computes it from several values"
        return before if isinstance(before, str) else self._through(step, moving[0], before)

    def _behind(self, layer: Layer) -> Means | str:
        said = self._program.norms.get(layer.step)
        if said is None:
            return NO_NORM
        mean, deviation = (self._constant(index).double() for index in said)
        return Means(mean, deviation, Lay(layer.channel_axis % len(self._shapes[layer.step])))

    def _normalized(self, step: Step) -> Means | str:
        gamma, beta = step.args[1:3]
        if not isinstance(gamma, Ref) or not isinstance(beta, Ref):
            return "a batch normalization without β and γ"
        return Means(self._constant(beta.index).double(), self._constant(gamma.index).double().abs(), Lay(1))

    def _sum(self, step: Step, moving: Sequence[int]) -> Means | str:
        one, two = (self._known[index] for index in moving)
        for known in (one, two):
            if isinstance(known, str):
                return known
        assert isinstance(one, Means) and isinstance(two, Means)
        first, alpha = step.args[0], step.kwargs.get("alpha", 1)
        if one.lay != two.lay or len(one.mean) != len(two.mean) or first != Ref(moving[0]):
            return "values of different shape are added"
        sign = -alpha if step.op == "aten.sub.Tensor" else alpha
        return Means(one.mean + sign * two.mean, None, one.lay)

    def _through(self, step: Step, source: int, before: Means) -> Means | str:
        if step.op == "getitem":
            return before
        found = passage(self._program, step, source, before.lay, self._shapes)
        plain = step.op.rsplit("-", 1)[0]
        if found is None or (found.refused and step.op not in _CLAMPS):
            return f"what {_word(step)} makes of a mean is not known"
        if "max_pool" in step.op or "MaxPool" in step.op:
            return "the mean of largest values does not follow from the means of all"
        if step.op in _CLAMPS or "relu" in plain.lower():
            return self._activated(step, before, found.lay)
        if step.op in ("aten.mul.Tensor", "aten.div.Tensor") or not found.shifts:
            return f"what {_word(step)} makes of a mean is not known"
        keeps = self._shapes[source] == self._shapes[step.index] or "view" in step.op or "reshape" in step.op
        return replace(before, lay=found.lay, deviation=before.deviation if keeps else None)

    def _activated(self, step: Step, before: Means, lay: Lay) -> Means | str:
        if before.deviation is None:
            return f"{_word(step)} stands behind a sum or an average, which is taken for no normal distribution"
        if step.op in _CLAMPS:
            low, high = (0.0, torch.inf) if step.op == "aten.relu.default" else ends(step)
            return Means(clipped_mean(before.mean, before.deviation, low, high), None, lay)
        slope: Tensor | float = 0.01
        if len(step.args) > 1:
            given = step.args[1]
            slope = self._constant(given.index).double().flatten() if isinstance(given, Ref) else float(given)
        if isinstance(slope, Tensor) and len(slope) not in (1, len(before.mean)):
            return f"the slopes of {_word(step)} are not one for each channel"
        return Means(leaky_mean(before.mean, before.deviation, slope), None, lay)


def _word(step: Step) -> str:
    name = step.op.split(".")[1] if step.op.count(".") > 1 else step.op
    return f"{name} ({step.module})" if step.module else name
