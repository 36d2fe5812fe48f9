"""Integer and float simulation held against the runtime, value by value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from qdebug.doors.onnx import from_proto, lower_onnx
from qdebug.doors.onnx.ir import Graph
from qdebug.errors import ModelError
from qdebug.verify.integer.plan import integer_file
from qdebug.verify.integer.runtime import runtime_codes
from qdebug.verify.integer.walk import walk


@dataclass(frozen=True)
class Agreement:
    """How codes differ from the runtime's.

    Attributes:
        differing: elements that are not the same.
        largest: the largest difference of two codes.
    """

    differing: int
    largest: int


@dataclass(frozen=True)
class Row:
    """One quantized value.

    Attributes:
        value: its name.
        node: the node that it is computed by.
        operator: what computes it in the integer simulation; ``QuantizeLinear`` where that is floats.
        elements: how many codes it has.
        integer: the integer simulation through its whole depth.
        float: the float simulation through its whole depth.
        fed: the float simulation, with the runtime's own codes as inputs of each layer.
        exact: the integer simulation, with the runtime's own codes as inputs of each layer.
    """

    value: str
    node: str
    operator: str
    elements: int
    integer: Agreement
    float: Agreement
    fed: Agreement
    exact: Agreement


@dataclass(frozen=True)
class Comparison:
    """All quantized values of a model, in the order they are computed in.

    Attributes:
        rows: one each.
        kernels: how many of each operator the runtime ran.
        disturbed: operators of which it ran another number since it was asked for the codes; what it computed is then
            not what it computes for a user. Empty as it should be.
        missing: values of which the simulation has no codes.
    """

    rows: tuple[Row, ...]
    kernels: dict[str, int]
    disturbed: tuple[str, ...]
    missing: tuple[str, ...] = field(default=())

    @property
    def elements(self) -> int:
        """Codes of all values."""
        return sum(row.elements for row in self.rows)

    def total(self, mode: str) -> Agreement:
        """The sum and the worst over all values of ``integer``, ``float``, ``fed`` or ``exact``."""
        found: list[Agreement] = [getattr(row, mode) for row in self.rows]
        return Agreement(sum(one.differing for one in found), max((one.largest for one in found), default=0))


def compare(
    path: str | os.PathLike[str] | onnx.ModelProto, feeds: Mapping[str, np.ndarray], runtime: str = "onnxruntime"
) -> Comparison:
    """Hold both simulations of a quantized ONNX file against a runtime.

    Args:
        path: the file, or the model in memory.
        feeds: inputs by name.
        runtime: ``onnxruntime``, run on the CPU.

    Raises:
        FileError, ModelError: the file cannot be read or run, or the runtime is unknown.
    """
    if runtime != "onnxruntime":
        raise ModelError(f"No integer simulation is made for the runtime '{runtime}'", do="Choose onnxruntime.")
    proto = path if isinstance(path, onnx.ModelProto) else onnx.load(path)
    real = runtime_codes(proto, feeds)
    file = from_proto(proto)
    kernels = integer_file(file)
    inputs = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in feeds.items()}
    codes = {name: torch.from_numpy(value) for name, value in real.codes.items()}
    whole, plain = lower_onnx(kernels).program, lower_onnx(file).program
    found = {
        "integer": _agreements(whole, inputs, codes, fed=False), "float": _agreements(plain, inputs, codes, fed=False),
        "fed": _agreements(plain, inputs, codes, fed=True), "exact": _agreements(whole, inputs, codes, fed=True),
    }  # fmt: skip
    makers = _makers(kernels.model.graph)
    everywhere = [name for name in found["integer"] if all(name in one for one in found.values())]
    rows = tuple(
        Row(name, *makers.get(name, ("", "")), codes[name].numel(), *(found[mode][name] for mode in found))
        for name in everywhere
    )
    missing = tuple(name for name in codes if name not in everywhere)
    return Comparison(rows, real.kernels, real.disturbed, missing)


def _agreements(
    program: Any, feeds: Mapping[str, Tensor], codes: Mapping[str, Tensor], *, fed: bool
) -> dict[str, Agreement]:
    found: dict[str, Agreement] = {}

    def look(name: str, value: Any) -> Any:
        wanted = codes.get(name)
        if wanted is None or not isinstance(value, Tensor) or value.is_floating_point():
            return value
        apart = (value.int() - wanted.int()).abs()
        found[name] = Agreement(int((apart > 0).sum()), int(apart.max()) if apart.numel() else 0)
        return wanted if fed else value

    walk(program, feeds, look)
    return found


def _makers(graph: Graph) -> dict[str, tuple[str, str]]:
    """Node and operator by the value they write."""
    return {name: (node.name, node.op) for node in graph.nodes for name in node.outputs}
