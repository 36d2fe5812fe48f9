"""Models that ask for much when they are read, or run once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from benchmarks.promises.blasts.bomb import Bomb
from benchmarks.promises.traps import folders, programs
from tests.doors.hostile_graphs import deeper, doubling
from tests.doors.hostile_onnx import good, node, stored, value, written

I64, BOOL = TensorProto.INT64, TensorProto.BOOL


def loops(levels: int) -> ModelProto:
    """A loop of 2^62 turns, with loops in it."""
    body: GraphProto | None = None
    for level in range(levels):
        inner = node("Relu", ["v"], [f"u{level}"])
        if body is not None:
            inner = node("Loop", ["m", "t", "v"], [f"u{level}"], f"loop{level}", body=body)
        body = helper.make_graph(
            [node("Identity", [f"go{level}"], [f"on{level}"]), inner], f"body{level}",
            [value(f"i{level}", (), I64), value(f"go{level}", (), BOOL), value("v")],
            [value(f"on{level}", (), BOOL), value(f"u{level}")],
        )  # fmt: skip
        for name in ("v",):
            _rename(body, name, f"v{level}")
    assert body is not None
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Loop", ["m", "t", "h"], ["y"], "loop", body=body)]
    tensors = [numpy_helper.from_array(np.array(True), "t"), numpy_helper.from_array(np.array(2**62), "m")]
    return good(nodes, [stored("w", 4, 4), *tensors])


def _rename(graph: GraphProto, before: str, after: str) -> None:
    for one in graph.input:
        one.name = after if one.name == before else one.name
    for one in graph.node:
        one.input[:] = [after if name == before else name for name in one.input]


def expanded(size: int) -> ModelProto:
    """A value that grows only once the model is run."""
    nodes = [
        node("MatMul", ["x", "w"], ["h"]), node("Shape", ["h"], ["s"], "shape"),
        node("Mul", ["s", "many"], ["r"], "rows"), node("Expand", ["one", "r"], ["e"], "grow"),
        node("ReduceSum", ["e"], ["z"], "sum"), node("Add", ["h", "z"], ["y"]),
    ]  # fmt: skip
    tensors = [stored("w", 4, 4), numpy_helper.from_array(np.array([size, 1]), "many")]
    return good(nodes, [*tensors, numpy_helper.from_array(np.ones((1, 1), np.float32), "one")])


def copied(size: int) -> ModelProto:
    """Likewise, and each element is written."""
    model = expanded(size)
    model.graph.node[4].input[0] = "c"
    model.graph.node.insert(4, node("Add", ["e", "e"], ["c"], "copy"))
    return model


def declared(size: int) -> ModelProto:
    """An input that is declared with very many values."""
    model = good()
    model.graph.input[0].CopyFrom(value("x", (size, 4)))
    return model


def constant(size: int) -> ModelProto:
    """A constant of very many values, made when the file is opened."""
    nodes = [
        node("ConstantOfShape", ["s"], ["c"], "make"), node("ReduceSum", ["c"], ["z"], "sum"),
        node("MatMul", ["x", "w"], ["h"]), node("Add", ["h", "z"], ["y"]),
    ]  # fmt: skip
    return good(nodes, [stored("w", 4, 4), numpy_helper.from_array(np.array([size]), "s")])


def sparse(size: int) -> ModelProto:
    """A sparse tensor of few values and a large shape."""
    model = good(tensors=[])
    held, where = helper.make_tensor("w", 1, [1], [1.0]), helper.make_tensor("i", I64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(held, where, [size, 4]))
    return model


def last(levels: int) -> ModelProto:
    """Functions that call another twice, so many levels deep."""
    return doubling(levels, [node("Relu", ["a"], ["z"])])


def _file(make: Callable[[int], ModelProto]) -> Callable[[Path, int], Path]:
    return lambda folder, number: written(folder, make(number))


def _deep(folder: Path, number: int) -> Path:
    return written(folder, deeper(400 + number))


def _layers(folder: Path, number: int) -> Path:
    return folders.written(folder, {**folders.LLAMA, "num_hidden_layers": 10**7 + number})


def _wide(folder: Path, number: int) -> Path:
    return folders.written(folder, {**folders.LLAMA, "hidden_size": 2**30 + 2 * number, "vocab_size": 2**31})


def _pattern(folder: Path, number: int) -> Path:
    said = {
        "quant_method": "compressed-tensors", "format": "int-quantized",
        "config_groups": {"g": {"targets": ["re:(a|a?)+$" + "(a+)+" * (number % 5) + "b"], "weights": {"num_bits": 8}}},
    }  # fmt: skip
    raw = np.zeros((4, 4), np.int8).tobytes()
    name = "a" * 4000
    tensors = {f"{name}.weight": ("I8", [4, 4], raw), f"{name}.weight_scale": ("F32", [1], bytes(4))}
    return folders.written(folder, {**folders.LLAMA, "quantization_config": said}, weights=folders.safetensors(tensors))


def _program(folder: Path, number: int) -> Path:
    """An exported program with a node that makes very many values."""
    members = programs.entries()

    def change(found: dict) -> None:
        graph = programs.graph(found)
        graph["nodes"].insert(0, {
            "target": "torch.ops.aten.full.default", "name": "full", "metadata": {},
            "is_hop_single_tensor_return": None,
            "inputs": [{"name": "size", "arg": {"as_ints": [2**33 + number]}, "kind": 1},
                       {"name": "fill_value", "arg": {"as_float": 1.0}, "kind": 1}],
            "outputs": [{"as_tensor": {"name": "full"}}],
        })  # fmt: skip
        value = json.loads(json.dumps(graph["tensor_values"]["x"]))
        value["sizes"], value["strides"] = [{"as_int": 2**33 + number}], [{"as_int": 1}]
        graph["tensor_values"]["full"] = value

    return programs.written(folder, programs.edited(members, programs.MODEL, change))


BOMBS = (
    Bomb("onnx: a loop of 2^62 turns", "model", _file(lambda number: loops(1))),
    Bomb("onnx: loops in loops", "model", _file(lambda number: loops(3 + number % 3)), sent=True),
    Bomb("onnx: a value that grows when it is run", "model", _file(lambda number: copied(2**33 + number)), sent=True),
    Bomb("onnx: one that fits the machine and not the limit", "model", _file(lambda number: copied(2**30 + number))),
    Bomb("onnx: a constant of 2^40 values", "model", _file(lambda number: constant(2**40 + number)), sent=True),
    Bomb("onnx: an input of 2^40 samples", "model", _file(lambda number: declared(2**40 + number))),
    Bomb("onnx: a sparse tensor of 2^38 rows", "model", _file(lambda number: sparse(2**38 + number)), sent=True),
    Bomb("onnx: functions that call twice, 40 deep", "model", _file(lambda number: last(40 + number % 20)), sent=True),
    Bomb("onnx: branches 400 deep", "model", _deep, sent=True),
    Bomb("hf: ten million layers", "model", _layers),
    Bomb("hf: weights of 2^61 values", "model", _wide),
    Bomb("hf: a pattern that goes back and forth", "model", _pattern),
    Bomb("pt2: a node that makes 2^33 values", "model", _program),
)  # fmt: skip
