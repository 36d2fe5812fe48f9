"""Walks a sheet over a batch, taking from the cache what is there and computing the rest once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from qdebug.engine.cache import Claim, Key, ValueCache, nbytes
from qdebug.engine.overwrite import is_fresh
from qdebug.engine.scratch import Scratch
from qdebug.engine.sheet import Sheet
from qdebug.engine.stations import Call, Segment, Stations
from qdebug.engine.taps import Born, births, find_taps
from qdebug.engine.work import Work
from qdebug.errors import ModelError
from qdebug.graph import Layer, Program
from qdebug.graph.calls import compiled_layer, compiled_loop
from qdebug.graph.filed import FiledTensor
from qdebug.graph.trace import failed

Visit = Callable[[int, Tensor], None]
"""Called with a step's index and its value as soon as the value is there."""


@dataclass(frozen=True)
class Batch:
    """Some samples.

    Attributes:
        key: content hash.
        inputs: tensors by input name, batch first; those that are the same for every sample, whole.
        count: samples that count; rows behind them are padding.
        size: samples, padding included.
    """

    key: bytes
    inputs: Mapping[str, Tensor]
    count: int
    size: int

    def real_rows(self, value: Tensor) -> Tensor:
        """A value without the rows that stem from padding. A sample may have several rows, one behind the other."""
        if self.size == self.count or not value.dim() or len(value) % self.size:
            return value
        return value[: len(value) // self.size * self.count]


class Engine:
    """Runs sheets of one program against one cache. Safe from many threads."""

    def __init__(self, program: Program, layers: Sequence[Layer], cache: ValueCache) -> None:
        self.program = program
        self.cache = cache
        self.scratch = Scratch() if any(isinstance(one, FiledTensor) for one in program.state.values()) else None
        """Where quantized weights go, where the model's own stay in their files."""
        self.stations = Stations(program, layers)
        self.layers = {layer.step: layer for layer in layers}
        self.layer_calls = {layer.step: compiled_layer(program.steps[layer.step], layer) for layer in layers}
        self.loops: dict[int, dict[int, Layer]] = {}
        for layer in layers:
            if layer.loop is not None:
                self.loops.setdefault(layer.loop, {})[layer.turn] = layer
        self.loop_calls = {step: compiled_loop(program.steps[step]) for step in self.loops}
        self._taps = find_taps(program, layers)
        self._sizes: dict[tuple[int, bytes], int] = {}
        self._stored = 0
        self._births: WeakKeyDictionary[Sheet, Mapping[int, Born]] = WeakKeyDictionary()

    def output(self, sheet: Sheet, batch: Batch, work: Work | None = None, *, remember: bool = True) -> Tensor:
        """The model's output for a batch, padding cut off; ``remember`` as for :meth:`visit`."""
        index = self.program.output
        held = self.cache.get((sheet.keys[index], batch.key))  # asked for again and again: spare it the walk
        if held is not None:
            return held[: batch.count]
        found: list[Tensor] = []
        self.visit(sheet, batch, (index,), lambda _, value: found.append(value), work, remember=remember)
        return found[0][: batch.count]

    def values(self, sheet: Sheet, batch: Batch, wanted: Iterable[int], work: Work | None = None) -> dict[int, Any]:
        """The values of some steps, by index (padding included)."""
        found: dict[int, Any] = {}
        self.visit(sheet, batch, wanted, found.__setitem__, work)
        return found

    def visit(
        self, sheet: Sheet, batch: Batch, wanted: Iterable[int], visit: Visit, work: Work | None = None,
        *, remember: bool = True,
    ) -> None:  # fmt: skip
        """Hand over the values of some steps one by one, in graph order, and keep none of them longer than needed.

        Args:
            sheet: what to run.
            batch: on what.
            wanted: the steps.
            visit: gets each of them.
            work: progress and cancel.
            remember: whether the cache keeps what is computed. What will hardly be asked for again had better not
                push out what will. What is remembered already is used in any case.
        """
        with torch.no_grad():
            _Run(self, sheet, batch, work or Work(), sorted(set(wanted)), remember).go(visit)

    def learn_size(self, target: int, batch: Batch, value: Any) -> None:
        """Tell the cache how much a whole sheet stores: every station of every batch met so far."""
        if (target, batch.key) not in self._sizes:
            self._sizes[target, batch.key] = size = nbytes(value)
            self._stored += size
            self.cache.make_room(self._stored)

    def born(self, sheet: Sheet, wanted: Sequence[int]) -> dict[int, Born]:
        """Which values a walk quantizes at birth, by step: none that somebody wants to see as it was before."""
        found = self._births.get(sheet)
        if found is None:
            found = self._births[sheet] = births(sheet, self._taps)
        return {base: born for base, born in found.items() if born.tap.seen.isdisjoint(wanted)}


class Values(dict[int, Any]):
    """Values by step index: states are there; inputs and computed constants are fetched when first asked for."""

    def __init__(self, engine: Engine, sheet: Sheet, batch: Batch) -> None:
        super().__init__(sheet.states)
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

    def __init__(
        self, engine: Engine, sheet: Sheet, batch: Batch, work: Work, wanted: Sequence[int], remember: bool
    ) -> None:
        self.engine, self.sheet, self.batch, self.work = engine, sheet, batch, work
        self.wanted, self.remember = wanted, remember
        self.values = Values(engine, sheet, batch)
        self.quantized: tuple[int, bytes, Tensor] | None = None
        self.born = engine.born(sheet, wanted)
        self.served = {layer.step for born in self.born.values() for layer in born.tap.layers}
        self.unborn: dict[int, Tensor] = {}

    def go(self, visit: Visit) -> None:
        order = self.engine.stations.order(tuple(self.wanted))
        todo = self._joined(self._missing(order))
        uses: dict[int, int] = dict.fromkeys(self.wanted, 1)
        for segment in todo:
            for source in self._sources(segment):
                uses[source] = uses.get(source, 0) + 1
        waiting = list(self.wanted)
        for segment in reversed(todo):
            while waiting and waiting[0] < segment.target:
                self._show(waiting.pop(0), visit, uses)
            sources = self._sources(segment)
            self._obtain(segment)
            for source in sources:
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

    def _missing(self, order: Sequence[Segment]) -> list[Segment]:
        """What has to be computed, last first; what the cache has is taken (and held) at once."""
        needed = set(self.wanted)
        todo: list[Segment] = []
        members = self.engine.stations.members
        for segment in reversed(order):
            target = segment.target
            if target not in needed:
                continue
            value = self.engine.cache.get(self._key(target)) if target in members else None
            if value is None:
                todo.append(segment)
                needed.update(() if self._is_unborn(target) else segment.sources)
            else:
                self.values[target] = value
        return todo

    def _joined(self, todo: list[Segment]) -> list[Segment]:
        """The same with one segment in the place of all that lead to the output, where nothing on the way is kept."""
        if self.remember or len(self.wanted) > 1:
            return todo
        place = next((place for place, segment in enumerate(todo) if segment.target in self.born), len(todo))
        return [self.engine.stations.joined(todo[:place]), *todo[place:]] if place > 1 else todo

    def _is_unborn(self, target: int) -> bool:
        """Whether a value that is to be quantized at birth is remembered as it was before; it is held from now on."""
        if target in self.born and target in self.engine.stations.members:
            value = self.engine.cache.get((self.sheet.keys[target], self.batch.key))
            if value is not None:
                self.unborn[target] = value
        return target in self.unborn

    def _sources(self, segment: Segment) -> tuple[int, ...]:
        """What a segment needs first: nothing where only quantizing is left to do."""
        return () if segment.target in self.unborn else segment.sources

    def _key(self, target: int) -> Key:
        born = self.born.get(target)
        return (born.key if born else self.sheet.keys[target]), self.batch.key

    def _obtain(self, segment: Segment) -> None:
        """Compute a value, or wait for whoever is computing it."""
        target = segment.target
        if not self.remember or target not in self.engine.stations.members:
            self._execute(segment)
            return
        got = self.engine.cache.claim(self._key(target), self.work.check)
        if not isinstance(got, Claim):
            self.values[target] = got
            return
        try:
            start = time.perf_counter()
            self._execute(segment)
        except BaseException:
            got.abandon()
            raise
        self.engine.learn_size(target, self.batch, self.values[target])
        got.publish(self.values[target], time.perf_counter() - start)

    def _execute(self, segment: Segment) -> None:
        values, check, points = self.values, self.work.check, self.sheet.points
        born = self.born.get(segment.target)
        index = segment.target
        try:
            if born and index in self.unborn:
                values[index] = born.quant.activate(self.unborn.pop(index))
                return
            for index, call, done in zip(segment.steps, segment.calls, segment.frees, strict=True):
                check()
                if born and index == segment.target:
                    values[index] = self._birth(segment, call, born)
                else:
                    values[index] = self._computed(index, call)
                if index in points:
                    values[index] = self._point(index)
                for source in done:
                    del values[source]
        except (RuntimeError, IndexError, ValueError, TypeError, MemoryError, ArithmeticError) as error:
            raise self._explained(index, values, error) from error

    def _computed(self, index: int, call: Call) -> Any:
        """A step's value, of a layer or an attention as the sheet says."""
        if index in self.sheet.special:
            return self._layer(index)
        attended = self.sheet.attended.get(index)
        return (
            call(self.values) if attended is None else attended.compute(self.engine.program.steps[index], self.values)
        )

    def _birth(self, segment: Segment, call: Call, born: Born) -> Tensor:
        """A value as the layers that read it will see it, written over itself where nobody else can look."""
        index = segment.target
        step = self.engine.program.steps[index]
        if born.skips_relu and segment.over is not None and step.op == "aten.relu.default":
            value = self.values[segment.over]
        else:
            value = self._computed(index, call)
        return born.quant.activate(value, value if is_fresh(step) else None)

    def _point(self, index: int) -> Tensor:
        """A value that is quantized for whoever reads it."""
        value = self.values[index]
        return self.sheet.points[index].activate(value, value if is_fresh(self.engine.program.steps[index]) else None)

    def _layer(self, index: int) -> Any:
        """A layer with its weight and its input quantized as the sheet says, and its added bias.

        A walk over a sequence is done with its layers' products.
        """
        if index in self.engine.loops:
            return self._loop(index)
        layer = self.engine.layers[index]
        given = self.values[layer.x]
        return self._product(layer)(given, given if index in self.served else self._activation(layer, given))

    def _product(self, layer: Layer) -> Callable[[Tensor, Tensor], Tensor]:
        """What a layer does to its input, given as it was and as it is quantized."""
        sheet, cache = self.sheet, self.engine.cache
        weight, bias, rounded = sheet.weight(layer, cache), sheet.bias(layer, cache), sheet.rounded(layer.step)
        side = None if rounded is None else rounded.side
        call = self.engine.layer_calls[layer.step]

        def product(given: Tensor, x: Tensor) -> Tensor:
            result: Tensor = call(self.values, x, weight, bias)
            if side is None:
                return result
            return result + call(self.values, given, side, result.new_zeros(result.shape[layer.channel_axis]))

        return product

    def _loop(self, index: int) -> Any:
        """A walk over a sequence, with its layers as the sheet has them."""
        layers = self.engine.loops[index]
        products = {turn: self._product(layer) for turn, layer in layers.items()}
        quants = {turn: self.sheet.quants.get(layer.step) for turn, layer in layers.items()}

        def product(turn: int, x: Tensor, _time: int) -> Tensor:
            quant = quants[turn]
            plain = quant is None or quant.plan.activation.is_float32
            return products[turn](x, x if plain or quant is None else quant.activate(x))

        return self.engine.loop_calls[index](self.values, product)

    def _activation(self, layer: Layer, x: Tensor) -> Tensor:
        quant = self.sheet.quants.get(layer.step)
        if quant is None or quant.plan.activation.is_float32 or layer.kind == "embedding":
            return x
        # Query, key and value read one tensor: quantize it once where they agree how.
        if self.quantized and self.quantized[:2] == (layer.x, quant.activation_key):
            return self.quantized[2]
        quantized = quant.activate(x)
        self.quantized = (layer.x, quant.activation_key, quantized)
        return quantized

    def _explained(self, index: int, values: Mapping[int, Any], error: Exception) -> ModelError:
        step = self.engine.program.steps[index]
        shapes = [tuple(v.shape) for i in self.engine.program.sources[index] if isinstance(v := values[i], Tensor)]
        return failed(step, shapes, error)
