"""Some steps of a program run again with other weights, under autograd."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from qdebug.engine import Batch, Sheet
from qdebug.engine.run import Values
from qdebug.graph.calls import compiled
from qdebug.methods.bench import Bench


@dataclass(frozen=True)
class Given:
    """What steps are run on.

    Attributes:
        batch: the samples.
        values: of steps that are not run, by step.
    """

    batch: Batch
    values: Mapping[int, Any] = field(default_factory=dict)


class Replay:
    """Runs some steps as a sheet has them.

    Args:
        bench: whose engine runs, and whose work is asked for a stop.
        sheet: weights, biases and how inputs are quantized.
        steps: what to run, in order.
        activate: how a layer's input is quantized in another way than the sheet's, by the layer's step; differentiable.
    """

    def __init__(
        self, bench: Bench, sheet: Sheet, steps: Sequence[int], activate: Mapping[int, Any] | None = None
    ) -> None:  # fmt: skip
        self._bench, self._sheet, self._steps = bench, sheet, steps
        self._activate = activate or {}
        self._calls = {step: compiled(bench.engine.program.steps[step]) for step in steps}

    def values(
        self, given: Given, weights: Mapping[int, Tensor] | None = None, leaf: int | None = None
    ) -> dict[int, Any]:  # fmt: skip
        """The values of all steps, by index.

        Args:
            given: what they are run on.
            weights: of layers, by step, in the place of the sheet's.
            leaf: a step whose value gradients run back to, and no further.
        """
        found = Values(self._bench.engine, self._sheet, given.batch)
        found.update(given.values)
        for step in self._steps:
            self._bench.work.check()
            found[step] = self._value(step, found, weights or {})
            if step == leaf:
                found[step] = found[step].detach().requires_grad_()
        return found

    def _value(self, step: int, values: dict[int, Any], weights: Mapping[int, Tensor]) -> Any:
        engine = self._bench.engine
        if step in engine.loops:
            return self._loop(step, values, weights)
        if step in engine.layers:
            return self._product(step, values, weights)(values[engine.layers[step].x])
        return self._other(step, values)

    def _loop(self, step: int, values: dict[int, Any], weights: Mapping[int, Tensor]) -> Any:
        """A walk over a sequence, with the products of the layers inside it."""
        engine = self._bench.engine
        products = {turn: self._product(one.step, values, weights) for turn, one in engine.loops[step].items()}
        return engine.loop_calls[step](values, lambda turn, x, _: products[turn](x))

    def _other(self, step: int, values: dict[int, Any]) -> Any:
        """A step's value; without a gradient where its operator has none (it leaves torch, or writes in place)."""
        call = self._calls[step]
        try:
            return call(values)
        except RuntimeError:
            plain = {source: _detached(values[source]) for source in self._bench.engine.program.sources[step]}
            with torch.no_grad():
                return call(plain)

    def _product(self, step: int, values: dict[int, Any], weights: Mapping[int, Tensor]) -> Callable[[Tensor], Tensor]:
        """What a layer does to its input."""
        engine, layer, sheet = self._bench.engine, self._bench.engine.layers[step], self._sheet
        replaced = weights.get(step)
        weight = sheet.weight(layer, engine.cache) if replaced is None else replaced
        bias, chosen = sheet.bias(layer, engine.cache), sheet.rounded(step)
        call = engine.layer_calls[step]

        def product(given: Tensor) -> Tensor:
            found: Tensor = call(values, self._input(step, given), weight, bias)
            if chosen is not None and chosen.side is not None:
                found = found + call(values, given, chosen.side, found.new_zeros(found.shape[layer.channel_axis]))
            return found

        return product

    def _input(self, step: int, x: Tensor) -> Tensor:
        """A layer's input as it is quantized; the gradient passes as if it were not."""
        quant = self._sheet.quants.get(step)
        if quant is None or quant.plan.activation.is_float32 or self._bench.engine.layers[step].kind == "embedding":
            return x
        if step in self._activate:
            found: Tensor = self._activate[step](x)
            return found
        return x + (quant.activate(x.detach()) - x.detach())


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    return [_detached(one) for one in value] if isinstance(value, (list, tuple)) else value
