"""One way to run a program: which constants are replaced, what is quantized how, and the key of every cell."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import torch
from torch import Tensor

from qdebug.engine.attended import Attended
from qdebug.engine.cache import ValueCache
from qdebug.engine.keys import Keys
from qdebug.engine.overlay import NOTHING, Overlay, Rounded, order
from qdebug.formats import find
from qdebug.graph import Layer, Program
from qdebug.graph.calls import call
from qdebug.graph.filed import plain
from qdebug.graph.program import refs
from qdebug.quantize import (
    Activate,
    Basis,
    Grid,
    QParams,
    activation_quantizer,
    fake_quantize_bias,
    in_basis,
    quantize_weight,
)
from qdebug.recipes import LayerPlan, TensorPlan


@dataclass(frozen=True)
class LayerQuant:
    """One layer's quantization, ready to run: its plan and, for a static activation, its calibrated grid.

    ``axis`` is the activation's axis of channels, along which blocks lie; ``int32_bias`` asks for biases as runtimes
    store them; ``basis`` is what the activation is quantized in, where that is not the one it comes in.
    """

    plan: LayerPlan
    activation: Grid | None = None
    axis: int = -1
    int32_bias: bool = False
    basis: Basis | None = None

    @property
    def has_int32_bias(self) -> bool:
        """Whether a runtime adds up this layer's products in integers, and so wants its bias as one."""
        weight = self.plan.weight
        if self.basis is not None:
            return False
        integers = find(weight.format).is_integer and isinstance(self.activation, QParams)
        return self.int32_bias and integers and weight.granularity in ("tensor", "channel") and not weight.rank

    @cached_property
    def activation_key(self) -> bytes:
        """A text that is equal when the activation is quantized alike."""
        plan, grid = self.plan.activation, self.activation
        there = b"" if self.basis is None else self.basis.key
        if grid is None:
            return msgspec.json.encode((plan, self.axis)) + there
        codes = (grid.zero_point.item(), grid.qmin, grid.qmax) if isinstance(grid, QParams) else plan.format
        return f"{grid.scale.item()!r} {codes!r} {plan.rounding} {plan.seed}".encode() + there

    @cached_property
    def activate(self) -> Activate:
        """What quantizes the layer's input: of a batch, into ``out`` where one is given."""
        return in_basis(activation_quantizer(self.plan.activation, self.activation, self.axis), self.basis)


class Sheet:
    """A program with its overlay and its quantization: the formulas of the spreadsheet, without the values.

    Equal cells of two sheets have equal keys: a key is a hash of the operator, its static arguments, the keys of what
    it reads and the quantization applied there.

    Args:
        program: the model.
        layers: its layers.
        overlay: replaced constants.
        quants: quantization by layer step; a layer that is not there runs in float.
        points: quantization of other values, by the step that computes them.
        attended: attentions that are computed otherwise than in float.
        like: another sheet of the program, which this one shares the keys with of all before what it changes.
    """

    def __init__(
        self,
        program: Program,
        layers: Sequence[Layer],
        overlay: Overlay = NOTHING,
        quants: Mapping[int, LayerQuant] | None = None,
        points: Mapping[int, LayerQuant] | None = None,
        attended: Sequence[Attended] = (),
        like: Sheet | None = None,
    ) -> None:
        self.program = program
        self.layers = {layer.step: layer for layer in layers}
        self.overlay = overlay
        self.quants = dict(quants or {})
        self.points = dict(points or {})
        self.attended = {step: one for one in attended for step in one.steps}
        self.loops = self._all_loops(layers)
        own = frozenset(self.quants) | frozenset(overlay.biases)
        self.special = own | {loop for loop, steps in self.loops.items() if not own.isdisjoint(steps)}
        same = () if like is None else like.keys[: self._first_change(like)]
        self.keys = Keys(len(program.steps), self._key, same)
        self._weight_keys: dict[int, bytes] = {}

    @staticmethod
    def _all_loops(layers: Sequence[Layer]) -> dict[int, list[int]]:
        """The layers inside each walk over a sequence: steps by step."""
        found: dict[int, list[int]] = {}
        for layer in layers:
            if layer.loop is not None:
                found.setdefault(layer.loop, []).append(layer.step)
        return found

    def _first_change(self, like: Sheet) -> int:
        """The first step whose key may be another than that of another sheet."""
        assert self.program is like.program
        pairs: list[tuple[Mapping[int, object], Mapping[int, object]]] = [
            (self.quants, like.quants), (self.points, like.points), (self.attended, like.attended)
        ]  # fmt: skip
        mine, other = self.overlay, like.overlay
        if mine is not other:
            names = ("tensors", "biases", "rounded")
            pairs += [(getattr(mine, name), getattr(other, name)) for name in names]
        within = {step: loop for loop, steps in self.loops.items() for step in steps}
        changed = {step for one, two in pairs for step in one.keys() | two.keys() if one.get(step) is not two.get(step)}
        return min((within.get(step, step) for step in changed), default=len(self.program.steps))

    def _key(self, index: int, keys: Sequence[bytes]) -> bytes:
        program = self.program
        replaced = self.overlay.keys.get(index)
        if replaced is not None:
            return replaced
        stored = program.state_keys.get(index)
        return self._op_key(index, keys) if stored is None else stored + order(program.state[index])

    def _op_key(self, index: int, keys: Sequence[bytes]) -> bytes:
        digest = hashlib.blake2b(self.program.static_keys[index], digest_size=16)
        for source in self.program.sources[index]:
            digest.update(keys[source])
        self._tell_layer(digest, index)
        for step in self.loops.get(index, ()):  # what a walk gives depends on how its layers run
            digest.update(b"l")
            self._tell_layer(digest, step)
        attended = self.attended.get(index)
        if attended is not None:
            digest.update(b"k" + attended.key(index))
        point = self.points.get(index)
        if point is not None:
            digest.update(b"p" + point.activation_key)
        return digest.digest()

    def _tell_layer(self, digest: hashlib.blake2b, index: int) -> None:
        """Add how the layer at a step is quantized, and the bias that a fix gave it."""
        quant = self.quants.get(index)
        if quant is not None:
            digest.update(b"w" + msgspec.json.encode(quant.plan.weight) + b"a" + quant.activation_key)
            if self.has_int32_bias(index):
                digest.update(b"i")
            rounded = self.rounded(index)
            if rounded is not None:
                digest.update(b"r" + rounded.key)
        bias = self.overlay.bias_keys.get(index)
        if bias is not None:
            digest.update(b"b" + bias)

    def weight_key(self, layer: Layer) -> bytes:
        """The key of a layer's weight before quantization."""
        return self.keys[layer.weight]

    @cached_property
    def states(self) -> dict[int, Tensor]:
        """The model's own tensors, or what replaces them, by step."""
        return {**self.program.state, **self.overlay.tensors}

    def constant(self, index: int, cache: ValueCache) -> Any:
        """The value of a step that depends on no input: a state, a replaced state, or what is computed from them."""
        state = self.states.get(index)
        if state is not None:
            return state
        return cache.get_or_compute((self.keys[index], b""), lambda: self._fold(index, cache))

    def _fold(self, index: int, cache: ValueCache) -> Any:
        step = self.program.steps[index]
        values = {source: self.constant(source, cache) for source in refs((step.args, step.kwargs))}
        with torch.no_grad():
            return call(self.program, index, values)

    def rounded(self, step: int) -> Rounded | None:
        """The quantized weight that a method chose for the layer at a step; None where it is rounded to nearest."""
        quant = self.quants.get(step)
        return None if quant is None or quant.plan.weight.is_float32 else self.overlay.rounded.get(step)

    def has_int32_bias(self, step: int) -> bool:
        """Whether the layer at a step has a bias of 32 bits: all of its products are added up in integers."""
        quant, rounded = self.quants.get(step), self.rounded(step)
        whole = rounded is None or (isinstance(rounded.grid, QParams) and rounded.is_on_grid)
        return quant is not None and quant.has_int32_bias and whole

    def weight(self, layer: Layer, cache: ValueCache) -> Tensor:
        """A layer's weight as the layer uses it: quantized if its plan says so, once for equal weight and plan."""
        quant, rounded = self.quants.get(layer.step), self.rounded(layer.step)
        if quant is None or quant.plan.weight.is_float32:
            return self.constant(layer.weight, cache)
        if rounded is not None:
            return rounded.values
        plan = quant.plan.weight
        key = self._weight_keys.get(layer.step)
        if key is None:
            key = self.weight_key(layer) + msgspec.json.encode((plan, layer.out_axis))
            self._weight_keys[layer.step] = key
        return cache.get_or_compute((key, b"w"), lambda: self.quantized(layer, plan, cache)[0])

    def bias(self, layer: Layer, cache: ValueCache) -> Tensor | None:
        """The bias to run a layer with; None leaves it to the step's own arguments.

        Where the recipe wants biases of 32 bits, it is rounded to a multiple of input scale times weight scale.
        """
        added = self.overlay.biases.get(layer.step)
        quant = self.quants.get(layer.step)
        if quant is None or not self.has_int32_bias(layer.step) or (added is None and layer.bias is None):
            return added
        own = self.constant(layer.bias, cache) if added is None and layer.bias is not None else added
        key = self.keys[layer.step] + b"bias"
        return cache.get_or_compute((key, b"w"), lambda: self._rounded_bias(layer, quant, own, cache))

    def _rounded_bias(self, layer: Layer, quant: LayerQuant, bias: Any, cache: ValueCache) -> Tensor:
        grid = self.quantized(layer, quant.plan.weight, cache)[1]
        assert isinstance(grid, QParams) and isinstance(quant.activation, QParams)
        return fake_quantize_bias(bias, quant.activation, grid)

    def quantized(self, layer: Layer, plan: TensorPlan, cache: ValueCache) -> tuple[Tensor, Grid | None]:
        """A layer's weight under a plan, and its grid: as a method chose it for this sheet, else rounded to nearest."""
        rounded = self.rounded(layer.step)
        if rounded is not None:
            return rounded.values, rounded.grid if rounded.is_on_grid else None
        weight = plain(self.constant(layer.weight, cache))
        return quantize_weight(weight, plan, layer.out_axis, grid=self.program.stored.get(layer.weight))
