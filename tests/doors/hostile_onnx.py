"""ONNX files that nobody should trust: each case writes one into a folder and gives its path.

``CASES`` holds them by name. What the files have in common is a small good model (:func:`good`) with one thing wrong.
"""

from __future__ import annotations

import os
import pickle  # noqa: TID251 - to write what must not be read
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Case = Callable[[Path], Path]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Register a case under its function's name."""
    CASES[function.__name__] = function
    return function


def value(name, shape=(1, 4), elem=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, elem, shape)


def stored(name, *shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def good(nodes=None, tensors=None, inputs=("x",), outputs=("y",), functions=(), opset=17, body=()) -> ModelProto:
    """``y = relu(x w)`` unless told otherwise; nodes in ``body`` come before."""
    nodes = nodes or [helper.make_node("MatMul", ["x", "w"], ["h"], "product"), node("Relu", ["h"], ["y"], "act")]
    tensors = [stored("w", 4, 4)] if tensors is None else tensors
    graph = helper.make_graph(
        [*body, *nodes], "g", [value(one) for one in inputs], [value(one) for one in outputs], tensors
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=functions)


def node(op, inputs, outputs, name="n", **attributes) -> NodeProto:
    return helper.make_node(op, inputs, outputs, name, **attributes)


def written(folder: Path, model: ModelProto | bytes) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def models(**made: Callable[[], ModelProto | bytes]) -> None:
    """Register cases that need no more than the model's own file."""
    for name, make in made.items():
        CASES[name] = lambda folder, make=make: written(folder, make())


def changed(change: Callable[[ModelProto], object], model: Callable[[], ModelProto] = good) -> Callable[[], ModelProto]:
    def make() -> ModelProto:
        proto = model()
        change(proto)
        return proto

    return make


# --------------------------------------------------------------------------------------------- what is no model at all


@case
def missing(folder):
    return folder / "nowhere.onnx"


@case
def nul_in_the_path(folder):
    return folder / "mod\0el.onnx"


@case
def a_path_through_a_file(folder):
    return written(folder, good()) / "model.onnx"


@case
def a_folder(folder):
    (folder / "model.onnx").mkdir()
    return folder / "model.onnx"


@case
def a_pipe(folder):
    os.mkfifo(folder / "model.onnx")
    return folder / "model.onnx"


@case
def ten_gigabytes_of_nothing(folder):
    with open(folder / "model.onnx", "wb") as file:
        file.truncate(10 * 2**30)
    return folder / "model.onnx"


@case
def a_link_to_nowhere(folder):
    (folder / "model.onnx").symlink_to(folder / "gone.onnx")
    return folder / "model.onnx"


@case
def a_zip(folder):
    with zipfile.ZipFile(folder / "model.onnx", "w") as file:
        file.writestr("model.onnx", good().SerializeToString())
    return folder / "model.onnx"


@case
def a_pickle(folder):
    return written(folder, pickle.dumps({"graph": [1, 2, 3], "weights": np.ones(100)}))


models(
    empty=lambda: b"",
    text=lambda: b"ir_version: 8\n",
    zeros=lambda: bytes(1000),
    ones=lambda: b"\xff" * 1000,
    json=lambda: b'{"graph": {"node": []}}',
    only_a_graph_header=lambda: b"\x3a\x00",
    a_length_beyond_the_end=lambda: b"\x3a\xff\xff\xff\xff\x07",
    a_length_of_64_bits=lambda: b"\x3a" + b"\xff" * 9 + b"\x01",
    messages_in_messages=lambda: nested(b"", 2000),
    text_proto=lambda: str(good()).encode(),
    a_tensor_proto=lambda: stored("w", 64, 64).SerializeToString(),
)


def nested(inner: bytes, times: int) -> bytes:
    """A group within a group within a group, as wire types 3 and 4 have it."""
    return b"\x3b" * times + inner + b"\x3c" * times


for end in (1, 2, 4, 8, 16, 32, 64, 128, -64, -4, -2, -1):
    models(**{f"truncated_at_{end}": lambda end=end: good().SerializeToString()[:end]})


# ----------------------------------------------------------------------------------------------------------- versions

models(
    opset_0=lambda: good(opset=0),
    opset_6=lambda: good(opset=6),
    opset_999=lambda: good(opset=999),
    opset_negative=lambda: good(opset=-17),
    opset_huge=lambda: good(opset=2**62),
    no_opset=changed(lambda m: m.ClearField("opset_import")),
    two_opsets=changed(lambda m: m.opset_import.extend([helper.make_opsetid("ai.onnx", 13)])),
    ir_version_0=changed(lambda m: setattr(m, "ir_version", 0)),
    ir_version_negative=changed(lambda m: setattr(m, "ir_version", -1)),
    ir_version_huge=changed(lambda m: setattr(m, "ir_version", 2**62)),
)


# --------------------------------------------------------------------------------------------------------------- names


def _not_utf8(model: ModelProto, text: str) -> bytes:
    return model.SerializeToString().replace(text.encode(), b"\xff" * len(text))


models(
    node_name_not_utf8=lambda: _not_utf8(good(), "product"),
    value_name_not_utf8=lambda: _not_utf8(
        good([node("Relu", ["x"], ["hidden"]), node("Relu", ["hidden"], ["y"])]), "hidden"
    ),
    operator_not_utf8=lambda: _not_utf8(good(), "MatMul"),
    two_tensors_of_one_name=lambda: good(tensors=[stored("w", 4, 4), stored("w", 4, 2)]),
    a_tensor_without_a_name=lambda: good(tensors=[stored("w", 4, 4), stored("", 4)]),
    two_inputs_of_one_name=lambda: good(inputs=("x", "x")),
    an_input_without_a_name=lambda: good(inputs=("x", "")),
    a_value_written_twice=lambda: good(body=[node("Relu", ["x"], ["y"])]),
    an_input_written=lambda: good([node("Relu", ["x"], ["x"]), node("Relu", ["x"], ["y"])]),
    a_tensor_written=lambda: good(body=[node("Relu", ["x"], ["w"])]),
    an_output_that_nothing_writes=lambda: good(outputs=("z",)),
    an_output_without_a_name=lambda: good(outputs=("",)),
    no_output=lambda: good(outputs=()),
    an_input_that_nothing_writes=lambda: good(body=[node("Relu", ["q"], ["p"])]),
    no_operator=lambda: good([node("", ["x"], ["y"])]),
    a_circle=lambda: good([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["a"], ["y"])]),
    a_node_that_waits_for_itself=lambda: good([node("Add", ["x", "y"], ["y"])]),
    a_long_circle=lambda: good(
        [node("Relu", [f"v{(i + 1) % 20000}"], [f"v{i}"]) for i in range(20000)], outputs=("v0",)
    ),
)


# ------------------------------------------------------------------------------------------------------------- inputs


def _typed(kind: str) -> Callable[[ModelProto], object]:
    def change(model: ModelProto) -> None:
        model.graph.input[0].ClearField("type")
        if kind:
            getattr(model.graph.input[0].type, kind).SetInParent()

    return change


models(
    an_input_of_no_type=changed(_typed("")),
    an_input_that_is_a_sequence=changed(_typed("sequence_type")),
    an_input_that_is_a_map=changed(_typed("map_type")),
    an_input_that_is_sparse=changed(_typed("sparse_tensor_type")),
    an_input_of_texts=changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 8)),
    an_input_of_an_unknown_type=changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 999)),
    an_input_of_impossible_size=changed(
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 2**62)
    ),
)
