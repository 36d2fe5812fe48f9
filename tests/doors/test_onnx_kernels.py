"""What kernels of ONNX operators promise beyond the values that the official backend tests hold."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch.autograd import gradcheck

from qdebug.doors.onnx import from_proto, lower_onnx
from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.registry import kernel_for
from qdebug.errors import ModelError
from qdebug.graph.calls import call
from qdebug.graph.layers import find_layers
from qdebug.graph.patterns import norm_sites
from qdebug.graph.scaling import scale_groups
from tests.doors.test_exported_models import values_of

OPSET = 23


def kernel(name, opset=OPSET):
    return kernel_for("", name, opset).kernel


def ints(*values):
    return torch.tensor(values, dtype=torch.int64)


def lowered(nodes, inputs, constants=(), outputs=("y",), opset=OPSET):
    """The program of a graph; inputs by name with their element type."""
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(name, elem, None) for name, elem in inputs.items()],
        [helper.make_tensor_value_info(name, 0, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()],
    )  # fmt: skip
    return lower_onnx(from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]))).program


def run(program, **feeds):
    values = {}
    for step in program.steps:
        if step.kind == "op":
            values[step.index] = call(program, step.index, values)
        else:
            values[step.index] = feeds[step.name] if step.kind == "input" else program.state[step.index]
    return [values[index] for index in program.outputs.values()]


#: Kernels on an image tensor [2, 4, 4, 6].
ON_IMAGES = {
    "Reshape": ((ints(0, -1),), {}), "Flatten": ((), {"axis": 2}), "DepthToSpace": ((), {"blocksize": 2}),
    "SpaceToDepth": ((), {"blocksize": 2}), "Gather": ((ints(1, -1),), {"axis": 1}),
    "GatherND": ((ints(0, 1).reshape(2, 1),), {"batch_dims": 1}), "Tile": ((ints(1, 2, 1, 1),), {}),
    "Slice": ((ints(3), ints(0), ints(1), ints(-1)), {}), "Split": ((), {"axis": 1, "outputs": [True, True]}),
    "Pad": ((ints(0, 0, 1, 2, 0, 0, 0, 1),), {"mode": "reflect"}), "Trilu": ((), {}),
    "ScatterND": ((ints(1, 0).reshape(2, 1), torch.ones(2, 4, 4, 6)), {}),
    "ScatterElements": ((torch.zeros(1, 1, 1, 6, dtype=torch.int64), torch.ones(1, 1, 1, 6)), {"axis": 1}),
    "TopK": ((ints(2),), {"axis": 1}), "CumSum": ((ints(1),), {"exclusive": 1, "reverse": 1}),
    "Hardmax": ((), {"axis": 1}), "ReduceProd": ((ints(1, 3),), {}), "ReduceL2": ((ints(1),), {"keepdims": 0}),
    "Compress": ((torch.tensor([True, False, True]),), {}), "NonZero": ((), {}), "IsInf": ((), {"detect_negative": 0}),
    "Unique": ((), {"axis": 1, "outputs": [True] * 4}), "Shrink": ((), {}), "CenterCropPad": ((ints(2, 4, 3, 8),), {}),
    "ReverseSequence": ((ints(1, 3),), {"batch_axis": 0, "time_axis": 1}), "LogSoftmax": ((), {"axis": 1}),
    "Cast": ((), {"to": 17, "types": [1]}), "Mod": ((torch.tensor(0.3),), {}), "Celu": ((), {}),
    "ArgMax": ((), {"axis": 1, "select_last_index": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_IMAGES)
def test_the_order_of_memory_makes_no_difference_and_inputs_stay_as_they_are(name):
    args, keywords = ON_IMAGES[name]
    function = kernel(name, 12 if name == "LogSoftmax" else OPSET)
    x = torch.rand(2, 4, 4, 6).round(decimals=1) - 0.5
    last = x.clone(memory_format=torch.channels_last)
    before = [one.clone() for one in (x, *args)]
    plain, other = function(x, *args, **keywords), function(last, *args, **keywords)
    for one, two in zip(*((out if isinstance(out, tuple) else (out,)) for out in (plain, other)), strict=True):
        assert one.dtype == two.dtype and torch.equal(one.float(), two.float())
    assert all(torch.equal(one, two) for one, two in zip(before, (x, *args), strict=True))
    assert torch.equal(last, x)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("ConstantOfShape", (ints(2**20, 2**20),)),
        ("Expand", (torch.zeros(1), ints(2**40))),
        ("Tile", (torch.zeros(4), ints(2**40))),
        ("Pad", (torch.zeros(4), ints(0, 2**40))),
        ("Range", (ints(0)[0], ints(2**40)[0], ints(1)[0])),
        ("Range", (torch.tensor(0.0), torch.tensor(1.0), torch.tensor(1e-30))),
        ("Range", (torch.tensor(0.0), torch.tensor(1.0), torch.tensor(0.0))),
        ("OneHot", (ints(1), ints(2**40), torch.tensor([0.0, 1.0]))),
        ("EyeLike", (torch.zeros(1, 1).expand(2**20, 2**20),)),
        ("CenterCropPad", (torch.zeros(4), ints(2**40))),
        ("ConstantOfShape", (ints(-1),)),
    ],
)
def test_a_file_cannot_ask_for_terabytes(name, args):
    with pytest.raises(ModelError) as caught:
        kernel(name)(*args)
    assert caught.value.do and "shape" in caught.value.where


def test_empty_tensors_broadcast_and_reduce():
    empty, one = torch.zeros(0, 3), torch.ones(1, 3)
    assert kernel("Max")(empty, one).shape == kernel("Add")(empty, one).shape == (0, 3)
    assert kernel("Where")(empty > 0, empty, one).shape == (0, 3)
    assert kernel("Flatten")(empty).shape == (0, 3) and kernel("Reshape")(empty, ints(0, -1)).shape == (0, 3)
    assert kernel("NonZero")(empty).shape == (2, 0)
    assert kernel("ReduceMax")(empty, ints(0)).tolist() == [[-torch.inf] * 3]
    assert kernel("ReduceMin")(empty.to(torch.int8), ints(0)).tolist() == [[127] * 3]
    assert kernel("ReduceSum")(empty, ints(0), keepdims=0).tolist() == [0, 0, 0]
    assert kernel("CumSum")(empty, ints(0), exclusive=1).shape == (0, 3)
    assert kernel("Gather")(one, torch.zeros(0, dtype=torch.int64)).shape == (0, 3)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: kernel("Celu")(x, alpha=0.7), kernel("Softplus"),
        lambda x: kernel("Gather")(x, ints(-1, 0, 0), axis=1),
        lambda x: kernel("ScatterND")(x, ints(1, 1).reshape(2, 1), 2 * x, reduction="add"),
        lambda x: kernel("Pad")(x, ints(1, 2, 1, 1), mode="reflect"), lambda x: kernel("TopK")(x, ints(2))[0],
        lambda x: kernel("CumSum")(x, ints(1), exclusive=1), lambda x: kernel("ReduceL2")(x, ints(1)),
        kernel("ReduceLogSumExp"), lambda x: kernel("Slice")(x, ints(2), ints(-9), ints(1), ints(-2)),
        lambda x: kernel("Pow")(x.abs(), torch.tensor(3)),
    ],
)  # fmt: skip
def test_gradients_pass(function):
    x = (torch.randperm(6).reshape(2, 3).double() - 2.7).requires_grad_()
    assert gradcheck(function, (x,))


#: An operator with an argument that is constant (lowered to torch's own operator) or computed (the kernel).
BOTH_WAYS = {
    "Reshape": ({}, {"shape": [2, -1, 6]}, "aten.reshape"), "Squeeze": ({}, {"axes": [1, -1]}, "aten.squeeze"),
    "Unsqueeze": ({}, {"axes": [0, 2]}, "aten.unsqueeze"),
    "Slice": ({}, {"starts": [-2, 1], "ends": [2**62, -1], "axes": [2, 3], "steps": [1, 2]}, "aten.slice"),
    "Split": ({"axis": 2}, {"split": [1, 3]}, "getitem"), "Gather": ({"axis": 2}, {"indices": -1}, "aten.select"),
    "Pad": ({}, {"pads": [0, 0, 1, 0, 0, 2, 0, 0], "value": np.float32(7)}, "aten.constant_pad_nd"),
    "ReduceMean": ({"keepdims": 0}, {"axes": [2, 3]}, "aten.mean"), "Pow": ({}, {"by": np.float32(2)}, "aten.pow"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_constant_arguments_are_lowered_to_the_same_values(name):
    attributes, arguments, target = BOTH_WAYS[name]
    arguments = {key: np.asarray(value) for key, value in arguments.items()}
    outputs = ["y", "z"] if name == "Split" else ["y"]
    node = helper.make_node(name, ["x", *arguments], outputs, **attributes)
    x = torch.rand(3, 1, 4, 1) if name == "Squeeze" else torch.rand(3, 4, 4, 6)
    known = lowered([node], {"x": 1}, arguments, outputs)
    kinds = {key: 7 if value.dtype == np.int64 else 1 for key, value in arguments.items()}
    computed = lowered([node], {"x": 1} | kinds, (), outputs)
    assert any(step.op.startswith(target) for step in known.steps)
    assert any(step.op.startswith(f"onnx.{name}") for step in computed.steps)
    feeds = {key: torch.from_numpy(value) for key, value in arguments.items()}
    for one, two in zip(run(known, x=x), run(computed, x=x, **feeds), strict=True):
        torch.testing.assert_close(one, two)  # a square is a product, or a power


#: Operators as opset 9 writes them: with attributes. And what the input forms of later opsets give.
OLD = {
    "Squeeze": ({"axes": [1]}, (ints(1),), {}), "Unsqueeze": ({"axes": [-1, 0]}, (ints(-1, 0),), {}),
    "Split": ({"axis": 2, "split": [1, 3], "outputs": [1, 1]}, (ints(1, 3),), {"axis": 2, "outputs": [1, 1]}),
    "Slice": ({"starts": [1], "ends": [-1], "axes": [2]}, (ints(1), ints(-1), ints(2)), {}),
    "Pad": ({"pads": [0, 0, 1, 0, 0, 0, 0, 2], "mode": "edge"}, (ints(0, 0, 1, 0, 0, 0, 0, 2),), {"mode": "edge"}),
    "TopK": ({"k": 2, "axis": 2}, (ints(2),), {"axis": 2}), "ReduceSum": ({"axes": [1, 2]}, (ints(1, 2),), {}),
    "ReduceMax": ({"axes": [-1], "keepdims": 0}, (ints(-1),), {"keepdims": 0}),
}  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_the_forms_of_old_opsets_mean_the_same(name):
    attributes, args, keywords = OLD[name]
    x = torch.rand(2, 1, 4, 3)
    old, new = kernel(name, 9)(x, **attributes), kernel(name)(x, *args, **keywords)
    for one, two in zip(*((out if isinstance(out, tuple) else (out,)) for out in (old, new)), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_padding_is_that_of_numpy(mode, dtype):
    x = torch.rand(2, 2, 3, 4).to(dtype)
    for pads in ((0, 0, 1, 2, 0, 0, 0, 1), (1, 0, 2, 0, 1, 1, 2, 3), (0, 0, 5, 0, 0, 0, 4, 0)):
        expected = np.pad(x.numpy(), list(zip(pads[:4], pads[4:], strict=True)), mode=mode)
        assert np.array_equal(kernel("Pad")(x, ints(*pads), mode=mode).numpy(), expected)


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax", "Hardmax"])
def test_before_opset_13_softmax_takes_the_last_axes_as_one(name):
    x = torch.rand(2, 3, 4)
    (y,) = run(lowered([helper.make_node(name, ["x"], ["y"])], {"x": 1}, opset=11), x=x)
    (flat,) = run(lowered([helper.make_node(name, ["x"], ["y"], axis=-1)], {"x": 1}), x=x.reshape(2, 12))
    assert torch.equal(y, flat.reshape(x.shape))


def test_of_equal_values_the_first_come_first():
    x = torch.tensor([1.0, 3.0, 3.0, 0.0, 3.0, 0.0])
    assert kernel("TopK")(x, ints(2))[1].tolist() == [1, 2]
    assert kernel("TopK")(x, ints(3), largest=0)[1].tolist() == [3, 5, 0]
    many = torch.arange(100) // 2 * torch.tensor([[1], [-1]])
    assert kernel("TopK")(many, ints(3))[1].tolist() == [[98, 99, 96], [0, 1, 2]]
    assert kernel("TopK")(torch.arange(100), ints(3))[1].tolist() == [99, 98, 97]
    assert kernel("ArgMax")(x).item() == 1 and kernel("ArgMax")(x, select_last_index=1).item() == 4


def test_wide_unsigned_integers_are_computed_exactly():
    top = torch.from_numpy(np.array([2**64 - 1, 5], np.uint64))
    low = torch.from_numpy(np.array([3, 7], np.uint64))
    assert kernel("Greater")(top, low).tolist() == [True, False]
    assert kernel("Div")(top, low).numpy().tolist() == [(2**64 - 1) // 3, 0]
    assert kernel("Max")(top, low).numpy().tolist() == [2**64 - 1, 7]
    assert kernel("TopK")(top, ints(1))[0].numpy().tolist() == [2**64 - 1]
    (y,) = run(lowered([helper.make_node("Add", ["a", "b"], ["y"])], {"a": 13, "b": 13}), a=top, b=low)
    assert y.numpy().tolist() == [2, 12]


@pytest.mark.parametrize("elem", [23, 17, 20])
def test_bits_read_as_another_type_and_back(elem):
    codes = torch.arange(2**4 if elem == 23 else 2**8, dtype=torch.uint8)
    values = kernel("BitCast", 26)(codes, to=elem, types=[21 if elem == 23 else 2])
    assert values.dtype == ELEMENTS[elem].carrier
    back = kernel("BitCast", 26)(values, to=21 if elem == 23 else 2, types=[elem])
    assert torch.equal(back, codes)
    assert kernel("BitCast", 26)(torch.tensor([-1, 3], dtype=torch.int8), to=21, types=[22]).tolist() == [15, 3]


def test_a_cast_to_16_bits_rounds_once():
    between = torch.tensor([1 + 2**-11 + 2**-40], dtype=torch.float64)  # by way of float32 it would be a tie
    (y,) = run(lowered([helper.make_node("Cast", ["x"], ["y"], to=10)], {"x": 11}), x=between)
    assert y.dtype == torch.float16 and y.item() == 1 + 2**-10
    (same,) = run(lowered([helper.make_node("Cast", ["x"], ["y"], to=10)], {"x": 1}), x=torch.tensor([1.5]))
    assert same.dtype == torch.float16


def test_types_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="string"):
        kernel("Cast")(torch.zeros(2), to=8, types=[1])
    with pytest.raises(ModelError, match="int64"):
        kernel("BitCast", 26)(torch.zeros(2), to=7, types=[1])


def test_what_is_drawn_is_the_same_at_each_run():
    node = helper.make_node("RandomNormalLike", ["x"], ["y"], seed=3.0)
    program = lowered([node], {"x": 1})
    assert torch.equal(run(program, x=torch.zeros(9))[0], run(program, x=torch.ones(9))[0])


def _weights():
    draw = np.random.default_rng(0).random
    return {
        "w": draw((8, 3, 3, 3)).astype(np.float32), "v": draw((4, 8)).astype(np.float32), "zero": np.array(0),
        "first": np.array([0]), "rest": np.array([-1]), "wrong": np.array([32, -1]), "axes": np.array([2, 3]),
    }  # fmt: skip


def _between(kind):
    make = helper.make_node
    if kind == "flatten":
        return [make("GlobalAveragePool", ["b"], ["c"]), make("Flatten", ["c"], ["d"])]
    if kind == "view":
        return [
            make("GlobalAveragePool", ["b"], ["c"]), make("Shape", ["c"], ["s"]), make("Gather", ["s", "zero"], ["n"]),
            make("Unsqueeze", ["n", "first"], ["m"]), make("Concat", ["m", "rest"], ["t"], axis=0),
            make("Reshape", ["c", "t"], ["d"]),
        ]  # fmt: skip
    if kind == "mean":
        return [make("ReduceMean", ["b", "axes"], ["c"]), make("Squeeze", ["c", "axes"], ["d"])]
    return [make("Reshape", ["b", "wrong"], ["d"])]  # rows of a channel's places, not of channels


@pytest.mark.parametrize(("kind", "found"), [("flatten", True), ("view", True), ("mean", True), ("mixed", False)])
def test_a_flattening_between_layers_is_seen_through(kind, found):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv"), helper.make_node("Relu", ["a"], ["b"]),
        *_between(kind), helper.make_node("Gemm", ["d", "v"], ["y"], name="head", transB=1),
    ]  # fmt: skip
    program = lowered(nodes, {"x": 1}, _weights())
    values = values_of(program, {"x": np.zeros((2, 3, 6, 6), np.float32)})
    shapes = {index: tuple(tensor.shape) for index, tensor in values.items()}
    groups = scale_groups(program, find_layers(program, shapes), shapes)
    pairs = [tuple(layer.name for layer in one.layers) for one in groups if one.refused is None]
    assert pairs == ([("conv", "head")] if found else [])
    if found:
        (y,) = run(program, x=torch.rand(5, 3, 6, 6))
        assert y.shape == (5, 4)


@pytest.mark.parametrize("inverse", ["Reciprocal", "Div"])
def test_an_rms_normalization_as_onnx_writes_it_is_found(inverse):
    make = helper.make_node
    nodes = [
        make("Mul", ["x", "x"], ["a"]), make("ReduceMean", ["a", "last"], ["b"]), make("Sqrt", ["b"], ["c"]),
        *([make("Div", ["x", "c"], ["e"])] if inverse == "Div" else
          [make("Reciprocal", ["c"], ["d"]), make("Mul", ["x", "d"], ["e"])]),
        make("Mul", ["e", "scale"], ["f"], name="norm"), make("MatMul", ["f", "w"], ["y"], name="head"),
    ]  # fmt: skip
    constants = {"last": np.array([-1]), "scale": np.ones(8, np.float32), "w": np.ones((8, 4), np.float32)}
    program = lowered(nodes, {"x": 1}, constants)
    shapes = {index: tuple(tensor.shape) for index, tensor in program.state.items()}
    (site,) = norm_sites(program, find_layers(program, shapes))
    assert (site.name, [layer.name for layer in site.layers], site.refused) == ("norm", ["head"], None)
