"""Files of every making: old and new opsets, functions, branches, data beside the model, tensors that are computed."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import qdebug
from qdebug.errors import FileError, ModelError
from qdebug.export import write_onnx
from qdebug.recipes import LayerPlan, Recipe, parse_fix, parse_weight_format, preset, set_layers, with_fix
from tests.export.networks import inputs_of, mlp, model, random, residual
from tests.export.running import assert_agree, by_runtime, simulated


def exported(proto, data, recipe, folder):
    """The outputs of an exported file, what the session says they are, and the file."""
    onnx.save(proto, folder / "in.onnx")
    session = qdebug.open(folder / "in.onnx", data=data)
    done = write_onnx(session, recipe, folder / "out.onnx")
    found = by_runtime(folder / "out.onnx", data)
    written = onnx.load(folder / "out.onnx")
    expected = simulated(session, recipe)
    for output, values in zip(written.graph.output, found, strict=True):
        assert_agree(values, expected[output.name].numpy())
    return written, done


def opset_of(proto) -> int:
    return max(one.version for one in proto.opset_import if not one.domain)


@pytest.mark.parametrize("opset", [9, 10, 11, 13, 17, 21])
@pytest.mark.parametrize(("name", "needed"), [("w8a8", 10), ("w8a8-pc", 13), ("w4g16a8", 21), ("w6a6", 10)])
def test_the_opset_is_the_lowest_that_can_say_it(tmp_path, opset, name, needed):
    written, done = exported(residual(opset), inputs_of("residual"), preset(name), tmp_path)
    assert done.opset == opset_of(written) == max(opset, needed)
    assert written.ir_version >= helper.find_min_ir_version_for(list(written.opset_import))


def test_float8_needs_a_newer_opset_than_integers(tmp_path):
    recipe = Recipe(default=LayerPlan(weight=parse_weight_format("fp8_e4m3fn-pc")))
    written, done = exported(mlp(), inputs_of("mlp"), recipe, tmp_path)
    assert done.opset == 19
    assert written.ir_version >= 9


def test_operators_of_other_domains_come_through_a_conversion(tmp_path):
    proto = mlp(12)
    relu = next(node for node in proto.graph.node if node.op_type == "Relu")
    relu.op_type, relu.domain = "FastGelu", "com.microsoft"
    proto.opset_import.add(domain="com.microsoft", version=1)
    written, _ = exported(proto, inputs_of("mlp"), preset("w4g16a8"), tmp_path)
    assert opset_of(written) == 21
    assert {one.domain: one.version for one in written.opset_import}["com.microsoft"] == 1


def test_a_model_that_cannot_be_converted_is_one_clear_error(tmp_path, monkeypatch):
    def refuses(*_):
        raise RuntimeError("No Adapter From Version $12 for Odd\nmore words")

    onnx.save(mlp(11), tmp_path / "in.onnx")
    session = qdebug.open(tmp_path / "in.onnx", data=inputs_of("mlp"))
    monkeypatch.setattr(onnx.version_converter, "convert_version", refuses)
    with pytest.raises(ModelError, match=r"of opset 11, this needs 21, and onnx cannot convert it: No Adapter .* Odd"):
        write_onnx(session, preset("w4g16a8"), tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_initializers_that_old_files_list_as_inputs_are_no_inputs(tmp_path):
    proto = mlp(10)
    proto.ir_version = 3
    for one in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(one.name, one.data_type, list(one.dims)))
    written, _ = exported(proto, inputs_of("mlp"), preset("w8a8"), tmp_path)
    assert {"x"} <= {one.name for one in written.graph.input}
    assert {one.name for one in written.graph.input} - {"x"} <= {one.name for one in written.graph.initializer}


def test_functions_are_written_out(tmp_path):
    inner = helper.make_function(
        "own", "Layer", ["value", "weight"], ["result"],
        [helper.make_node("MatMul", ["value", "weight"], ["product"], "product"),
         helper.make_node("Relu", ["product"], ["result"], "bend")],
        [helper.make_opsetid("", 13)],
    )  # fmt: skip
    nodes = [
        helper.make_node("Layer", ["x", "w1"], ["hidden"], "one", domain="own"),
        helper.make_node("Layer", ["hidden", "w2"], ["scores"], "two", domain="own"),
    ]
    proto = model(
        nodes, {"w1": random(40, 24), "w2": random(24, 5)}, {"x": ["N", 40]}, {"scores": ["N", 5]}, functions=[inner]
    )
    proto.opset_import.append(helper.make_opsetid("own", 1))
    written, _ = exported(proto, inputs_of("mlp"), preset("w8a8-pc-all"), tmp_path)
    assert not written.functions
    assert [node.op_type for node in written.graph.node].count("MatMul") == 2


def test_what_a_branch_reads_from_around_it_is_the_quantized_value(tmp_path):
    def branch(op):
        out = helper.make_tensor_value_info(f"{op}_out", TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(op, ["r1"], [f"{op}_out"], op)], op, [], [out])

    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["m1"], "first"),
        helper.make_node("Relu", ["m1"], ["r1"], "relu"),
        helper.make_node("ReduceSum", ["x"], ["total"], "total", keepdims=1),
        helper.make_node("Greater", ["total", "zero"], ["is_large"], "compare"),
        helper.make_node("If", ["is_large"], ["chosen"], "if", then_branch=branch("Neg"), else_branch=branch("Abs")),
        helper.make_node("MatMul", ["chosen", "w2"], ["scores"], "second"),
    ]
    constants = {"w1": random(40, 24), "w2": random(24, 5), "zero": np.zeros((1, 1), np.float32)}
    proto = model(nodes, constants, {"x": ["N", 40]}, {"scores": ["N", 5]})
    written, _ = exported(proto, inputs_of("mlp"), preset("w8a8-pc-all"), tmp_path)
    inside = [a.g.node[0].input[0] for node in written.graph.node if node.op_type == "If" for a in node.attribute]
    assert inside == ["r1/dequantized"] * 2


def test_weights_that_constants_are_computed_into_are_stored_and_their_nodes_go(tmp_path):
    table = numpy_helper.from_array(random(24, 40), "table")
    nodes = [
        helper.make_node("Constant", [], ["raw"], "raw", value=table),
        helper.make_node("Transpose", ["raw"], ["w1"], "turn", perm=[1, 0]),
        helper.make_node("MatMul", ["x", "w1"], ["m1"], "first"),
        helper.make_node("Identity", ["w2"], ["same"], "copy"),
        helper.make_node("MatMul", ["m1", "same"], ["scores"], "second"),
    ]
    proto = model(nodes, {"w2": random(24, 5)}, {"x": ["N", 40]}, {"scores": ["N", 5]})
    written, done = exported(proto, inputs_of("mlp"), preset("w8a8-pc"), tmp_path)
    assert not {"Constant", "Transpose", "Identity"} & {node.op_type for node in written.graph.node}
    assert {"raw", "turn", "copy", "w2"} <= set(done.gone)
    assert {"w1", "same"} <= {name for node in written.graph.node for name in node.output}


def test_a_weight_that_layers_share_has_a_copy_for_each_plan(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], [f"m{at}"], f"layer{at}") for at in range(3)]
    nodes.append(helper.make_node("Sum", ["m0", "m1", "m2", "norm"], ["scores"], "sum"))
    nodes.insert(0, helper.make_node("ReduceMean", ["w"], ["norm"], "norm", keepdims=0))
    proto = model(nodes, {"w": random(40, 5)}, {"x": ["N", 40]}, {"scores": ["N", 5]})
    recipe = set_layers(preset("w8a8"), {"layer2": preset("w4g8a8").default})
    written, _ = exported(proto, inputs_of("mlp"), recipe, tmp_path)
    reads = {node.name: node.input[1] for node in written.graph.node if node.op_type == "MatMul"}
    assert reads["layer0"] == reads["layer1"] != reads["layer2"]
    assert "w" in {one.name for one in written.graph.initializer}  # its mean is taken of the float values


def test_layers_inside_larger_operators_stay_in_float_and_that_is_said(tmp_path):
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r"], ["", "last"], "lstm", hidden_size=8),
        helper.make_node("Squeeze", ["last", "axis"], ["flat"], "squeeze"),
        helper.make_node("MatMul", ["flat", "wh"], ["scores"], "head"),
    ]
    constants = {"w": random(1, 32, 6), "r": random(1, 32, 8), "wh": random(8, 4), "axis": np.array([0])}
    proto = model(nodes, constants, {"x": [5, "N", 6]}, {"scores": ["N", 4]})
    onnx.save(proto, tmp_path / "in.onnx")
    session = qdebug.open(tmp_path / "in.onnx", data={"x": random(5, 5, 6, scale=1.0)})
    inside = [name for name in session.subject.by_name if name != "head"]
    done = write_onnx(session, preset("w8a8"), tmp_path / "out.onnx")
    assert bool(inside) == any("lie inside operators" in sentence for sentence in done.unsaid)


def test_tensors_beside_the_model_stay_beside_it(tmp_path):
    (tmp_path / "from").mkdir()
    onnx.save(
        mlp(), tmp_path / "from" / "in.onnx", save_as_external_data=True, location="weights.bin", size_threshold=16
    )
    session = qdebug.open(tmp_path / "from" / "in.onnx", data=inputs_of("mlp"))
    done = write_onnx(session, preset("w4g8a8"), tmp_path / "out.onnx")
    files = {one.name: one.stat().st_size for one in tmp_path.iterdir() if one.is_file()}
    assert set(files) == {"out.onnx", "out.onnx.data"}
    assert done.bytes == sum(files.values())
    (found,) = by_runtime(tmp_path / "out.onnx", inputs_of("mlp"))
    assert_agree(found, simulated(session, preset("w4g8a8"))["scores"].numpy())
    again = qdebug.open(tmp_path / "out.onnx", data=inputs_of("mlp"))
    assert again.own_recipe() is not None


def test_a_scale_that_constants_are_computed_into_takes_a_fix(tmp_path):
    session = qdebug.open(_shared_scale(tmp_path), data=inputs_of("attention"))
    recipe = with_fix(preset("w8a8-pc"), parse_fix("smoothquant"))
    write_onnx(session, recipe, tmp_path / "out.onnx")
    (found,) = by_runtime(tmp_path / "out.onnx", inputs_of("attention"))
    assert_agree(found, simulated(session, recipe)["scores"].numpy())


def _shared_scale(folder):
    """A normalization whose scale is computed from constants."""
    from tests.export.networks import attention

    proto = attention()
    norm = next(node for node in proto.graph.node if node.op_type == "LayerNormalization")
    norm.input[1] = "scale_halved"
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "half"))
    proto.graph.node.insert(0, helper.make_node("Mul", ["scale", "half"], ["scale_halved"], "halve"))
    onnx.save(proto, folder / "in.onnx")
    return folder / "in.onnx"


def test_models_that_compute_in_float64_are_refused_unless_nothing_changes(tmp_path):
    proto, kind = mlp(), TensorProto.DOUBLE
    for one in (*proto.graph.input, *proto.graph.output):
        one.type.tensor_type.elem_type = kind
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    stored = [
        numpy_helper.from_array(numpy_helper.to_array(one).astype(dtype), one.name) for one in proto.graph.initializer
    ]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(stored)
    onnx.save(proto, tmp_path / "in.onnx")
    data = {"x": inputs_of("mlp")["x"].astype(dtype)}
    session = qdebug.open(tmp_path / "in.onnx", data=data)
    with pytest.raises(ModelError, match=r"computes in float64; .* float32"):
        write_onnx(session, preset("w8a8"), tmp_path / "out.onnx")
    write_onnx(session, preset("w32a32"), tmp_path / "out.onnx")
    (before,), (after,) = (by_runtime(tmp_path / name, data) for name in ("in.onnx", "out.onnx"))
    assert (before == after).all()


def test_a_file_that_has_changed_since_is_refused(tmp_path):
    onnx.save(mlp(), tmp_path / "in.onnx")
    session = qdebug.open(tmp_path / "in.onnx", data=inputs_of("mlp"))
    other = mlp()
    other.graph.initializer[0].CopyFrom(numpy_helper.from_array(random(40, 24, seed=9), "w1"))
    onnx.save(other, tmp_path / "in.onnx")
    with pytest.raises(FileError, match="changed since it was opened"):
        write_onnx(session, preset("w8a8"), tmp_path / "out.onnx")


def test_a_quantized_file_keeps_the_attributes_of_layers_whose_relu_the_quantizer_left_out(tmp_path):
    zero, scale = np.uint8(0), np.float32(0.05)
    stored = {"w": random(4, 1, 3, 3), "scale": scale, "zero": zero, "head": random(5, 4)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["x/codes"], "q0"),
        helper.make_node("DequantizeLinear", ["x/codes", "scale", "zero"], ["x/read"], "d0"),
        helper.make_node("Conv", ["x/read", "w"], ["c"], "conv", group=4, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["c", "scale", "zero"], ["c/codes"], "q1"),
        helper.make_node("DequantizeLinear", ["c/codes", "scale", "zero"], ["c/read"], "d1"),
        helper.make_node("ReduceMean", ["c/read"], ["mean"], "mean", axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["mean", "head"], ["scores"], "head", transB=1),
    ]
    proto = model(nodes, stored, {"x": ["N", 4, 8, 8]}, {"scores": ["N", 5]}, opset=13)
    data = {"x": np.abs(random(16, 4, 8, 8))}
    written, _ = exported(proto, data, preset("w8a8"), tmp_path)
    conv = next(node for node in written.graph.node if node.name == "conv")
    assert {one.name: helper.get_attribute_value(one) for one in conv.attribute} == {
        "group": 4, "strides": [2, 2], "pads": [1, 1, 1, 1],
    }  # fmt: skip
