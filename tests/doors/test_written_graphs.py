"""A plain graph written as a protobuf says the same when it is read again, and ONNX's checker takes it."""

from __future__ import annotations

import warnings

import msgspec
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from docs import conformance
from qdebug.doors.onnx import from_proto, read_onnx, to_proto
from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.ir import NonFinite
from qdebug.errors import FileError, QDebugError
from tests.doors.test_onnx_conformance import LIGHT
from tests.onnx_files import write_network

#: Their type is an optional of a sequence, and no model with such a value can be run here.
UNTYPED = {
    "test_identity_opt", "test_if_opt", "test_loop16_seq_none", "test_optional_get_element_optional_sequence",
}  # fmt: skip


def raw(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8).tolist()


def assert_same(one, two):
    """NaN in an attribute is a word here, so models can be compared; what was renamed is not renamed again."""
    assert msgspec.structs.replace(one.model, renamed=()) == two.model
    assert list(one.tensors) == list(two.tensors)
    for key, tensor in one.tensors.items():
        assert (two.tensors[key].dtype, two.tensors[key].shape) == (tensor.dtype, tensor.shape)
        assert raw(two.tensors[key]) == raw(tensor)


def again(proto):
    """A model read, written and read, which must be the same twice; the written one."""
    read = from_proto(proto)
    written = to_proto(read)
    assert_same(read, from_proto(written))
    return written


def accepted(proto):
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError:
        return False
    return True


def model(nodes, inputs=(), outputs=("y",), stored=(), ir_version=10, opset=21, **more):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        list(nodes), "g", [value(name, TensorProto.FLOAT, ["N", None, 2]) for name in inputs],
        [value(name, TensorProto.FLOAT, ["N", None, 2]) for name in outputs], list(stored),
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version, **more)


def test_every_node_case_of_onnx_comes_through():
    count, refused = 0, set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in conformance.cases():
            try:
                from_proto(case.model)
            except QDebugError:
                continue  # strings and the like
            count += 1
            if accepted(case.model) and not accepted(again(case.model)):
                refused.add(case.name)
    assert count > 1800
    assert refused == UNTYPED


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_a_light_model_comes_through(path):
    written = again(onnx.load(path))
    assert accepted(written)
    original = onnx.load(path)
    assert [node.op_type for node in written.graph.node] == [node.op_type for node in original.graph.node]
    assert [node.output for node in written.graph.node] == [node.output for node in original.graph.node]
    stored = {one.name for one in original.graph.initializer}
    assert [one for one in written.graph.input if one.name not in stored] == [
        one for one in original.graph.input if one.name not in stored
    ]
    assert written.graph.output == original.graph.output
    assert written.opset_import == original.opset_import


@pytest.mark.parametrize("number", ELEMENTS)
def test_tensors_of_every_element_type_keep_their_bytes(number):
    element, draw = ELEMENTS[number], np.random.default_rng(number)
    stored = []
    for place, shape in enumerate([(), (0, 3), (7,), (2, 3), (3, 5)]):
        count = int(np.prod(shape))
        codes = draw.integers(0, 2 if element.name == "bool" else 256, -(-count * element.bits // 8), dtype=np.uint8)
        left = count * element.bits % 8
        if left:  # what is behind the last value is nobody's
            codes[-1] &= (1 << left) - 1
        stored.append(
            TensorProto(name=f"t{place}", data_type=number, dims=shape, raw_data=codes.tobytes())
        )  # fmt: skip
    written = again(model([helper.make_node("Relu", ["x"], ["y"])], ["x"], stored=stored))
    assert list(written.graph.initializer) == stored


def test_a_negative_zero_of_a_small_float_is_kept():
    stored = TensorProto(name="t", data_type=TensorProto.FLOAT4E2M1, dims=[2], raw_data=b"\x80")
    written = again(model([helper.make_node("Relu", ["x"], ["y"])], ["x"], stored=[stored]))
    assert written.graph.initializer[0].raw_data == b"\x80"


def test_what_is_no_value_of_its_type_is_refused():
    stored = TensorProto(name="t", data_type=TensorProto.FLOAT4E2M1, dims=[2], raw_data=b"\x80")
    read = from_proto(model([helper.make_node("Relu", ["x"], ["y"])], ["x"], stored=[stored]))
    read.tensors["t"][0] = 0.3
    with pytest.raises(FileError, match="a value is none of float4e2m1"):
        to_proto(read)


def test_attributes_of_every_kind_come_through():
    nodes = [
        helper.make_node(
            "Odd", ["x"], ["y"], domain="com.example", name="odd", whole=-3, real=0.1, huge=float("inf"), text="é",
            wholes=[1, -2], reals=[0.5, float("nan"), 2.0], texts=["a", ""],
            tensor=numpy_helper.from_array(np.arange(3, dtype=np.int16)),
        )
    ]  # fmt: skip
    proto = model(nodes, ["x"])
    proto.opset_import.add(domain="com.example", version=3)
    found = {one.name: helper.get_attribute_value(one) for one in again(proto).graph.node[0].attribute}
    assert found["whole"] == -3 and found["real"] == np.float32(0.1) and found["huge"] == float("inf")
    assert found["text"] == "é".encode() and found["texts"] == [b"a", b""]
    assert found["wholes"] == [1, -2]
    assert found["reals"][::2] == [0.5, 2.0] and np.isnan(found["reals"][1])
    assert numpy_helper.to_array(found["tensor"]).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("name", "kind"), [("value_floats", "FLOATS"), ("value_ints", "INTS")])
def test_an_empty_list_is_of_the_kind_that_onnx_says(name, kind):
    node = helper.make_node("Constant", [], ["y"])
    node.attribute.add(name=name, type=getattr(onnx.AttributeProto, kind))
    assert again(model([node])).graph.node[0].attribute[0].type == getattr(onnx.AttributeProto, kind)


def test_sparse_tensors_come_through_as_constants_and_as_attributes():
    values = numpy_helper.from_array(np.array([1.5, -0.0], np.float32), "s")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([1, 4])), [2, 3])
    proto = model([helper.make_node("Constant", [], ["y"], sparse_value=sparse)])
    proto.graph.sparse_initializer.append(sparse)
    written = again(proto)
    assert written.graph.node[0].attribute[0].type == onnx.AttributeProto.SPARSE_TENSOR
    assert numpy_helper.to_array(written.graph.initializer[0]).tolist() == [[0, 1.5, 0], [0, -0.0, 0]]


@pytest.mark.parametrize("version", [3, 10])
def test_stored_tensors_are_inputs_only_where_old_files_need_it(version):
    stored = numpy_helper.from_array(np.ones((1, 2), np.float32), "w")
    proto = model([helper.make_node("Add", ["x", "w"], ["y"])], ["x"], stored=[stored], ir_version=version, opset=8)
    proto.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, 2]))
    written = again(proto)
    assert [one.name for one in written.graph.input] == (["x", "w"] if version == 3 else ["x"])
    assert accepted(written)


def test_a_node_without_a_name_and_one_that_is_called_like_its_output():
    nodes = [helper.make_node("Relu", ["x"], ["z"]), helper.make_node("Relu", ["z"], ["y"], name="z")]
    assert [node.name for node in again(model(nodes, ["x"])).graph.node] == ["", "z"]
    nodes[0].name = "z"
    assert [node.name for node in again(model(nodes, ["x"])).graph.node] == ["z", "z#2"]


def test_functions_are_written_out_and_notes_are_kept():
    function = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"], name="add")],
        [helper.make_opsetid("", 21)],
    )  # fmt: skip
    proto = model([helper.make_node("Twice", ["x"], ["y"], domain="own", name="call")], ["x"], functions=[function])
    proto.opset_import.add(domain="own", version=1)
    helper.set_model_props(proto, {"made": "by hand"})
    proto.producer_name, proto.producer_version = "tool", "1.0"
    written = again(proto)
    assert [node.op_type for node in written.graph.node] == ["Add"]
    assert not written.functions and accepted(written)
    assert [(one.key, one.value) for one in written.metadata_props] == [("made", "by hand")]
    assert written.producer_name == "tool 1.0"


def test_tensors_beside_the_file_are_in_what_is_written(tmp_path):
    read = read_onnx(write_network(tmp_path / "net.onnx", external=True))
    (tmp_path / "net.weights").unlink()
    written = to_proto(read)
    assert all(one.raw_data and not one.external_data for one in written.graph.initializer)
    assert_same(read, from_proto(written))


def test_numbers_that_no_file_can_hold_are_one_clear_error():
    read = from_proto(model([helper.make_node("Odd", ["x"], ["y"], domain="d", n=1)], ["x"]))
    read.model.graph.nodes[0].attributes["n"] = 2**63
    with pytest.raises(FileError, match="cannot be written as an ONNX file"):
        to_proto(read)
    read.model.graph.nodes[0].attributes["n"] = NonFinite("nan")
    assert to_proto(read).graph.node[0].attribute[0].type == onnx.AttributeProto.FLOAT
