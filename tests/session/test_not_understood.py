"""What is passed over is said: codes that no layer reads, and layers inside the bodies of control flow."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from qdebug.session import inspect

make = helper.make_node
RNG = np.random.default_rng(0)


def value(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape or None)


def stored(**values):
    return [numpy_helper.from_array(one, name) for name, one in values.items()]


def weight(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def said(tmp_path, nodes, constants):
    graph = helper.make_graph(nodes, "g", [value("x", None, 4)], [value("y")], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    return inspect(tmp_path / "m.onnx").not_understood


CODES = "The file holds 'codes' in codes that no layer here reads as they are: their float values are used"


@pytest.mark.parametrize(
    ("shape", "between", "last", "text"),
    [
        ((4,), [], "Mul", CODES),
        ((1, 4), [], "Add", CODES),
        ((4, 4), [make("Transpose", ["d"], ["t"], perm=[1, 0])], "MatMul", CODES),
        ((1, 300), [], "Mul", "reads codes [1, 300] and stays float"),
        ((4, 4), [], "MatMul", None),
    ],
)
def test_codes_that_no_layer_reads_are_named_however_few(tmp_path, shape, between, last, text):
    codes = RNG.integers(-90, 90, shape).astype(np.int8)
    nodes = [
        make("MatMul", ["x", "w"], ["m"], "first"), make("DequantizeLinear", ["codes", "s", "z"], ["d"]), *between,
        make(last, ["m", "t" if between else "d"], ["y"], "last"),
    ]  # fmt: skip
    constants = stored(w=weight(4, shape[-1]), codes=codes, s=np.float32(0.1), z=np.int8(0))
    found = said(tmp_path, nodes, constants)
    assert len(found) == (text is not None)
    assert text is None or text in found[0]


def body(*nodes, constants=(), inputs=(), outputs=("o",)):
    return helper.make_graph(list(nodes), "body", list(inputs), [value(name) for name in outputs], list(constants))


CHOICE = [make("ReduceMax", ["x"], ["most"], keepdims=0), make("Greater", ["most", "zero"], ["c"])]


def test_layers_inside_control_flow_are_counted_once(tmp_path):
    """Their weights may be stored in the body or around it; what multiplies two computed values is no layer."""
    one = body(make("MatMul", ["x", "w"], ["o"]))
    two = body(
        make("Gemm", ["x", "own"], ["h"]), make("MatMul", ["h", "w"], ["g"]), make("Transpose", ["g"], ["t"]),
        make("MatMul", ["g", "t"], ["p"]), make("MatMul", ["p", "g"], ["o"]), constants=stored(own=weight(4, 4)),
    )  # fmt: skip
    nodes = [
        *CHOICE, make("MatMul", ["x", "w"], ["m"], "first"),
        make("If", ["c"], ["i"], "choice", then_branch=one, else_branch=two), make("Add", ["m", "i"], ["y"]),
    ]  # fmt: skip
    found = said(tmp_path, nodes, stored(w=weight(4, 4), zero=np.float32(0)))
    assert found == ("3 layers lie in graphs inside If: computed as the file has them, and no recipe changes them",)


def test_a_body_in_a_body(tmp_path):
    inner = {
        name: body(make("MatMul", ["h", "w"], [f"{name}_o"]), outputs=[f"{name}_o"])
        for name in ("then_branch", "else_branch")
    }
    turn = [helper.make_tensor_value_info("turn", TensorProto.INT64, ()),
            helper.make_tensor_value_info("on", TensorProto.BOOL, ()), value("h")]  # fmt: skip
    nodes = [make("Identity", ["on"], ["again"]), make("If", ["c"], ["next"], **inner)]
    loop = helper.make_graph(
        nodes, "loop", turn, [helper.make_tensor_value_info("again", TensorProto.BOOL, ()), value("next")]
    )
    outer = [*CHOICE, make("MatMul", ["x", "w"], ["m"], "first"), make("Loop", ["three", "", "m"], ["y"], body=loop)]
    found = said(tmp_path, outer, stored(w=weight(4, 4), zero=np.float32(0), three=np.int64(3)))
    assert found == ("2 layers lie in graphs inside If: computed as the file has them, and no recipe changes them",)


def test_a_branch_that_is_always_taken_is_part_of_the_model(tmp_path):
    branches = {"then_branch": body(make("MatMul", ["x", "w"], ["o"])), "else_branch": body(make("Neg", ["x"], ["o"]))}
    nodes = [make("If", ["c"], ["y"], **branches)]
    assert said(tmp_path, nodes, stored(w=weight(4, 4), c=np.array(True))) == ()
