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

from qdebug.engine.cache import ValueCache
from qdebug.formats import find
from qdebug.graph import Layer, Program
from qdebug.graph.calls import call
from qdebug.graph.program import refs, tensor_key
from qdebug.quantize import Activate, Grid, QParams, activation_quantizer, fake_quantize_bias, quantize_weight
from qdebug.recipes import LayerPlan, TensorPlan


@dataclass(frozen=True, eq=False)
class Overlay:
    """Tensors that a fix puts in the place of the model's own. Compared by identity: build one, keep it.

    Attributes:
        tensors: replacements by step index.
        biases: biases for layers that have none, by the layer's step.
    """

    tensors: Mapping[int, Tensor]
    biases: Mapping[int, Tensor]

    def updated(
        self, tensors: Mapping[int, Tensor] | None = None, biases: Mapping[int, Tensor] | None = None
    ) -> Overlay:
        """A new overlay with these on top."""
        return Overlay({**self.tensors, **(tensors or {})}, {**self.biases, **(biases or {})})

    @cached_property
    def keys(self) -> dict[int, bytes]:
        """Hashes of the replaced tensors: of their content and of their order in memory."""
        return {index: tensor_key(tensor) + _order(tensor) for index, tensor in self.tensors.items()}

    @cached_property
    def bias_keys(self) -> dict[int, bytes]:
        """Content hashes of the added biases."""
        return {index: tensor_key(tensor) for index, tensor in self.biases.items()}


def _order(tensor: Tensor) -> bytes:
    """How a tensor lies in memory: where that differs, an operator may use another kernel and return another order.

    The cache is shared by all open models, and one of them may hold the same weight in another order.
    """
    return repr(tensor.stride()).encode()


NOTHING = Overlay({}, {})


@dataclass(frozen=True)
class LayerQuant:
    """One layer's quantization, ready to run: its plan and, for a static activation, its calibrated grid.

    ``axis`` is the activation's axis of channels, along which blocks lie; ``int32_bias`` asks for biases as runtimes
    store them.
    """

    plan: LayerPlan
    activation: Grid | None = None
    axis: int = -1
    int32_bias: bool = False

    @property
    def has_int32_bias(self) -> bool:
        """Whether a runtime adds up this layer's products in integers, and so wants its bias as one."""
        weight = self.plan.weight
        integers = find(weight.format).is_integer and isinstance(self.activation, QParams)
        return self.int32_bias and integers and weight.granularity in ("tensor", "channel")

    @cached_property
    def activation_key(self) -> bytes:
        """A text that is equal when the activation is quantized alike."""
        plan, grid = self.plan.activation, self.activation
        if grid is None:
            return msgspec.json.encode((plan, self.axis))
        codes = (grid.zero_point.item(), grid.qmin, grid.qmax) if isinstance(grid, QParams) else plan.format
        return f"{grid.scale.item()!r} {codes!r} {plan.rounding} {plan.seed}".encode()

    @cached_property
    def activate(self) -> Activate:
        """What quantizes the layer's input: of a batch, into ``out`` where one is given."""
        return activation_quantizer(self.plan.activation, self.activation, self.axis)


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
    """

    def __init__(
        self,
        program: Program,
        layers: Sequence[Layer],
        overlay: Overlay = NOTHING,
        quants: Mapping[int, LayerQuant] | None = None,
        points: Mapping[int, LayerQuant] | None = None,
    ) -> None:
        self.program = program
        self.layers = {layer.step: layer for layer in layers}
        self.overlay = overlay
        self.quants = dict(quants or {})
        self.points = dict(points or {})
        self.special = frozenset(self.quants) | frozenset(overlay.biases)
        self.keys = self._all_keys()
        self._weight_keys: dict[int, bytes] = {}

    def _all_keys(self) -> list[bytes]:
        keys: list[bytes] = []
        states = self.program.state_keys
        for index, static in enumerate(self.program.static_keys):
            replaced = self.overlay.keys.get(index)
            if replaced is not None:
                keys.append(replaced)
            elif index in states:
                keys.append(states[index] + _order(self.program.state[index]))
            else:
                keys.append(self._op_key(index, static, keys))
        return keys

    def _op_key(self, index: int, static: bytes, keys: list[bytes]) -> bytes:
        digest = hashlib.blake2b(static, digest_size=16)
        for source in self.program.sources[index]:
            digest.update(keys[source])
        quant = self.quants.get(index)
        if quant is not None:
            digest.update(b"w" + msgspec.json.encode(quant.plan.weight) + b"a" + quant.activation_key)
            if quant.has_int32_bias:
                digest.update(b"i")
        point = self.points.get(index)
        if point is not None:
            digest.update(b"p" + point.activation_key)
        bias = self.overlay.bias_keys.get(index)
        if bias is not None:
            digest.update(b"b" + bias)
        return digest.digest()

    def weight_key(self, layer: Layer) -> bytes:
        """The key of a layer's weight before quantization."""
        return self.keys[layer.weight]

    def constant(self, index: int, cache: ValueCache) -> Any:
        """The value of a step that depends on no input: a state, a replaced state, or what is computed from them."""
        replaced = self.overlay.tensors.get(index)
        if replaced is not None:
            return replaced
        state = self.program.state.get(index)
        if state is not None:
            return state
        return cache.get_or_compute((self.keys[index], b""), lambda: self._fold(index, cache))

    def _fold(self, index: int, cache: ValueCache) -> Any:
        step = self.program.steps[index]
        values = {source: self.constant(source, cache) for source in refs((step.args, step.kwargs))}
        with torch.no_grad():
            return call(self.program, index, values)

    def weight(self, layer: Layer, cache: ValueCache) -> Tensor:
        """A layer's weight as the layer uses it: quantized if its plan says so, once for equal weight and plan."""
        quant = self.quants.get(layer.step)
        if quant is None or quant.plan.weight.is_float32:
            return self.constant(layer.weight, cache)
        plan = quant.plan.weight
        key = self._weight_keys.get(layer.step)
        if key is None:
            key = self.weight_key(layer) + msgspec.json.encode((plan, layer.out_axis))
            self._weight_keys[layer.step] = key
        return cache.get_or_compute((key, b"w"), lambda: self._quantized(layer, plan, cache)[0])

    def bias(self, layer: Layer, cache: ValueCache) -> Tensor | None:
        """The bias to run a layer with; None leaves it to the step's own arguments.

        Where the recipe wants biases of 32 bits, it is rounded to a multiple of input scale times weight scale.
        """
        added = self.overlay.biases.get(layer.step)
        quant = self.quants.get(layer.step)
        if quant is None or not quant.has_int32_bias or (added is None and layer.bias is None):
            return added
        own = self.constant(layer.bias, cache) if added is None and layer.bias is not None else added
        key = self.keys[layer.step] + b"bias"
        return cache.get_or_compute((key, b"w"), lambda: self._rounded_bias(layer, quant, own, cache))

    def _rounded_bias(self, layer: Layer, quant: LayerQuant, bias: Any, cache: ValueCache) -> Tensor:
        grid = self._quantized(layer, quant.plan.weight, cache)[1]
        assert isinstance(grid, QParams) and isinstance(quant.activation, QParams)
        return fake_quantize_bias(bias, quant.activation, grid)

    def _quantized(self, layer: Layer, plan: TensorPlan, cache: ValueCache) -> tuple[Tensor, Grid | None]:
        weight = self.constant(layer.weight, cache)
        return quantize_weight(weight, plan, layer.out_axis, grid=self.program.stored.get(layer.weight))
