"""Hostile nodes, graphs within graphs, and functions: more of :data:`tests.doors.hostile_onnx.CASES`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.doors.hostile_onnx import changed, good, models, node, stored, value

# --------------------------------------------------------------------------------------------------- nodes, attributes


def one(op, inputs=("x",), *, raw=None, drop="", outputs=("y",), domain="", **attributes) -> Callable[[], ModelProto]:
    """A model of one node whose attributes are wrong; ``raw`` is added as it is, ``drop`` is taken away."""

    def make() -> ModelProto:
        made = node(op, list(inputs), list(outputs), "wrong", domain=domain, **attributes)
        kept = [attribute for attribute in made.attribute if attribute.name != drop]
        del made.attribute[:]
        made.attribute.extend([*kept, *(raw or [])])
        kernel = stored("k", 1, 4, 3, 3)
        return good([made], [stored("w", 4, 4), kernel, stored("b", 4)])

    return make


def _twice() -> list[AttributeProto]:
    return [helper.make_attribute("axis", 0), helper.make_attribute("axis", 1)]


CONV = ("x", "k")
models(
    conv_with_an_unknown_attribute=one("Conv", CONV, foo=1),
    conv_without_weight=one("Conv"),
    conv_with_four_inputs=one("Conv", ("x", "k", "b", "b")),
    conv_with_weight_left_out=one("Conv", ("x", "", "b")),
    conv_strides_an_integer=one("Conv", CONV, strides=2),
    conv_strides_floats=one("Conv", CONV, strides=[1.0, 2.0]),
    conv_strides_zero=one("Conv", CONV, strides=[0, 1]),
    conv_dilations_negative=one("Conv", CONV, dilations=[-1, 1]),
    conv_strides_of_another_rank=one("Conv", CONV, strides=[1, 1, 1], dilations=[1, 1]),
    conv_pads_odd=one("Conv", CONV, pads=[1, 1, 1], strides=[1, 1]),
    conv_group_a_text=one("Conv", CONV, group="two"),
    conv_group_a_tensor=one("Conv", CONV, group=stored("t", 1)),
    conv_auto_pad_a_number=one("Conv", CONV, auto_pad=1),
    conv_transpose_of_other_ranks=one("ConvTranspose", CONV, output_padding=[1]),
    concat_without_axis=one("Concat", ("x", "x")),
    concat_axis_a_list=one("Concat", ("x", "x"), axis=[0]),
    concat_of_nothing=one("Concat", (), axis=0),
    concat_with_a_gap=one("Concat", ("x", "", "x"), axis=0),
    transpose_perm_a_number=one("Transpose", perm=1),
    transpose_perm_texts=one("Transpose", perm=["a"]),
    leaky_relu_alpha_an_integer=one("LeakyRelu", alpha=1),
    leaky_relu_alpha_a_graph=one("LeakyRelu", alpha=helper.make_graph([], "g", [], [])),
    relu_without_input=one("Relu", ()),
    relu_with_two_inputs=one("Relu", ("x", "x")),
    relu_with_input_left_out=one("Relu", ("",)),
    relu_with_two_outputs=one("Relu", outputs=("y", "z")),
    relu_without_output=lambda: good(body=[node("Relu", ["x"], [])]),
    gemm_alpha_texts=one("Gemm", ("x", "w"), alpha=["a"]),
    an_attribute_twice=one("Softmax", raw=_twice()),
    an_attribute_without_a_name=one("Softmax", raw=[AttributeProto(type=AttributeProto.INT, i=1)]),
    an_attribute_of_no_type=one("Softmax", raw=[AttributeProto(name="axis", i=1)]),
    an_attribute_of_graphs=one("Softmax", raw=[AttributeProto(name="axis", type=AttributeProto.GRAPHS)]),
    an_attribute_by_reference=one(
        "Softmax", raw=[AttributeProto(name="axis", type=AttributeProto.INT, ref_attr_name="a")]
    ),
    a_text_not_utf8=one("Conv", CONV, raw=[AttributeProto(name="auto_pad", type=AttributeProto.STRING, s=b"\xff")]),
    cast_to_an_unknown_type=one("Cast", to=999),
    cast_to_nothing=one("Cast"),
    a_constant_without_value=one("Constant", ()),
    a_constant_of_two_values=one("Constant", (), value_int=1, value_float=1.0),
    a_constant_of_texts=one("Constant", (), value=helper.make_tensor("t", TensorProto.STRING, [1], [b"a"])),
    gemm_of_constants_that_do_not_fit=one("MatMul", ("w", "k")),
    a_constant_of_terabytes=lambda: good(
        [node("MatMul", ["a", "b"], ["c"]), node("Add", ["x", "c"], ["y"])],
        [stored("a", 2**19, 1), stored("b", 1, 2**19)],
    ),
)


# ------------------------------------------------------------------------------- constants that unfold beyond measure


def bomb(op, *values, **attributes) -> Callable[[], ModelProto]:
    """A constant computed from a few numbers; lists are integers, arrays are as they are."""

    def make() -> ModelProto:
        arrays = [one if isinstance(one, np.ndarray) else np.array(one) for one in values]
        tensors = [numpy_helper.from_array(array, f"v{place}") for place, array in enumerate(arrays) if array.size]
        names = [f"v{place}" if array.size else "" for place, array in enumerate(arrays)]
        made = node(op, names, ["c"], "bomb", **attributes)
        return good([made, node("Cast", ["c"], ["f"], to=1), node("Add", ["x", "f"], ["y"])], tensors)

    return make


ONE, PIXELS = np.ones(1, np.float32), np.ones((1, 1, 2, 2), np.float32)
models(
    bomb_of_shape=bomb("ConstantOfShape", [2**40]),
    bomb_of_negative_shape=bomb("ConstantOfShape", [-5]),
    bomb_by_tiling=bomb("Tile", ONE, [2**40]),
    bomb_by_padding=bomb("Pad", ONE, [2**40, 2**40]),
    bomb_by_counting=bomb("Range", 0, 2**40, 1),
    bomb_by_small_steps=bomb("Range", *map(np.float32, (0, 1e30, 1e-30))),
    bomb_by_resizing=bomb("Resize", PIXELS, [], [], [1, 1, 2**20, 2**20], mode="linear"),
    bomb_by_products=bomb(
        "Einsum", np.ones((2**20, 1), np.float32), np.ones((2**20, 1), np.float32), equation="ab,cd->ac"
    ),
    bomb_by_windows=bomb("AveragePool", PIXELS, kernel_shape=[2, 2], pads=[2**29] * 4),
    bomb_by_one_hot=bomb("OneHot", [1, 2], 2**40, np.array([0, 1], np.float32)),
)


# ----------------------------------------------------------------------------------------------- graphs in other graphs


def branch(nodes, outputs=("b",), inputs=(), tensors=(), name="branch"):
    return helper.make_graph(
        nodes, name, [value(one) for one in inputs], [value(one) for one in outputs], list(tensors)
    )


def conditional(then, other=None, outputs=("y",), stored_condition=False):
    condition = numpy_helper.from_array(np.array(True), "c")
    model = good([node("If", ["c"], list(outputs), "choice", then_branch=then, else_branch=other or then)], [])
    if stored_condition:
        model.graph.initializer.append(condition)
    else:
        model.graph.input.append(value("c", (), TensorProto.BOOL))
    return model


def plain_branch(**changes):
    return branch([node("Relu", ["x"], ["b"], "inner")], **changes)


def deep(levels: int) -> ModelProto:
    inner = plain_branch()
    for _ in range(levels):
        inner = branch([node("If", ["c"], ["b"], "deeper", then_branch=inner, else_branch=plain_branch())])
    return conditional(inner)


def deeper(levels: int) -> bytes:
    """Graphs in graphs as bytes, deeper than protobuf writes or reads them itself."""
    inner = plain_branch().SerializeToString()
    for _ in range(levels):
        attribute = AttributeProto(name="then_branch", type=AttributeProto.GRAPH).SerializeToString() + field(6, inner)
        inner = field(1, NodeProto(op_type="If", input=["c"], output=["b"]).SerializeToString() + field(5, attribute))
    return ModelProto(ir_version=10).SerializeToString() + field(7, inner + b"\x62\x00")


def field(number: int, content: bytes) -> bytes:
    """A field of bytes: its key, its length in groups of seven bits, and itself (protobuf's encoding)."""
    size, length = len(content), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def no_else() -> ModelProto:
    model = conditional(plain_branch())
    del model.graph.node[0].attribute[1:]
    return model


models(
    graphs_17_deep=lambda: deep(17),
    graphs_beyond_the_parser=lambda: deeper(500),
    no_else_branch=no_else,
    a_branch_with_an_input=lambda: conditional(plain_branch(inputs=("i",))),
    a_stored_choice_of_a_branch_with_an_input=lambda: conditional(plain_branch(inputs=("i",)), stored_condition=True),
    a_branch_with_two_outputs=lambda: conditional(plain_branch(outputs=("b", "b"))),
    a_branch_with_no_output=lambda: conditional(plain_branch(outputs=()), stored_condition=True),
    a_branch_that_is_a_number=one("If", ("x",), then_branch=1, else_branch=2),
    a_branch_that_reads_nothing=lambda: conditional(branch([node("Relu", ["nowhere"], ["b"])])),
    a_branch_that_reads_what_comes_later=lambda: conditional(branch([node("Relu", ["y"], ["b"])])),
    a_branch_that_writes_a_value_around_it=lambda: conditional(branch([node("Relu", ["x"], ["x"])], outputs=("x",))),
    a_branch_with_a_circle=lambda: conditional(branch([node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["a"])])),
    a_branch_with_a_damaged_tensor=lambda: conditional(
        plain_branch(tensors=[TensorProto(name="t", data_type=1, dims=[4], raw_data=b"123")])
    ),
    a_branch_with_a_wrong_node=lambda: conditional(
        branch([node("Concat", ["x", "x"], ["b"], "inner")]), stored_condition=True
    ),
    a_choice_by_nothing=changed(
        lambda m: m.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones(0, bool), "c")),
        lambda: conditional(plain_branch(), stored_condition=True),
    ),
    a_loop_with_a_short_body=lambda: good([node("Loop", ["", "", "x"], ["y"], "loop", body=plain_branch())]),
)


# ------------------------------------------------------------------------------------------------------------ functions


def function(name, nodes, inputs=("a",), outputs=("z",), attributes=(), opset=17):
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, list(inputs), list(outputs), nodes, opsets, list(attributes))


def call(name, inputs=("x",), outputs=("y",), **attributes):
    return node(name, list(inputs), list(outputs), f"call_{name}", domain="local", **attributes)


def inner(name, inputs=("a",), outputs=("z",)):
    return call(name, inputs, outputs)


def doubling(levels: int, last: list[NodeProto]) -> ModelProto:
    """Each function calls the next one twice."""
    made = [
        function(f"f{i}", [inner(f"f{i + 1}", ("a",), ("m",)), inner(f"f{i + 1}", ("m",), ("z",))])
        for i in range(levels)
    ]  # fmt: skip
    return good([call("f0")], functions=[*made, function(f"f{levels}", last)])


def heavy() -> ModelProto:
    """A function with a constant of a megabyte, called 5000 times."""
    weight = node("Constant", [], ["c"], value=stored("t", 512, 512))
    calls = [call("f", (f"v{i}",), (f"v{i + 1}",)) for i in range(5000)]
    add = node("Add", ["a", "c"], ["z"])
    return good([node("Relu", ["x"], ["v0"]), *calls], outputs=("v5000",), functions=[function("f", [weight, add])])


def by_way_of_a_branch() -> ModelProto:
    body = branch([inner("f", ("a",), ("b",))])
    return good([call("f")], functions=[function("f", [node("If", ["a"], ["z"], then_branch=body, else_branch=body)])])


RELU = [node("Relu", ["a"], ["z"])]
models(
    a_function_that_calls_itself=lambda: good([call("f")], functions=[function("f", [inner("f")])]),
    functions_in_a_circle=lambda: good(
        [call("f")], functions=[function("f", [inner("g")]), function("g", [inner("f")])]
    ),
    a_function_that_calls_itself_from_a_branch=by_way_of_a_branch,
    functions_that_double=lambda: doubling(30, RELU),
    functions_that_double_nothing=lambda: doubling(31, []),
    functions_too_deep=lambda: good(
        [call("f0")], functions=[function(f"f{i}", [inner(f"f{i + 1}")]) for i in range(200)] + [function("f200", RELU)]
    ),
    a_function_of_gigabytes=heavy,
    two_functions_of_one_name=lambda: good([call("f")], functions=[function("f", RELU), function("f", RELU)]),
    a_call_with_too_many_inputs=lambda: good([call("f", ("x", "x"))], functions=[function("f", RELU)]),
    a_call_with_too_many_outputs=lambda: good([call("f", ("x",), ("y", "q"))], functions=[function("f", RELU)]),
    a_call_without_its_input=lambda: good([call("f", ())], functions=[function("f", RELU)]),
    a_function_that_writes_nothing=lambda: good([call("f")], functions=[function("f", [])]),
    a_function_of_another_opset=lambda: good(
        [call("f")], functions=[function("f", [node("Softmax", ["a"], ["z"])], opset=9)]
    ),
    a_function_with_a_wrong_node=lambda: good([call("f")], functions=[function("f", [node("Concat", ["a"], ["z"])])]),
    a_reference_of_the_wrong_type=lambda: good(
        [call("f", k=[1.0])], functions=[function("f", [referring("Softmax", "axis", "k")], attributes=["k"])]
    ),
    a_reference_to_nothing=lambda: good(
        [call("f")], functions=[function("f", [referring("Concat", "axis", "k")], attributes=["k"])]
    ),
)


def referring(op, name, of):
    """A node of a function whose attribute is the call's."""
    made = node(op, ["a"], ["z"])
    made.attribute.append(AttributeProto(name=name, ref_attr_name=of, type=AttributeProto.INT))
    return made
