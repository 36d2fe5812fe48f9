"""What people know a model by survives: nodes, values, inputs, outputs, stored tensors, notes."""

import json

import numpy as np
import onnx
import pytest

import qdebug
from qdebug.export import write_onnx
from qdebug.recipes import from_plain, parse_fix, preset, with_fix
from qdebug.verify import verify
from tests.export.networks import NETWORKS

NAMES = ["w8a8", "w8a8-pc-all", "w4g16a16", "w16a16", "w8a8-dyn", "w32a32"]


def names_of(graph: onnx.GraphProto) -> set[str]:
    own = {node.name for node in graph.node} | {one.name for one in graph.initializer}
    own |= {name for node in graph.node for name in (*node.input, *node.output)}
    return (own | {one.name for one in (*graph.input, *graph.output)}) - {""}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", NAMES)
def test_names_survive(opened, tmp_path, network, name):
    session, source = opened(network)
    done = write_onnx(session, preset(name), tmp_path / "out.onnx")
    before, after = onnx.load(source).graph, onnx.load(tmp_path / "out.onnx").graph
    assert names_of(before) - names_of(after) == set(done.gone)
    folded = {"residual": {"norm2", "c2", "gamma", "beta", "mean", "variance"}}.get(network, set())
    allowed = {"transposing": {"shift", "c"}, "attention": {"turn_table"}}.get(network, set())
    assert folded <= set(done.gone) <= folded | allowed
    assert [one.name for one in before.input] == [one.name for one in after.input]
    assert [one.name for one in before.output] == [one.name for one in after.output]
    assert len(names_of(after)) == len({*names_of(after)})
    assert done.added == len(after.node) - len(before.node) + sum(node.name in done.gone for node in before.node)


@pytest.mark.parametrize("network", NETWORKS)
def test_nothing_is_written_twice_and_nodes_stand_in_order(opened, tmp_path, network):
    session, _ = opened(network)
    write_onnx(session, preset("w8a8-pc-all"), tmp_path / "out.onnx")
    graph = onnx.load(tmp_path / "out.onnx").graph
    seen = {one.name for one in (*graph.input, *graph.initializer)}
    for node in graph.node:
        assert set(node.input) - {""} <= seen
        assert seen.isdisjoint(node.output)
        seen.update(node.output)
    assert len({node.name for node in graph.node}) == len(graph.node)


def test_new_names_say_what_they_belong_to(opened, tmp_path):
    session, _ = opened("mlp")
    write_onnx(session, preset("w8a8-pc-all"), tmp_path / "out.onnx")
    found = names_of(onnx.load(tmp_path / "out.onnx").graph)
    wanted = {"x/quantized", "x/dequantized", "x/scale", "x/zero_point", "w1/quantized", "w1/scale", "r1/dequantized"}
    assert wanted | {"b1/quantized", "scores/float"} <= found


def test_names_that_are_taken_are_left_alone(tmp_path):
    from tests.export.networks import inputs_of, mlp

    net = mlp()
    for node in net.graph.node:
        for field in (node.input, node.output):
            field[:] = ["x/quantized" if name == "r1" else name for name in field]
    onnx.save(net, tmp_path / "in.onnx")
    session = qdebug.open(tmp_path / "in.onnx", data=inputs_of("mlp"))
    write_onnx(session, preset("w8a8"), tmp_path / "out.onnx")
    graph = onnx.load(tmp_path / "out.onnx").graph
    assert {"x/quantized", "x/quantized#2", "x/quantized/quantized"} <= names_of(graph)
    assert next(node for node in graph.node if node.op_type == "Relu").output[0] == "x/quantized"


def test_the_file_remembers_the_recipe(opened, tmp_path):
    session, _ = opened("residual")
    recipe = with_fix(preset("w8a8-pc-all"), parse_fix("cle"))
    write_onnx(session, recipe, tmp_path / "out.onnx")
    notes = {one.key: one.value for one in onnx.load(tmp_path / "out.onnx").metadata_props}
    assert from_plain(json.loads(notes["qdebug.recipe"])) == recipe
    assert notes["qdebug.digest"] == session.info().digest
    assert notes["qdebug.version"] == qdebug.__version__


def test_an_exported_file_opens_as_the_quantized_model_that_it_is(opened, tmp_path):
    session, _ = opened("residual")
    write_onnx(session, preset("w8a8-pc-all"), tmp_path / "out.onnx")
    from tests.export.networks import inputs_of

    again = qdebug.open(tmp_path / "out.onnx", data=inputs_of("residual"))
    own = again.own_recipe()
    assert own is not None
    write_onnx(again, own, tmp_path / "twice.onnx")
    from tests.export.running import by_runtime

    one, two = (by_runtime(tmp_path / f"{name}.onnx", inputs_of("residual"))[0] for name in ("out", "twice"))
    assert (one == two).all()


def with_shared_names():
    """Four nodes called ``fc``, three of them layers, and one that has the second's number already."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    stored = {name: random.normal(size=(8, 8) if name < "b" else 8).astype(np.float32)
              for name in ("a1", "a2", "a3", "b1", "b2", "b3")}  # fmt: skip
    make = helper.make_node
    nodes = [
        make("Gemm", ["x", "a1", "b1"], ["h1"], "fc"), make("Relu", ["h1"], ["r1"], "fc"),
        make("Gemm", ["r1", "a2", "b2"], ["h2"], "fc"), make("Relu", ["h2"], ["r2"], "fc#2"),
        make("Gemm", ["r2", "a3", "b3"], ["y"], "fc"),
    ]  # fmt: skip
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (None, 8)) for name in "xy"]
    constants = [numpy_helper.from_array(one, name) for name, one in stored.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_nodes_that_share_a_name_are_numbered_and_that_is_said(tmp_path):
    """ONNX Runtime refuses two nodes of one name."""
    onnx.save(with_shared_names(), tmp_path / "in.onnx")
    session = qdebug.open(tmp_path / "in.onnx", data={"x": np.random.default_rng(1).normal(size=(32, 8)).astype("f4")})
    info = session.info()
    assert info.renamed == ("fc#3", "fc#4", "fc#5")
    assert [layer.name for layer in info.layers] == ["fc", "fc#4", "fc#5"]
    assert any("3 nodes of the file have others' names" in one and "fc#3, fc#4, fc#5" in one for one in info.findings)
    done = write_onnx(session, preset("w8a8-pc-all"), tmp_path / "out.onnx")
    assert any("numbered in the file (fc#3, fc#4, fc#5)" in one for one in done.unsaid)
    assert done.gone == ()
    names = [node.name for node in onnx.load(tmp_path / "out.onnx").graph.node]
    assert len({*names}) == len(names)
    assert {"fc", "fc#2", "fc#3", "fc#4", "fc#5"} <= {*names}
    found = verify(session, preset("w8a8-pc-all"), simulation="integer")
    assert (found.max_code_difference, found.agreement) == (0, 1.0)
    again = qdebug.open(tmp_path / "out.onnx", data={"x": session.subject.data.inputs["x"]})
    assert (again.info().renamed, [one.name for one in again.info().layers]) == ((), ["fc", "fc#4", "fc#5"])
