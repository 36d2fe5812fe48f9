"""Files that are quantized already open as a float graph and the recipe in them, and compute what the runtime does."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from qdebug.cli.evaluate import describe
from qdebug.engine import Work
from qdebug.errors import RecipeError
from qdebug.recipes import (
    BiasCorrection,
    CrossLayerEqualization,
    LayerPlan,
    TensorPlan,
    loads,
    preset,
    set_layers,
    with_fix,
)
from qdebug.session import open as open_model

pytestmark = pytest.mark.filterwarnings("ignore")
FORMATS = {"qdq": QuantFormat.QDQ, "qoperator": QuantFormat.QOperator}


class Calibration(CalibrationDataReader):
    def __init__(self, x):
        self.left = iter([{"x": x}])

    def get_next(self):
        return next(self.left, None)


def residual(path):
    """Convolutions with a residual sum and a linear layer, written by hand."""
    rng = np.random.default_rng(0)

    def weight(name, *shape):
        return numpy_helper.from_array(
            (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(np.float32), name
        )

    stored = [
        weight("c1.weight", 8, 3, 3, 3), weight("c1.bias", 8), weight("c2.weight", 8, 8, 3, 3), weight("c2.bias", 8),
        weight("fc.weight", 10, 8), weight("fc.bias", 10),
    ]  # fmt: skip
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "c1.weight", "c1.bias"], ["a"], name="conv1", pads=[1, 1, 1, 1]),
        make("Relu", ["a"], ["b"], name="relu1"),
        make("Conv", ["b", "c2.weight", "c2.bias"], ["c"], name="conv2", pads=[1, 1, 1, 1]),
        make("Add", ["b", "c"], ["s"], name="add"),
        make("Relu", ["s"], ["d"], name="relu2"),
        make("GlobalAveragePool", ["d"], ["e"], name="gap"),
        make("Flatten", ["e"], ["f"], name="flat"),
        make("Gemm", ["f", "fc.weight", "fc.bias"], ["logits"], name="fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])], stored,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def quantized(source, target, kind, per_channel, x):
    """What ONNX Runtime's quantizer makes of a file."""
    if kind == "dynamic":
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=per_channel)
    else:
        quantize_static(
            source, target, Calibration(x), quant_format=FORMATS[kind], per_channel=per_channel,
            weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
        )  # fmt: skip
    return target


@pytest.fixture(scope="module")
def inputs():
    return np.random.default_rng(1).normal(size=(32, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def written(tmp_path_factory, inputs):
    folder = tmp_path_factory.mktemp("quantized")
    residual(folder / "float.onnx")

    def write(kind, per_channel):
        return quantized(folder / "float.onnx", folder / f"{kind}-{per_channel}.onnx", kind, per_channel, inputs)

    return write


def runtime(path, inputs, level=ort.GraphOptimizationLevel.ORT_DISABLE_ALL):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options).run(None, {"x": inputs})[0]


def simulated(session):
    recipe = session.own_recipe()
    sheet = session._preparer.sheet(recipe, Work())
    engine, batches = session._subject.engine, session._subject.eval_batches
    return np.concatenate([engine.output(sheet, batch).numpy() for batch in batches])


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["qdq", "qoperator"])
def test_the_recipe_in_the_file_computes_what_the_runtime_does(written, inputs, kind, per_channel):
    path = written(kind, per_channel)
    session = open_model(path, {"x": inputs})
    output = session.decided(session.own_recipe()).points[-1].grid
    # a code apart at most, where float sums are taken in another order
    assert np.abs(simulated(session) - runtime(path, inputs)).max() <= float(output.scale) * 1.001
    assert np.abs(simulated(session) - runtime(path, inputs)).mean() < float(output.scale) * 0.01


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["qdq", "qoperator"])
def test_formats_and_granularity_are_the_files(written, inputs, kind, per_channel):
    session = open_model(written(kind, per_channel), {"x": inputs})
    recipe = session.own_recipe()
    weight = TensorPlan("int8", "channel" if per_channel else "tensor", range="stored")
    activation = TensorPlan("int8", symmetric=False, range="stored")
    assert [plan for _, plan in recipe.layers] == [LayerPlan(weight, activation)] * 3
    assert recipe.between == activation
    assert recipe.bias == "int32"
    assert loads(session.info().own_recipe) == recipe


def test_a_relu_that_the_quantizer_left_out_is_there_in_float(written, inputs, tmp_path):
    path = written("qdq", True)
    assert "Relu" not in {node.op_type for node in onnx.load(path).graph.node}
    session = open_model(path, {"x": inputs})
    float_output = session._subject.engine.output(session._preparer.float_sheet, session._subject.eval_batches[0])
    whole = open_model(path.with_name("float.onnx"), {"x": inputs})
    reference = whole._subject.engine.output(whole._preparer.float_sheet, whole._subject.eval_batches[0])
    # weights are rounded to 8 bits, nothing else differs
    assert float((float_output - reference).abs().max()) < 0.02 * float(reference.abs().max())


def test_layers_are_called_as_in_the_file(written, inputs):
    layers = open_model(written("qdq", False), {"x": inputs}).info().layers
    assert [layer.name for layer in layers] == ["conv1", "conv2", "fc"]


def test_a_layer_can_be_taken_back_to_float(written, inputs):
    session = open_model(written("qdq", False), {"x": inputs})
    changed = set_layers(session.own_recipe(), {"fc": LayerPlan()})
    assert session.decided(changed).layers[-1].weight.grid is None
    assert session.score(changed).metric.name == session.score(session.own_recipe()).metric.name


@pytest.mark.parametrize("per_channel", [False, True])
def test_dynamic_products_become_layers_with_dynamic_ranges(written, inputs, per_channel):
    path = written("dynamic", per_channel)
    session = open_model(path, {"x": inputs})
    recipe = session.own_recipe()
    assert len(recipe.layers) == 3
    assert all(plan.activation.dynamic and plan.weight.format == "int8" for _, plan in recipe.layers)
    # the file takes one range from a whole batch, the simulation one from each sample: alike for one sample
    one = np.concatenate([runtime(path, inputs[at : at + 1]) for at in range(8)])
    assert np.abs(simulated(session)[:8] - one).max() < 1e-4 * np.abs(one).max()


def test_a_float_file_has_no_recipe_of_its_own(written, inputs):
    path = written("qdq", True).with_name("float.onnx")
    session = open_model(path, {"x": inputs})
    assert session.own_recipe() is None
    assert not session.info().own_recipe


def test_what_float_means_is_said_where_weights_are_rounded_already(written, inputs):
    for kind in ("qdq", "qoperator", "dynamic"):
        session = open_model(written(kind, True), {"x": inputs})
        note = session.info().float_note
        assert "rounded already" in note
        evaluation = session.evaluate(session.own_recipe())
        assert evaluation.float_note == note
        assert note in describe(evaluation, session.verdict(session.own_recipe()))
    plain = open_model(written("qdq", True).with_name("float.onnx"), {"x": inputs})
    assert plain.info().float_note == plain.evaluate("w8a8").float_note == ""


@pytest.mark.parametrize("kind", ["qoperator", "without a zero point"])
def test_codes_that_two_layers_share_are_made_floats_once(tmp_path, kind):
    rng = np.random.default_rng(2)
    x, zero = rng.normal(size=(32, 8)).astype(np.float32), np.int8(0)
    stored = {"w": rng.integers(-127, 128, (8, 8)).astype(np.int8), "zero": zero} | {
        name: np.float32(value) for name, value in (("xs", 0.03), ("ws", 0.01), ("ms", 0.1), ("ys", 0.2))
    }
    make = helper.make_node
    products = [
        make("QLinearMatMul", ["xq", "xs", "zero", "w", "ws", "zero", "ms", "zero"], ["mq"], name="first"),
        make("DequantizeLinear", ["mq", "ms", "zero"], ["m"]),
        make("Tanh", ["m"], ["t"]),
        make("QuantizeLinear", ["t", "xs", "zero"], ["tq"]),
        make("QLinearMatMul", ["tq", "xs", "zero", "w", "ws", "zero", "ys", "zero"], ["yq"], name="second"),
    ] if kind == "qoperator" else [
        make("DequantizeLinear", ["xq", "xs", "zero"], ["xd"]),
        make("DequantizeLinear", ["w", "ws"], ["w1"]),
        make("MatMul", ["xd", "w1"], ["m"], name="first"),
        make("DequantizeLinear", ["w", "ws"], ["w2"]),
        make("MatMul", ["m", "w2"], ["y1"], name="second"),
        make("QuantizeLinear", ["y1", "ys", "zero"], ["yq"]),
    ]  # fmt: skip
    nodes = [make("QuantizeLinear", ["x", "xs", "zero"], ["xq"]), *products]
    nodes.append(make("DequantizeLinear", ["yq", "ys", "zero"], ["y"]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8]) for name in "xy"]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    session = open_model(tmp_path / "m.onnx", {"x": x})
    assert {plan.weight.format for _, plan in session.own_recipe().layers} == {"int8"}
    assert np.abs(simulated(session) - runtime(tmp_path / "m.onnx", x)).max() <= 0.2001


def test_a_pair_behind_a_view_is_the_grid_of_the_layer_that_reads_it(tmp_path):
    rng, zero, scale = np.random.default_rng(3), np.uint8(128), np.float32(0.05)
    stored = {"w": rng.normal(size=(4, 3, 1, 1)), "head": rng.normal(size=(5, 4))}
    stored = {name: np.asarray(value, np.float32) for name, value in stored.items()} | {"s": scale, "z": zero}
    make = helper.make_node
    nodes = [
        make("QuantizeLinear", ["x", "s", "z"], ["xq"]), make("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        make("Conv", ["xd", "w"], ["c"], name="conv"),
        make("QuantizeLinear", ["c", "s", "z"], ["cq"]), make("DequantizeLinear", ["cq", "s", "z"], ["cd"]),
        make("GlobalAveragePool", ["cd"], ["g"]), make("Flatten", ["g"], ["f"]),
        make("QuantizeLinear", ["f", "s", "z"], ["fq"]), make("DequantizeLinear", ["fq", "s", "z"], ["fd"]),
        make("Gemm", ["fd", "head"], ["y"], name="head", transB=1),
    ]  # fmt: skip
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("x", TensorProto.FLOAT, ["N", 3, 6, 6])], [value("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(array, name) for name, array in stored.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    x = rng.normal(size=(16, 3, 6, 6)).astype(np.float32)
    session = open_model(tmp_path / "m.onnx", {"x": x})
    want = runtime(tmp_path / "m.onnx", x)
    assert np.abs(simulated(session) - want).mean() < 1e-3 * np.abs(want).max()


def test_a_fix_that_changes_tensors_does_not_keep_their_stored_ranges(written, inputs):
    session = open_model(written("qdq", True), {"x": inputs})
    with pytest.raises(RecipeError, match="'cle' changes tensors whose ranges came with the model's file"):
        session.score(with_fix(session.own_recipe(), CrossLayerEqualization()))
    session.score(with_fix(session.own_recipe(), BiasCorrection()))
    session.score(with_fix(preset("w8a8-pc"), CrossLayerEqualization()))


def test_values_rounded_to_float8_are_computed_as_they_stand(tmp_path):
    rng = np.random.default_rng(4)
    make, scale = helper.make_node, np.float32(0.02)
    nodes = [
        make("MatMul", ["x", "w1"], ["m"], name="first"),
        make("QuantizeLinear", ["m", "s", "z"], ["mq"], name="round"),
        make("DequantizeLinear", ["mq", "s", "z"], ["md"]),
        make("MatMul", ["md", "w2"], ["y"], name="second"),
    ]  # fmt: skip
    stored = [
        numpy_helper.from_array(rng.normal(size=(8, 8)).astype(np.float32), "w1"),
        numpy_helper.from_array(rng.normal(size=(8, 8)).astype(np.float32), "w2"),
        numpy_helper.from_array(np.asarray(scale), "s"), helper.make_tensor("z", TensorProto.FLOAT8E4M3FN, [], [0.0]),
    ]  # fmt: skip
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), tmp_path / "m.onnx")
    x = rng.normal(size=(16, 8)).astype(np.float32)
    session = open_model(tmp_path / "m.onnx", {"x": x})
    want = runtime(tmp_path / "m.onnx", x)
    found = session.output("w32a32", session.subject.eval_batches[0]).numpy()
    assert np.abs(found - want).max() < 1e-4 * np.abs(want).max()


def weight_only(folder, rng, symmetric):
    """Two products whose weights ONNX Runtime's quantizer puts into blocks of four bits."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    make = helper.make_node
    nodes = [make("MatMul", ["x", "w"], ["m"], name="one"), make("Relu", ["m"], ["r"]),
             make("MatMul", ["r", "v"], ["y"], name="two")]  # fmt: skip
    stored = [numpy_helper.from_array(rng.normal(size=size).astype(np.float32), name)
              for name, size in (("w", (64, 96)), ("v", (96, 32)))]  # fmt: skip
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", n]) for name, n in (("x", 64), ("y", 32))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    quantizer = MatMulNBitsQuantizer(model, block_size=32, is_symmetric=symmetric, accuracy_level=1)
    quantizer.process()
    onnx.save(quantizer.model.model, folder / "m.onnx")
    return folder / "m.onnx"


@pytest.mark.parametrize("symmetric", [True, False])
def test_weights_of_four_bits_in_blocks_are_a_recipe(tmp_path, symmetric):
    rng = np.random.default_rng(5)
    path = weight_only(tmp_path, rng, symmetric)
    x = rng.normal(size=(16, 64)).astype(np.float32)
    session = open_model(path, {"x": x})
    recipe = session.own_recipe()
    weight = TensorPlan("int4", "group", 32, symmetric=symmetric, range="stored")
    assert [plan for _, plan in recipe.layers] == [LayerPlan(weight, TensorPlan())] * 2
    want = runtime(path, x)
    np.testing.assert_allclose(simulated(session), want, rtol=1e-4, atol=1e-5 * np.abs(want).max())
