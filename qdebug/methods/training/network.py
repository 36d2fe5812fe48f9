"""A network that is trained with its quantization in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from qdebug.engine import Batch, LayerQuant, Rounded
from qdebug.engine.backward import differentiable, frees, needed
from qdebug.engine.run import Values
from qdebug.graph import Layer
from qdebug.graph.calls import compiled
from qdebug.methods.bench import Bench
from qdebug.methods.training.quantizers import InputRounder, Step, WeightRounder
from qdebug.methods.training.steps import straight_through
from qdebug.quantize import QParams, fake_quantize_bias
from qdebug.recipes.fixes import Qat


class Network:
    """The bench's model, with weights, biases and steps that can be learned.

    Weights of the bench's layers are trained, and the biases that these layers have. All other quantized tensors are
    rounded as the bench's sheet rounds them.

    Args:
        bench: the model as earlier fixes left it.
        fix: what is learned, and where it starts.
    """

    def __init__(self, bench: Bench, fix: Qat) -> None:
        self._bench, self._sheet = bench, bench.sheet
        program = bench.engine.program
        self._steps = needed(program)
        self._calls = {index: compiled(program.steps[index]) for index in self._steps}
        self._frees = frees(program, self._steps)
        self.weights = {one.weight: self._leaf(one.weight) for one in bench.layers}
        self.biases = {one.bias: self._leaf(one.bias) for one in bench.layers if one.bias is not None}
        added = self._sheet.overlay.biases
        self.added = {one.step: added[one.step].clone().requires_grad_() for one in bench.layers if one.step in added}
        relative = fix.optimizer == "adam"
        self._rounders = {
            one.step: WeightRounder(
                one, bench.quants[one.step].plan.weight, self.weights[one.weight].detach(), learn=fix.weight_steps,
                relative=relative, start=fix.start,
            )
            for one in bench.layers
        }  # fmt: skip
        self._inputs = self._input_rounders(learn=fix.input_steps and not bench.points, relative=relative)
        self._points = {index: InputRounder(quant, None, (), learn=False) for index, quant in bench.points.items()}

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that are learned."""
        of_weights = [one.step for one in self._rounders.values()]
        of_inputs = [one.step for one in self._inputs.values()]
        return tuple(step for step in (*of_weights, *of_inputs) if step is not None)

    @property
    def leaves(self) -> list[Tensor]:
        """All that is learned: weights, biases, steps."""
        steps = [step.value for step in self.steps]
        return [*self.weights.values(), *self.biases.values(), *self.added.values(), *steps]

    def output(self, batch: Batch) -> Tensor:
        """The model's output for a batch, padding cut off, as its quantized self gives it."""
        values = Values(self._bench.engine, self._sheet, batch)
        values.update(self.weights)
        values.update(self.biases)
        seen: dict[tuple[int, bytes], Tensor] = {}
        for index, done in zip(self._steps, self._frees, strict=True):
            self._bench.work.check()
            values[index] = self._value(index, values, seen)
            if index in self._points:
                values[index] = self._points[index](values[index])
            for source in done:
                del values[source]
        found: Tensor = values[self._bench.engine.program.output]
        return found[: batch.count]

    def bench(self, state: Sequence[Tensor]) -> Bench:
        """The bench with what was learned.

        Args:
            state: values of :attr:`leaves`, as they were at some time.
        """
        with torch.no_grad():
            for leaf, value in zip(self.leaves, state, strict=True):
                leaf.copy_(value)
        tensors = {index: leaf.detach().clone() for index, leaf in {**self.weights, **self.biases}.items()}
        biases = {index: leaf.detach().clone() for index, leaf in self.added.items()}
        rounded = {}
        for layer in self._bench.layers:
            found = self._rounders[layer.step].rounded(tensors[layer.weight])
            if found is not None:
                rounded[layer.step] = Rounded(*found)
        overlay = self._bench.overlay.updated(tensors, biases, rounded)
        return replace(self._bench, overlay=overlay, quants=self._quants())

    def _leaf(self, index: int) -> Tensor:
        value: Tensor = self._sheet.constant(index, self._bench.engine.cache)
        return value.detach().clone().requires_grad_()

    def _input_rounders(self, *, learn: bool, relative: bool) -> dict[tuple[int, bytes], InputRounder]:
        """By what is read, and how it is rounded: layers that agree in both share a step."""
        found: dict[tuple[int, bytes], InputRounder] = {}
        for layer in self._bench.engine.layers.values():
            quant = self._bench.quants.get(layer.step)
            if quant is None or quant.plan.activation.is_float32 or layer.kind == "embedding":
                continue
            size = None
            if relative:
                weight: Tensor = self._sheet.constant(layer.weight, self._bench.engine.cache)
                size = float(weight.square().mean().sqrt())
            shape = self._bench.shapes.get(layer.x, ())
            found.setdefault(_read(layer, quant), InputRounder(quant, size, shape, learn=learn))
        return found

    def _quants(self) -> dict[int, LayerQuant]:
        found = dict(self._bench.quants)
        for layer in self._bench.engine.layers.values():
            rounder = self._inputs.get(_read(layer, found[layer.step])) if layer.step in found else None
            if rounder is not None and rounder.step is not None:
                found[layer.step] = replace(found[layer.step], activation=rounder.step.now())
        return found

    def _value(self, index: int, values: dict[int, Any], seen: dict[tuple[int, bytes], Tensor]) -> Any:
        engine = self._bench.engine
        if index in engine.loops:
            return self._loop(index, values)
        layer = engine.layers.get(index)
        quant = self._bench.quants.get(index)
        if layer is None or (quant is None and index not in self._sheet.overlay.biases):
            return differentiable(self._calls[index], values, engine.program.sources[index])
        x = values[layer.x]
        if quant is not None and (read := _read(layer, quant)) in self._inputs:
            if read not in seen:
                seen[read] = self._inputs[read](x)
            x = seen[read]
        return engine.layer_calls[index](values, x, *self._weights(layer, values))

    def _loop(self, index: int, values: dict[int, Any]) -> Any:
        """A walk over a sequence, with the very weights of the layers behind it: their gradients add up."""
        engine = self._bench.engine
        runs = {}
        for turn, layer in engine.loops[index].items():
            quant = self._bench.quants.get(layer.step)
            rounder = None if quant is None else self._inputs.get(_read(layer, quant))
            runs[turn] = engine.layer_calls[layer.step], rounder, self._weights(layer, values)

        def product(turn: int, x: Tensor, _time: int) -> Tensor:
            call, rounder, given = runs[turn]
            found: Tensor = call(values, x if rounder is None else rounder(x), *given)
            return found

        return engine.loop_calls[index](values, product)

    def _weights(self, layer: Layer, values: dict[int, Any]) -> tuple[Tensor, Tensor | None]:
        """Weight and bias to run a layer with; a bias that is None is left to the step's own arguments."""
        quant, cache = self._bench.quants.get(layer.step), self._bench.engine.cache
        if layer.step in self._rounders:
            return self._rounders[layer.step](values[layer.weight]), self._bias(layer, quant, values)
        return self._sheet.weight(layer, cache), self._sheet.bias(layer, cache)

    def _bias(self, layer: Layer, quant: LayerQuant | None, values: dict[int, Any]) -> Tensor | None:
        """A trained layer's bias; rounded to 32 bits, with a gradient to itself, where the recipe says so.

        None leaves it to the step's own arguments.
        """
        added, rounder = self.added.get(layer.step), self._rounders[layer.step]
        own = added if added is not None or layer.bias is None else values[layer.bias]
        if quant is None or own is None:
            return added
        whole = quant.has_int32_bias if rounder.step is not None else self._sheet.has_int32_bias(layer.step)
        if not whole:
            return added
        step = self._inputs[_read(layer, quant)].step
        activation = quant.activation if step is None else step.now()
        assert isinstance(activation, QParams) and isinstance(rounder.grid, QParams)
        return straight_through(own, fake_quantize_bias(own.detach(), activation, rounder.grid))


def _read(layer: Layer, quant: LayerQuant) -> tuple[int, bytes]:
    return layer.x, quant.activation_key
