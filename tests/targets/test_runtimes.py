"""What the installed ONNX Runtime and OpenVINO really compute in integers, against the platforms' cards."""

import functools

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from qdebug.export import write_onnx
from qdebug.recipes import (
    FLOAT,
    LayerPlan,
    Recipe,
    parse_activation_format,
    parse_weight_format,
)
from qdebug.session import open as open_model
from qdebug.targets import find_platform
from qdebug.verify.onnx_runtime import Session as OnnxRuntime
from qdebug.verify.openvino import Model as OpenVino

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's exporter warns of itself
CHANNELS = 8
LAYERS = {
    "conv": lambda: nn.Conv2d(CHANNELS, 16, 3, padding=1),
    "depthwise": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS),
    "conv-transpose": lambda: nn.ConvTranspose2d(CHANNELS, 16, 2, stride=2),
    "matmul": lambda: nn.Linear(64, 32),
    "tokens": lambda: nn.Linear(64, 32),
}
INTEGERS = [
    ("int8-pc", "int8"), ("int8", "int8"), ("int8-pc", "int8-sym"), ("int8-pc-affine", "int8"),
    ("int4-pc", "int8"), ("int8-pc", "int16"),
]  # fmt: skip


@functools.cache
def opened(kind, folder, relu=False):
    """A session on an ONNX file with two layers, the second of the kind, each with a ReLU behind it where ``relu``."""
    torch.manual_seed(0)
    is_linear = kind in ("matmul", "tokens")
    first = nn.Linear(64, 64) if is_linear else nn.Conv2d(CHANNELS, CHANNELS, 1)
    shapes = {"matmul": (24, 64), "tokens": (24, 4, 64)}
    shape = shapes.get(kind, (24, CHANNELS, 8, 8))
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    second = LAYERS[kind]()
    model = nn.Sequential(first, nn.ReLU(), second, nn.ReLU()) if relu else nn.Sequential(first, second)
    path = folder / f"{kind}{relu}.onnx"
    write_onnx(open_model(model.eval(), {"input": x}), Recipe(), path)
    return open_model(path, {"input": x})


def written(kind, plan, whole, folder, relu=False):
    """The path of the file under a plan, in integers between layers too where ``whole``, and the layer's facts."""
    session = opened(kind, folder, relu)
    recipe = Recipe(default=plan, between=plan.activation if whole else FLOAT, bias="int32" if whole else "fp32")
    exported = write_onnx(session, recipe, folder / "plan.onnx")
    return exported.path, session.info().layers[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runtimes")


@pytest.mark.parametrize("kind", ["conv", "depthwise", "conv-transpose", "matmul"])
@pytest.mark.parametrize(("weight", "activation"), INTEGERS)
def test_integers_in_onnx_runtime(kind, weight, activation, folder):
    plan = LayerPlan(parse_weight_format(weight), parse_activation_format(activation))
    path, layer = written(kind, plan, True, folder)
    found = OnnxRuntime(onnx.load(path)).operators
    integers = sum(found[name] for name in ("QLinearConv", "QGemm", "QLinearMatMul"))
    platform, first = find_platform("onnxruntime-cpu"), opened(kind, folder).info().layers[0]
    assert integers == (platform.refuses(first, plan) is None) + (platform.refuses(layer, plan) is None), found


@pytest.mark.parametrize("kind", ["conv", "matmul"])
def test_what_onnx_runtime_does_not_promise_is_refused_though_it_can_run(kind, folder):
    """Signed activations with unsigned weights: on x86-64 it makes a value unsigned that one node alone reads."""
    plan = LayerPlan(parse_weight_format("int8-affine"), parse_activation_format("int8-sym"))
    path, layer = written(kind, plan, True, folder)
    found = OnnxRuntime(onnx.load(path)).operators
    assert found["QLinearConv"] + found["QGemm"] == 2
    assert "make them" in str(find_platform("onnxruntime-cpu").refuses(layer, plan))


@pytest.mark.parametrize("kind", ["conv", "depthwise", "conv-transpose"])
@pytest.mark.parametrize(("weight", "activation"), INTEGERS)
def test_integers_in_openvino(kind, weight, activation, folder):
    plan = LayerPlan(parse_weight_format(weight), parse_activation_format(activation))
    path, layer = written(kind, plan, True, folder)
    found = OpenVino(path, onnx.load(path).graph.output[0].name).kernels
    integers = sum(count for name, count in found.items() if name.split()[0] in ("Convolution", "Deconvolution")
                   and name.split()[1] in ("u8", "i8"))  # fmt: skip
    assert (integers == 2) == (find_platform("openvino-cpu").refuses(layer, plan) is None), found


@pytest.mark.parametrize("weight", ["int4g32", "int4g64", "int4g32-affine", "int4-pc", "int8-pc"])
def test_weights_alone_in_openvino(weight, folder):
    plan = LayerPlan(parse_weight_format(weight))
    path, layer = written("matmul", plan, False, folder)
    found = OpenVino(path, onnx.load(path).graph.output[0].name).kernels
    assert find_platform("openvino-cpu").refuses(layer, plan) is None
    kept = "u4" if "affine" in weight else weight[0] + weight[3]
    assert found == {f"FullyConnected {kept}": 2}, "the weight is kept in its few bits"


@pytest.mark.parametrize(("kind", "kernels"), [("tokens", 2), ("matmul", 0)])
def test_weights_alone_in_onnx_runtime(kind, kernels, folder):
    plan = LayerPlan(parse_weight_format("int4g32"))
    path, layer = written(kind, plan, False, folder)
    assert find_platform("onnxruntime-cpu").refuses(layer, plan) is None
    assert OnnxRuntime(onnx.load(path)).operators["MatMulNBits"] == kernels


def test_dynamic_ranges_in_onnx_runtime(folder):
    plan = LayerPlan(parse_weight_format("int8-pc"), parse_activation_format("int8-dyn"))
    found = OnnxRuntime(onnx.load(written("matmul", plan, False, folder)[0])).operators
    assert found["DynamicQuantizeLinear"] == found["Gemm"] + found["FusedGemm"] == 2


@pytest.mark.parametrize(("activation", "integers"), [("int8", 2), ("int8-sym", 0)])
def test_signed_activations_behind_a_relu_in_onnx_runtime(activation, integers, folder):
    plan = LayerPlan(parse_weight_format("int8-pc"), parse_activation_format(activation))
    found = OnnxRuntime(onnx.load(written("conv", plan, True, folder, relu=True)[0])).operators
    assert found["QLinearConv"] == integers
