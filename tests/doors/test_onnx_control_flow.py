"""If, Loop, Scan and sequences: graphs within graphs give what ONNX Runtime gives."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from qdebug.doors.onnx.ops import control
from qdebug.errors import ModelError
from qdebug.graph.calls import call
from tests.doors.onnx_graphs import by_door, by_runtime, lowered, model

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name, elem=FLOAT, shape=None):
    return helper.make_tensor_value_info(name, elem, shape)


def graph(nodes, inputs, outputs, constants=()):
    stored = [onnx.numpy_helper.from_array(np.asarray(one), name) for name, one in dict(constants).items()]
    return helper.make_graph(nodes, "body", inputs, outputs, stored)


def held(nodes, inputs, outputs, constants=(), **more):
    proto = model(nodes, inputs, outputs, constants, **more)
    ours, theirs = by_door(proto, inputs), by_runtime(proto, inputs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    return ours


def branches():
    return {
        "then_branch": graph([helper.make_node("Add", ["x", "b"], ["t"])], [], [value("t")]),
        "else_branch": graph([helper.make_node("Mul", ["x", "x"], ["e"])], [], [value("e")]),
    }


@pytest.mark.parametrize("x", [2.0, -2.0])
def test_a_branch_is_chosen_by_the_batch_and_reads_what_is_around_it(x):
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        helper.make_node("Greater", ["total", "zero"], ["c"]),
        helper.make_node("If", ["c"], ["y"], **branches()),
    ]
    constants = {"zero": np.float32(0), "b": np.float32([1, 2, 3])}
    held(nodes, {"x": np.full(3, x, np.float32)}, ["y"], constants)


def test_a_branch_that_is_always_taken_is_part_of_the_graph():
    proto = model([helper.make_node("If", ["c"], ["y"], **branches())], {"x": np.ones(3, np.float32)}, ["y"],
                  {"c": np.array(True), "b": np.float32([1, 2, 3])})  # fmt: skip
    np.testing.assert_array_equal(by_door(proto, {"x": np.ones(3, np.float32)})[0], [2, 3, 4])


def test_a_branch_has_its_own_tensors_where_its_inputs_are():
    body = {
        name: graph([helper.make_node(op, ["x", "k"], [name])], [], [value(name)], {"k": np.float32([1, 2, 3])})
        for name, op in (("t", "Add"), ("e", "Mul"))
    }
    node = helper.make_node("If", ["c"], ["y"], then_branch=body["t"], else_branch=body["e"])
    program = lowered(model([node], {"x": np.ones(3, np.float32), "c": np.array(True)}, ["y"]))
    feeds = {"x": torch.ones(3, device="meta"), "c": torch.tensor(True)}
    values = {index: feeds[name] for name, index in program.inputs.items()}
    assert call(program, program.output, values).device.type == "meta"
    assert call(program, program.output, {**values, program.inputs["x"]: torch.ones(3)}).tolist() == [2, 3, 4]


def counting(going="c"):
    """A loop body that doubles what it carries and hands out each value."""
    nodes = [
        helper.make_node("Add", ["v", "v"], ["w"]), helper.make_node("Add", ["w", "x"], ["each"]),
        helper.make_node("ReduceSum", ["w"], ["total"], keepdims=0),
        helper.make_node("Less", ["total", "most"], ["less"]),
        helper.make_node("Identity", [going], ["next"]),
    ]  # fmt: skip
    return graph(
        nodes, [value("i", INT64, []), value("c", BOOL, []), value("v", FLOAT, [2])],
        [value("next", BOOL), value("w"), value("each")], {"most": np.float32(50)},
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_loop_of_a_given_length_stacks_what_it_hands_out(count):
    inputs = {"x": np.float32([1, 2])}
    node = helper.make_node("Loop", ["n", "", "x"], ["last", "each"], body=counting())
    outputs = ["last", "each"] if count else ["last"]
    node.output[:] = ["last", "each"]
    held([node], inputs, outputs, {"n": np.int64(count)})


def test_a_loop_ends_when_its_condition_does():
    (last, each) = held(
        [helper.make_node("Loop", ["", "go", "x"], ["last", "each"], body=counting("less"))],
        {"x": np.float32([1, 2])}, ["last", "each"], {"go": np.array(True)},
    )  # fmt: skip
    assert (last.tolist(), len(each)) == ([32.0, 64.0], 5)


def test_a_loop_without_an_end_is_stopped(monkeypatch):
    monkeypatch.setattr(control, "MOST_ITERATIONS", 20)
    proto = model([helper.make_node("Loop", ["", "", "x"], ["last", "each"], body=counting())],
                  {"x": np.float32([1, 2])}, ["last"])  # fmt: skip
    with pytest.raises(ModelError, match="has run 20 times without an end"):
        by_door(proto, {"x": np.zeros(2, np.float32)})


@pytest.mark.parametrize("ways", [(0, 0), (1, 0), (0, 1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_scan_walks_along_an_axis_in_both_ways(axis, ways):
    body = graph(
        [helper.make_node("Add", ["s", "part"], ["t"]), helper.make_node("Mul", ["t", "scale"], ["each"])],
        [value("s", FLOAT, [3]), value("part", FLOAT, [3])], [value("t", FLOAT, [3]), value("each", FLOAT, [3])],
    )  # fmt: skip
    node = helper.make_node(
        "Scan", ["s0", "x"], ["last", "each"], body=body, num_scan_inputs=1, scan_input_axes=[axis],
        scan_input_directions=[ways[0]], scan_output_axes=[axis], scan_output_directions=[ways[1]],
    )  # fmt: skip
    x = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    held([node], {"x": x}, ["last", "each"], {"s0": np.float32([1, 2, 3]), "scale": np.float32(2)})


def test_sequences_are_built_taken_apart_and_put_together():
    nodes = [
        helper.make_node("SplitToSequence", ["x"], ["parts"], axis=0, keepdims=0),
        helper.make_node("SequenceInsert", ["parts", "extra", "one"], ["more"]),
        helper.make_node("SequenceErase", ["more", "last"], ["fewer"]),
        helper.make_node("SequenceLength", ["fewer"], ["count"]),
        helper.make_node("SequenceAt", ["fewer", "one"], ["second"]),
        helper.make_node("ConcatFromSequence", ["fewer"], ["whole"], axis=0, new_axis=1),
        helper.make_node("SequenceConstruct", ["second", "extra"], ["pair"]),
        helper.make_node("ConcatFromSequence", ["pair"], ["joined"], axis=0),
    ]
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    constants = {"extra": np.float32([7, 8, 9]), "one": np.int64(1), "last": np.int64(-1)}
    held(nodes, {"x": x}, ["count", "second", "whole", "joined"], constants)


def test_a_sequence_grows_in_a_loop():
    body = graph(
        [helper.make_node("Identity", ["c"], ["next"]), helper.make_node("Mul", ["x", "x"], ["square"]),
         helper.make_node("SequenceInsert", ["s", "square"], ["t"])],
        [value("i", INT64, []), value("c", BOOL, []), helper.make_tensor_sequence_value_info("s", FLOAT, None)],
        [value("next", BOOL), helper.make_tensor_sequence_value_info("t", FLOAT, None)],
    )  # fmt: skip
    nodes = [
        helper.make_node("SequenceEmpty", [], ["none"], dtype=FLOAT),
        helper.make_node("Loop", ["n", "", "none"], ["all"], body=body),
        helper.make_node("ConcatFromSequence", ["all"], ["y"], axis=0),
    ]
    held(nodes, {"x": np.float32([[1, 2]])}, ["y"], {"n": np.int64(3)})


def test_a_place_that_a_sequence_does_not_have_is_said():
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "x"], ["s"]), helper.make_node("SequenceAt", ["s", "place"], ["y"]),
    ]  # fmt: skip
    x = np.ones(2, np.float32)
    with pytest.raises(ModelError, match="A sequence of 2 has no place 5"):
        by_door(model(nodes, {"x": x}, ["y"], {"place": np.int64(5)}), {"x": x})
