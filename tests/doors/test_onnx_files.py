"""What a good ONNX file says is what the door reads: tensors, functions, order, names."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnx.inliner
import pytest
import torch
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from docs.conformance import execute, to_numpy
from qdebug.doors.onnx import from_proto, lower_onnx, read_onnx
from qdebug.doors.onnx.elements import ELEMENTS
from tests.doors.hostile_graphs import branch, call, conditional, function, referring
from tests.doors.hostile_onnx import good, node, stored, value, written

X = np.random.default_rng(7).normal(size=(3, 4)).astype(np.float32)


def outputs(file, **feeds):
    """What a read file computes, by output."""
    lowered = lower_onnx(file)
    assert not lowered.unknown
    given = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in feeds.items()}
    return {name: tensor.numpy() for name, tensor in execute(lowered.program, given).items()}


def assert_like_onnx(model, file=None, **feeds):
    """It computes what ONNX's own evaluator does."""
    feeds = feeds or {"x": X}
    reference = ReferenceEvaluator(model).run(None, feeds)
    got = outputs(file or from_proto(model), **feeds)
    for one, (name, array) in zip(reference, got.items(), strict=True):
        np.testing.assert_allclose(array, one, rtol=1e-6, atol=1e-6, err_msg=name)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# ------------------------------------------------------------------------------------------------------- external data


def two_layers():
    nodes = [
        node("Constant", [], ["c"], "bias", value=numpy_helper.from_array(noise(4), "c")),
        node("MatMul", ["x", "w"], ["h"], "first"), node("Add", ["h", "c"], ["s"], "plus"),
        node("MatMul", ["s", "v"], ["y"], "second"),
    ]  # fmt: skip
    return good(nodes, [numpy_helper.from_array(noise(4, 4, seed=1), "w"), numpy_helper.from_array(noise(4, 4), "v")])


@pytest.mark.parametrize("one_file", [True, False])
@pytest.mark.parametrize("attributes", [True, False])
def test_data_beside_the_model(tmp_path, one_file, attributes):
    path = tmp_path / "model.onnx"
    onnx.save_model(
        two_layers(), path, save_as_external_data=True, all_tensors_to_one_file=one_file, size_threshold=0,
        location="weights.bin" if one_file else None, convert_attribute=attributes,
    )  # fmt: skip
    beside = {file.name for file in tmp_path.iterdir()} - {"model.onnx"}
    assert ("weights.bin" in beside) == one_file and len(beside) == (1 if one_file else 2 + attributes)
    assert_like_onnx(two_layers(), read_onnx(path))


@pytest.mark.parametrize("offset", [0, 1, 6, 4096])
def test_data_at_any_offset_in_a_folder_below(tmp_path, offset):
    weight = noise(4, 4)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "data").write_bytes(b"\xff" * offset + weight.tobytes() + b"\xff" * 5)
    held = TensorProto(name="w", data_type=1, dims=[4, 4], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", "sub/data"), ("offset", str(offset)), ("length", "64")):
        held.external_data.add(key=key, value=text)
    read = read_onnx(written(tmp_path, good(tensors=[held])))
    np.testing.assert_array_equal(read.tensors["w"].numpy(), weight)
    assert read.tensors["w"].data_ptr() % 4 == 0


def test_writing_to_a_tensor_leaves_its_file_alone(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save_model(two_layers(), path, save_as_external_data=True, location="data", size_threshold=0)
    before = (tmp_path / "data").read_bytes()
    read_onnx(path).tensors["w"].zero_()
    assert (tmp_path / "data").read_bytes() == before


# ------------------------------------------------------------------------------------------------------- element types

_KINDS = {
    10: np.float16, 16: ml_dtypes.bfloat16, 17: ml_dtypes.float8_e4m3fn, 18: ml_dtypes.float8_e4m3fnuz,
    19: ml_dtypes.float8_e5m2, 20: ml_dtypes.float8_e5m2fnuz, 24: ml_dtypes.float8_e8m0fnu,
}  # fmt: skip


def bits_of(elem: int, shape, seed: int = 0) -> bytes:
    """Raw data of a tensor in which any bit pattern may stand."""
    draw = np.random.default_rng(seed)
    size = -(-int(np.prod(shape)) * ELEMENTS[elem].bits // 8)
    if ELEMENTS[elem].name == "bool":
        return draw.integers(0, 2, size, np.uint8).tobytes()
    return draw.integers(0, 256, size).astype(np.uint8).tobytes()


def assert_same(tensor, proto, elem):
    wanted = numpy_helper.to_array(proto)
    got = to_numpy(tensor, elem)
    assert got.shape == wanted.shape
    if wanted.dtype.kind in "biu" or elem in (21, 22, 25, 26):
        np.testing.assert_array_equal(got.astype(np.int64), wanted.astype(np.int64))
    else:
        wide = np.complex128 if wanted.dtype.kind == "c" else np.float64
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(got.astype(wide), wanted.astype(wide))


@pytest.mark.parametrize("shape", [(3, 5), (1,), (), (0, 3), (7,)], ids=str)
@pytest.mark.parametrize("elem", ELEMENTS, ids=lambda elem: ELEMENTS[elem].name)
def test_raw_data_of_every_element_type(elem, shape):
    proto = TensorProto(name="w", data_type=elem, dims=shape, raw_data=bits_of(elem, shape))
    read = from_proto(good([node("Relu", ["x"], ["y"])], [proto]))
    assert read.model.graph.constants[0].elem == elem
    assert_same(read.tensors["w"], proto, elem)


@pytest.mark.parametrize("elem", ELEMENTS, ids=lambda elem: ELEMENTS[elem].name)
def test_typed_fields_of_every_element_type(elem):
    raw = TensorProto(name="w", data_type=elem, dims=(3, 5), raw_data=bits_of(elem, (3, 5)))
    proto = TensorProto(name="w", data_type=elem, dims=(3, 5))
    name, width = ELEMENTS[elem].name, ELEMENTS[elem].bits
    if name in ("float", "complex64"):
        proto.float_data.extend(np.frombuffer(raw.raw_data, np.float32))
    elif name in ("double", "complex128"):
        proto.double_data.extend(np.frombuffer(raw.raw_data, np.float64))
    elif name == "int64":
        proto.int64_data.extend(np.frombuffer(raw.raw_data, np.int64))
    elif name in ("uint32", "uint64"):
        proto.uint64_data.extend(np.frombuffer(raw.raw_data, f"u{width // 8}"))
    elif width == 6:  # one a value
        proto.int32_data.extend(numpy_helper.to_array(raw).view(np.uint8).reshape(-1) & 63)
    else:  # integers as such; small and half floats as their bits
        sign = "i" if name in ("int8", "int16", "int32") else "u"
        proto.int32_data.extend(np.frombuffer(raw.raw_data, f"{sign}{max(width // 8, 1)}"))
    read = from_proto(good([node("Relu", ["x"], ["y"])], [proto]))
    assert_same(read.tensors["w"], raw, elem)


# -------------------------------------------------------------------------------------------------------------- sparse


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("elem", [1, 10, 16, 17, 3, 7, 9, 11])
def test_sparse_tensors(flat, elem):
    places = [0, 3, 9, 15]
    values = TensorProto(name="w", data_type=elem, dims=[4], raw_data=bits_of(elem, (4,)))
    where = np.array(places if flat else [divmod(place, 4) for place in places], np.int64)
    model = good([node("Relu", ["x"], ["y"])], [])
    indices = numpy_helper.from_array(where, "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4, 4]))
    read = from_proto(model).tensors["w"]
    dense = to_numpy(read, elem).reshape(-1).astype(np.float64)
    np.testing.assert_array_equal(dense[places], numpy_helper.to_array(values).astype(np.float64))
    assert np.count_nonzero(np.delete(dense, places)) == 0 and read.shape == (4, 4)


def test_a_sparse_weight_computes_what_the_dense_one_does():
    dense = np.zeros((4, 4), np.float32)
    dense.reshape(-1)[[1, 6, 14]] = [0.5, -2.0, 3.0]
    model = good(tensors=[])
    values, places = helper.make_tensor("w", 1, [3], [0.5, -2.0, 3.0]), helper.make_tensor("i", 7, [3], [1, 6, 14])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [4, 4]))
    assert_like_onnx(good(tensors=[numpy_helper.from_array(dense, "w")]), from_proto(model))


# ----------------------------------------------------------------------------------------------------------- functions


def test_functions_in_functions():
    scaled = function("scaled", [node("Mul", ["a", "f"], ["z"])], inputs=("a", "f"))
    both = function("both", [call("scaled", ("a", "f"), ("m",)), call("scaled", ("m", "f"), ("z",))], ("a", "f"))
    nodes = [call("both", ("x", "w"), ("h",)), call("both", ("h", "w"), ("y",))]
    assert_like_onnx(good(nodes, [numpy_helper.from_array(noise(4), "w")], functions=[scaled, both]))


@pytest.mark.parametrize("axis", [0, 1])
def test_an_attribute_by_reference_through_two_functions(axis):
    inner = function("inner", [referring("Softmax", "axis", "k")], attributes=["k"])
    passed = call("inner", ("a",), ("z",))
    passed.attribute.append(AttributeProto(name="k", ref_attr_name="j", type=AttributeProto.INT))
    outer = function("outer", [passed], attributes=["j"])
    model = good([call("outer", j=axis)], functions=[inner, outer])
    # ONNX's own evaluator cannot pass a reference on; its inliner can.
    assert_like_onnx(onnx.inliner.inline_local_functions(model), from_proto(model))


@pytest.mark.parametrize("given", [{}, {"k": 0}])
def test_an_attribute_with_a_default(given):
    made = function("f", [referring("Softmax", "axis", "k")])
    made.attribute_proto.append(helper.make_attribute("k", 1))
    model = good([call("f", **given)], functions=[made])
    got = outputs(from_proto(model), x=X)["y"]
    np.testing.assert_allclose(got.sum(given.get("k", 1)), 1, rtol=1e-6)


def test_an_attribute_that_is_left_out_is_the_operators_default():
    made = function("f", [referring("Softmax", "axis", "k")], attributes=["k"])
    np.testing.assert_allclose(outputs(from_proto(good([call("f")], functions=[made])), x=X)["y"].sum(-1), 1, rtol=1e-6)


def test_a_function_that_hands_an_input_on_and_one_value_twice():
    made = function("f", [node("Relu", ["a"], ["r"])], outputs=("a", "r", "r"))
    model = good([call("f", ("x",), ("y", "p", "q"))], functions=[made], outputs=("y", "p", "q"))
    got = outputs(from_proto(model), x=X)
    np.testing.assert_array_equal(got["y"], X)
    np.testing.assert_array_equal(got["p"], X.clip(0))
    np.testing.assert_array_equal(got["q"], X.clip(0))


@pytest.mark.parametrize("choice", [True, False])
def test_a_function_with_graphs_that_read_its_inputs(choice):
    then = branch([node("Add", ["a", "one"], ["s"])], ("s",), tensors=[stored("one", 1)])
    other = branch([node("Mul", ["a", "b"], ["m"])], ("m",))
    body = [node("Relu", ["a"], ["b"]), node("If", ["c"], ["z"], "choice", then_branch=then, else_branch=other)]
    made = function("f", body, inputs=("c", "a"))
    condition = numpy_helper.from_array(np.array(choice), "flag")
    assert_like_onnx(good([call("f", ("flag", "x"))], [condition], functions=[made]))


def test_functions_compute_what_they_do_inlined():
    soft = function("soft", [referring("Softmax", "axis", "k")], attributes=["k"])
    twice = function("twice", [call("soft", ("a",), ("m",), k=0), node("Add", ["m", "a"], ["z"])])
    model = good([call("twice", ("x",), ("h",)), call("twice", ("h",), ("y",))], functions=[soft, twice])
    inlined = onnx.inliner.inline_local_functions(model)
    assert not inlined.functions
    got, wanted = outputs(from_proto(model), x=X)["y"], outputs(from_proto(inlined), x=X)["y"]
    np.testing.assert_array_equal(got, wanted)


def test_a_function_of_another_opset_in_which_its_operators_are_the_same():
    made = function("f", [node("Relu", ["a"], ["z"])], opset=14)
    assert_like_onnx(good([call("f")], functions=[made]))


# ----------------------------------------------------------------------------------------------- order, names, captures


def test_nodes_in_any_order():
    nodes = [
        node("Add", ["s", "t"], ["y"], "last"), node("Relu", ["h"], ["s"], "left"), node("Tanh", ["h"], ["t"], "right"),
        node("MatMul", ["x", "w"], ["h"], "first"),
    ]  # fmt: skip
    weight = [numpy_helper.from_array(noise(4, 4), "w")]
    got = outputs(from_proto(good(nodes, weight)), x=X)["y"]
    reference = ReferenceEvaluator(good(nodes[::-1], weight)).run(None, {"x": X})[0]
    np.testing.assert_allclose(got, reference, rtol=1e-6, atol=1e-6)


def test_nodes_in_order_stay_where_they_are():
    nodes = [node("Relu", ["x"], [f"v{i}"], f"n{i}") for i in range(9)] + [node("Concat", ["v8", "v0"], ["y"], axis=1)]
    assert [one.name for one in from_proto(good(nodes)).model.graph.nodes] == [one.name for one in nodes]


def test_a_long_chain_opens():
    nodes = [node("Relu", [f"v{i}"], [f"v{i + 1}"], f"n{i}") for i in range(20_000)]
    nodes[0].input[0] = "x"
    lowered = lower_onnx(from_proto(good(nodes[::-1], [], outputs=("v20000",))))
    assert [step.name for step in lowered.program.steps] == ["x"] + [f"v{i + 1}" for i in range(20_000)]


def test_stored_tensors_that_are_inputs_too_need_not_be_fed():
    model = good(inputs=("x", "w"))
    model.ir_version = 3
    lowered = lower_onnx(from_proto(model))
    assert [spec.name for spec in lowered.inputs] == ["x"] and list(lowered.program.inputs) == ["x"]


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_values_captured_by_graphs_in_graphs(depth):
    inner = branch([node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "early"], ["b"])])
    for _ in range(depth):
        inner = branch([node("If", ["c"], ["b"], then_branch=inner, else_branch=inner)])
        inner.node[0].output[0] = inner.output[0].name = f"b{_}"
    model = conditional(inner, stored_condition=True)
    model.graph.initializer.append(numpy_helper.from_array(noise(4, 4), "w"))
    model.graph.node.insert(0, node("Tanh", ["x"], ["early"]))
    file = from_proto(model)
    assert set(file.model.graph.nodes[1].attributes["then_branch"].captured) >= {"x", "w", "early"}
    weight = file.tensors["w"].numpy()
    np.testing.assert_allclose(outputs(file, x=X)["y"], X @ weight + np.tanh(X), rtol=1e-5, atol=1e-5)


def test_a_branch_may_call_its_own_tensor_like_one_of_another_branch():
    then, other = (branch([node("Mul", ["x", "k"], [out])], (out,), tensors=[numpy_helper.from_array(k, "k")])
                   for out, k in (("p", np.float32(2)), ("q", np.float32(3))))  # fmt: skip
    model = conditional(then, other, stored_condition=True)
    np.testing.assert_array_equal(outputs(from_proto(model), x=X)["y"], 2 * X)


def test_a_tensors_key_never_hides_another():
    """Keys are made of names, and a file may use names that look like keys."""
    tensors = [stored("k@3", 1), stored("k", 2), stored("n.value", 3)]
    constant = node("Constant", [], ["c"], "n", value=stored("", 4))
    file = from_proto(good([constant, node("Relu", ["x"], ["y"])], tensors))
    (held,) = file.model.graph.nodes[0].attributes.values()
    shapes = {one.key: one.shape for one in (*file.model.graph.constants, held)}
    assert {key: tuple(tensor.shape) for key, tensor in file.tensors.items()} == shapes and len(shapes) == 4


def test_names_are_kept():
    nodes = [
        node("MatMul", ["x", "w"], ["/blocks.0/out:0"], "/blocks.0/MatMul"),
        node("Relu", ["/blocks.0/out:0"], ["second"], ""), node("Tanh", ["second"], ["y"], "head"),
    ]  # fmt: skip
    lowered = lower_onnx(from_proto(good(nodes)))
    steps = {step.name: step for step in lowered.program.steps}
    assert list(steps) == ["x", "w", "/blocks.0/out:0", "second", "y"]
    assert [steps[name].module for name in ("/blocks.0/out:0", "second", "y")] == ["/blocks.0/MatMul", "second", "head"]
    assert list(lowered.program.outputs) == ["y"]


def test_names_in_functions_carry_the_call():
    made = function("f", [node("Tanh", ["a"], ["t"], "bend"), node("Relu", ["t"], ["z"], "act")])
    nodes = [call("f", ("x",), ("h",)), call("f", ("h",), ("y",))]
    steps = lower_onnx(from_proto(good(nodes, [], functions=[made]))).program.steps
    assert [step.module for step in steps] == ["", *(f"call_f#{i}/{name}" for i in (1, 2) for name in ("bend", "act"))]
    assert [step.name for step in steps if step.name in "xhy"] == ["x", "h", "y"]
    assert len({step.name for step in steps}) == len(steps)


def test_attributes_that_are_no_numbers_of_json(tmp_path):
    nodes = [node("Constant", [], ["c"], value_floats=[float("inf"), float("nan"), 1.0]),
             node("Constant", [], ["d"], value_float=float("-inf")),
             node("Add", ["c", "d"], ["s"]), node("Add", ["x", "s"], ["y"])]  # fmt: skip
    state = [tensor.tolist() for tensor in lower_onnx(from_proto(good(nodes, []))).program.state.values()]
    assert str(state) == "[[nan, nan, -inf]]"


def test_what_the_file_says_of_itself():
    model = good()
    model.producer_name, model.producer_version = "exporter", "1.2"
    model.metadata_props.add(key="author", value="somebody")
    read = from_proto(model).model
    assert (read.producer, read.metadata, read.opset, read.ir_version) == (
        "exporter 1.2",
        {"author": "somebody"},
        17,
        10,
    )


def test_sizes_that_vary():
    model = good([node("Relu", ["x"], ["y"])], [])
    model.graph.input[0].CopyFrom(value("x", ("N", None, 8)))
    (spec,) = lower_onnx(from_proto(model)).inputs
    assert spec.shape == (None, None, 8) and spec.dtype == "float32"
