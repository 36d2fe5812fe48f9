"""The model run forward and backward, with a look at what layers read and at what comes back to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qdebug.engine import Batch, Engine, Sheet
from qdebug.engine.backward import differentiable, frees, needed
from qdebug.engine.run import Values
from qdebug.errors import ModelError
from qdebug.graph import Layer
from qdebug.graph.calls import compiled

Look = Callable[[Tensor], None]
"""Gets a gradient."""


@dataclass(frozen=True)
class Looks:
    """What is looked at.

    Attributes:
        inputs: gets the gradient at a layer's input, its own part only, by the layer's step.
        outputs: gets a layer's input and the gradient at its output, by the layer's step.
        values: gets a step's value, and the gradient at it from all its readers, by step.
    """

    inputs: Mapping[int, Callable[[Tensor, Tensor], None]]
    outputs: Mapping[int, Callable[[Tensor, Tensor], None]]
    values: Mapping[int, Callable[[Tensor, Tensor], None]]


class Tape:
    """Runs one program forward under autograd, batch after batch. Nothing is remembered between batches."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._steps = needed(engine.program)
        self._calls = {index: compiled(engine.program.steps[index]) for index in self._steps}
        self._frees = frees(engine.program, self._steps)
        self._nudges: dict[int, tuple[Tensor, Tensor]] = {}

    def record(self, sheet: Sheet, batch: Batch, looks: Looks, check: Callable[[], None]) -> Recorded:
        """Run a float sheet on a batch.

        Args:
            sheet: replaced constants; its quantization is not looked at.
            batch: the samples.
            looks: who looks on the way back.
            check: called between steps; may raise to stop.

        Raises:
            ModelError: a step failed.
        """
        anchor = torch.zeros((), requires_grad=True)
        values = Values(self._engine, sheet, batch)
        with torch.enable_grad():
            for index, done in zip(self._steps, self._frees, strict=True):
                check()
                values[index] = self._value(index, values, sheet, looks, anchor)
                for source in done:
                    del values[source]
        output: Tensor = values[self._engine.program.output]
        return Recorded(output, anchor)

    def _value(self, index: int, values: dict[int, Any], sheet: Sheet, looks: Looks, anchor: Tensor) -> Any:
        layer = self._engine.layers.get(index)
        if index in self._engine.loops:
            found = self._loop(index, values, sheet, looks, anchor)
        elif layer is None:
            found = differentiable(self._calls[index], values, self._engine.program.sources[index])
        else:
            found = self._layer(layer, values, sheet, looks, anchor)
        look = looks.values.get(index)
        return found if look is None else _probe(found, anchor, _with(look, found.detach()))

    def _layer(self, layer: Layer, values: dict[int, Any], sheet: Sheet, looks: Looks, anchor: Tensor) -> Tensor:
        x = given = values[layer.x]
        cache = self._engine.cache
        call = self._engine.layer_calls[layer.step]
        weight, bias = sheet.weight(layer, cache), sheet.bias(layer, cache)
        if layer.loop is not None:
            before, behind = self._nudges.pop(layer.step)
            found: Tensor = call(values, x + before, weight, bias) + behind
            return found
        if layer.step in looks.inputs:
            x = _probe(x, anchor, _with(looks.inputs[layer.step], given.detach()))
        out: Tensor = call(values, x, weight, bias)
        if layer.step in looks.outputs:
            out = _probe(out, anchor, _with(looks.outputs[layer.step], given.detach()))
        return out

    def _loop(self, index: int, values: dict[int, Any], sheet: Sheet, looks: Looks, anchor: Tensor) -> Any:
        """A walk over a sequence.

        What one step's product does to the output goes through the steps behind it too. So zeros are added to what a
        layer reads and writes, the same in the walk and in the layer: their gradients are those of all ways together.
        """
        engine, cache = self._engine, self._engine.cache
        given: dict[int, Tensor] = {}
        runs = {}
        batch, count = values[engine.program.steps[index].args[0].index].shape[:2]
        for turn, layer in engine.loops[index].items():
            weight, bias = sheet.weight(layer, cache), sheet.bias(layer, cache)
            nudges = []
            for looking, axis in ((looks.inputs, layer.in_axis), (looks.outputs, layer.out_axis)):
                zeros = torch.zeros(batch * count, weight.shape[axis])
                look = looking.get(layer.step)
                nudges.append(zeros if look is None else _probe(zeros, anchor, _later(look, given, turn)))
            self._nudges[layer.step] = nudges[0], nudges[1]
            views = tuple(one.view(batch, count, -1) for one in nudges)
            runs[turn] = engine.layer_calls[layer.step], weight, bias, *views

        def product(turn: int, x: Tensor, time: int) -> Tensor:
            call, weight, bias, before, behind = runs[turn]
            found: Tensor = call(values, x + before[:, time], weight, bias) + behind[:, time]
            return found

        found = engine.loop_calls[index](values, product)
        given.update({turn: found[turn].detach() for turn in runs})
        return found


@dataclass(frozen=True)
class Recorded:
    """A forward pass that can be walked back.

    Attributes:
        output: the scored output ``[N, …]`` (padding included).
        anchor: what gradients run back to.
    """

    output: Tensor
    anchor: Tensor

    def back(self, cotangent: Tensor, *, again: bool) -> None:
        """Walk back from the output; whoever looks is shown the gradients, those behind first.

        Args:
            cotangent: the gradient at the output.
            again: whether another walk follows.

        Raises:
            ModelError: nothing that is looked at has a differentiable way to the output.
        """
        if not self.output.requires_grad:
            raise ModelError(
                "No gradient gets from the model's output to its layers", do="Measure exactly (--mode exact).",
            )  # fmt: skip
        torch.autograd.grad(self.output, (self.anchor,), cotangent, retain_graph=again, allow_unused=True)


class _Probe(torch.autograd.Function):
    """Hands a tensor on as it is, and shows its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchor: Tensor, look: Look) -> Tensor:
        ctx.look = look
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        with torch.no_grad():
            ctx.look(grads[0])
        return grads[0], None, None


def _probe(x: Tensor, anchor: Tensor, look: Look) -> Tensor:
    found: Tensor = _Probe.apply(x, anchor, look)
    return found


def _later(look: Callable[[Tensor, Tensor], None], given: dict[int, Tensor], turn: int) -> Look:
    """Shows the gradient with a value that is there only when the walk is done."""
    return lambda gradient: look(given[turn], gradient)


def _with(look: Callable[[Tensor, Tensor], None], value: Tensor) -> Look:
    return lambda gradient: look(value, gradient)
