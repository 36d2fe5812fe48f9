"""Walks a sheet over a batch, taking from the cache what is there and computing the rest once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qdebug.engine.cache import Claim, ValueCache
from qdebug.engine.calls import compiled, fill
from qdebug.engine.sheet import Sheet
from qdebug.engine.stations import Segment, Stations
from qdebug.engine.work import Work
from qdebug.errors import ModelError
from qdebug.graph import Layer, Program
from qdebug.quantize import fake_quantize_activation

Visit = Callable[[int, Tensor], None]
"""Called with a step's index and its value as soon as the value is there."""


@dataclass(frozen=True)
class Batch:
    """Some samples.

    Attributes:
        key: content hash.
        inputs: tensors by input name, batch first.
        count: samples that count; rows behind them are padding.
    """

    key: bytes
    inputs: Mapping[str, Tensor]
    count: int


class Engine:
    """Runs sheets of one program against one cache. Safe from many threads."""

    def __init__(self, program: Program, layers: Sequence[Layer], cache: ValueCache) -> None:
        self.program = program
        self.cache = cache
        self.stations = Stations(program, layers)
        self.layers = {layer.step: layer for layer in layers}
        self.calls = [compiled(step) if step.kind == "op" else _given for step in program.steps]

    def output(self, sheet: Sheet, batch: Batch, work: Work | None = None) -> Tensor:
        """The model's output for a batch, padding cut off."""
        return self.values(sheet, batch, (self.program.output,), work)[self.program.output][: batch.count]

    def values(self, sheet: Sheet, batch: Batch, wanted: Iterable[int], work: Work | None = None) -> dict[int, Any]:
        """The values of some steps, by index (padding included)."""
        found: dict[int, Any] = {}
        self.visit(sheet, batch, wanted, found.__setitem__, work)
        return found

    def visit(self, sheet: Sheet, batch: Batch, wanted: Iterable[int], visit: Visit, work: Work | None = None) -> None:
        """Hand over the values of some steps one by one, in graph order, and keep none of them longer than needed."""
        with torch.no_grad():
            _Run(self, sheet, batch, work or Work()).go(sorted(set(wanted)), visit)


def _given(values: Any) -> Any:
    raise AssertionError("inputs and constants are given, not computed")


class _Values(dict[int, Any]):
    """Values by step index; inputs and constants are fetched when they are first asked for."""

    def __init__(self, engine: Engine, sheet: Sheet, batch: Batch) -> None:
        super().__init__()
        self._engine, self._sheet, self._batch = engine, sheet, batch

    def __missing__(self, index: int) -> Any:
        step = self._engine.program.steps[index]
        given = (
            self._batch.inputs[step.name] if step.kind == "input" else self._sheet.constant(index, self._engine.cache)
        )
        self[index] = given
        return given


class _Run:
    """One walk. Lives as long as a call."""

    def __init__(self, engine: Engine, sheet: Sheet, batch: Batch, work: Work) -> None:
        self.engine, self.sheet, self.batch, self.work = engine, sheet, batch, work
        self.values = _Values(engine, sheet, batch)
        self.quantized: tuple[int, bytes, Tensor] | None = None

    def go(self, wanted: Sequence[int], visit: Visit) -> None:
        order = self.engine.stations.order(tuple(wanted))
        todo = self._missing(order, wanted)
        uses: dict[int, int] = dict.fromkeys(wanted, 1)
        for segment in todo:
            for source in segment.sources:
                uses[source] = uses.get(source, 0) + 1
        waiting = list(wanted)
        for segment in reversed(todo):
            while waiting and waiting[0] < segment.target:
                self._show(waiting.pop(0), visit, uses)
            self._obtain(segment)
            for source in segment.sources:
                self._used(source, uses)
        for index in waiting:
            self._show(index, visit, uses)

    def _show(self, index: int, visit: Visit, uses: dict[int, int]) -> None:
        visit(index, self.values[index])
        self._used(index, uses)

    def _used(self, index: int, uses: dict[int, int]) -> None:
        uses[index] -= 1
        if not uses[index]:
            self.values.pop(index, None)

    def _missing(self, order: Sequence[Segment], wanted: Sequence[int]) -> list[Segment]:
        """What has to be computed, last first; what the cache has is taken (and held) at once."""
        needed = set(wanted)
        todo: list[Segment] = []
        keys, key, members = self.sheet.keys, self.batch.key, self.engine.stations.members
        for segment in reversed(order):
            target = segment.target
            if target not in needed:
                continue
            value = self.engine.cache.get((keys[target], key)) if target in members else None
            if value is None:
                todo.append(segment)
                needed.update(segment.sources)
            else:
                self.values[target] = value
        return todo

    def _obtain(self, segment: Segment) -> None:
        """Compute a value, or wait for whoever is computing it."""
        target = segment.target
        if target not in self.engine.stations.members:
            self._execute(segment)
            return
        got = self.engine.cache.claim((self.sheet.keys[target], self.batch.key), self.work.check)
        if not isinstance(got, Claim):
            self.values[target] = got
            return
        try:
            start = time.perf_counter()
            self._execute(segment)
        except BaseException:
            got.abandon()
            raise
        got.publish(self.values[target], time.perf_counter() - start)

    def _execute(self, segment: Segment) -> None:
        values, check, calls, special = self.values, self.work.check, self.engine.calls, self.sheet.special
        index = segment.target
        try:
            for index, done in zip(segment.steps, segment.frees, strict=True):
                check()
                values[index] = self._layer(index, values) if index in special else calls[index](values)
                for source in done:
                    del values[source]
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            raise self._explained(index, values, error) from error

    def _layer(self, index: int, values: Mapping[int, Any]) -> Tensor:
        """A layer with its weight and its input quantized as the sheet says, and its added bias."""
        layer, step = self.engine.layers[index], self.engine.program.steps[index]
        args = [fill(argument, values) for argument in step.args]
        args[layer.x_argument] = self._activation(layer, args[layer.x_argument])
        args[layer.weight_argument] = self.sheet.weight(layer, self.engine.cache)
        bias = self.sheet.overlay.biases.get(index)
        if bias is not None and layer.bias_argument is not None:
            args += [None] * (layer.bias_argument + 1 - len(args))
            args[layer.bias_argument] = bias
        assert step.target is not None
        result = step.target(*args, **{key: fill(value, values) for key, value in step.kwargs.items()})
        return result + bias if bias is not None and layer.bias_argument is None else result

    def _activation(self, layer: Layer, x: Tensor) -> Tensor:
        quant = self.sheet.quants.get(layer.step)
        if quant is None or quant.plan.activation.is_float32 or layer.kind == "embedding":
            return x
        # Query, key and value read one tensor: quantize it once where they agree how.
        if self.quantized and self.quantized[:2] == (layer.x, quant.activation_key):
            return self.quantized[2]
        quantized = fake_quantize_activation(x, quant.plan.activation, quant.activation)
        self.quantized = (layer.x, quant.activation_key, quantized)
        return quantized

    def _explained(self, index: int, values: Mapping[int, Any], error: Exception) -> ModelError:
        step = self.engine.program.steps[index]
        shapes = [tuple(v.shape) for i in self.engine.program.sources[index] if isinstance(v := values[i], Tensor)]
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return ModelError(
            f"{step.op or step.name} failed: {first}", layer=step.module or step.name, shapes=shapes,
            do="Check that the data have the shape and dtype the model expects.",
        )  # fmt: skip
