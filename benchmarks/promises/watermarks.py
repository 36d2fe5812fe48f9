"""Models that can be told from all others by any piece of them: every name and two weights carry a mark."""

from __future__ import annotations

import base64
import io
import random
import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from onnx import TensorProto, helper, numpy_helper

WIDTH, CLASSES, LAYERS, SAMPLES = 16, 4, 4, 32


@dataclass(frozen=True)
class Mark:
    """What one visitor's files have and no other's.

    Attributes:
        word: is part of every name in them.
        value: two weights beside each other, far beyond all others of the model.
    """

    word: str
    value: float

    @cached_property
    def names(self) -> tuple[bytes, ...]:
        """How the word looks in a message: plain, or inside base64."""
        return (self.word.encode(), *_in_base64(self.word.encode()))

    @cached_property
    def numbers(self) -> tuple[bytes, ...]:
        """How the value looks: with all its digits, as 64 bits, or as 32 bits twice, as it stands in the model."""
        exact = float(np.float32(self.value))
        raw = (struct.pack("<d", exact), struct.pack("<2f", exact, exact))
        return (repr(exact).encode(), *raw, *(way for one in raw for way in _in_base64(one)))

    def is_in(self, message: bytes) -> bool:
        """Whether a message holds any of it."""
        return any(one in message for one in (*self.names, *self.numbers))

    @property
    def network(self) -> bytes:
        """An ONNX file: linear layers with ReLUs between, ``x [N, 16]`` to four classes."""
        draw, nodes, weights, value = np.random.default_rng(0), [], [], f"{self.word}_x"
        for place in range(LAYERS):
            name, size = f"{self.word}.layer{place}", CLASSES if place == LAYERS - 1 else WIDTH
            weight = draw.normal(size=(WIDTH, size)).astype(np.float32) / 4
            weight[0, :2] = self.value if place == 1 else weight[0, :2]
            weights.append(numpy_helper.from_array(weight, f"{name}.weight"))
            nodes.append(helper.make_node("MatMul", [value, f"{name}.weight"], [f"{name}_out"], name=name))
            nodes.append(helper.make_node("Relu", [f"{name}_out"], [f"{name}_relu"], name=f"{name}_relu"))
            value = f"{name}_relu"
        ends = ((f"{self.word}_x", ["N", WIDTH]), (value, ["N", CLASSES]))
        first, last = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends)
        graph = helper.make_graph(nodes, f"{self.word} graph", [first], [last], weights)
        opsets = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()

    @property
    def data(self) -> bytes:
        """An npz file: samples, labels, and two groups whose names carry the mark."""
        draw, file = np.random.default_rng(1), io.BytesIO()
        arrays = {f"{self.word}_x": draw.normal(size=(SAMPLES, WIDTH)).astype(np.float32)}
        group = np.array([f"{self.word} group {place % 2}" for place in range(SAMPLES)])
        np.savez(file, **arrays, labels=draw.integers(0, CLASSES, SAMPLES), group=group)
        return file.getvalue()


def drawn(dice: random.Random) -> Mark:
    """A mark that nobody else has."""
    return Mark(f"mark{dice.getrandbits(48):012x}", dice.uniform(1000, 9000))


def _in_base64(raw: bytes) -> list[bytes]:
    """How bytes look inside base64, wherever in a group of three they begin; what depends on others is cut off."""
    found = []
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw)
        found.append(text[(8 * before + 5) // 6 : 8 * (before + len(raw)) // 6])
    return found
