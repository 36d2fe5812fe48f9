"""Files that are quantized already open as a float graph and the recipe in them, and compute what the runtime does."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from qdebug.engine import Work
from qdebug.recipes import LayerPlan, TensorPlan, loads, set_layers
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
