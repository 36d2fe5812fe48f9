"""Quantized networks computed in integers give every code that ONNX Runtime gives, through their whole depth."""

import pytest

from qdebug.doors.onnx import from_proto
from qdebug.errors import ModelError
from qdebug.verify.integer import compare, integer_program
from tests.verify.networks import NETWORKS, quantized

pytestmark = pytest.mark.filterwarnings("ignore")
LEAST_AGREEING = 1e-4
"""The share of codes that may differ, by one."""


def made(name, folder, seed=0, activations="u8", weights="s8", per_channel=True, qdq=True, free_batch=False, **extra):
    net, output = NETWORKS[name](seed, free_batch=free_batch)
    model = quantized(
        net.model(output), net.feeds(seed + 1, 3), folder, activations, weights, per_channel, qdq, **extra
    )
    return model, net.feeds(seed + 2)[0]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("weights", "per_channel"), [("s8", True), ("s8", False), ("u8", False)])
def test_every_code_is_the_runtime_s(name, weights, per_channel, tmp_path):
    found = compare(*made(name, tmp_path, seed=3, weights=weights, per_channel=per_channel))
    total = found.total("integer")
    assert (found.disturbed, found.missing) == ((), ())
    assert total.largest <= 1
    assert total.differing <= LEAST_AGREEING * found.elements
    assert found.total("exact").differing <= LEAST_AGREEING * found.elements


@pytest.mark.parametrize("name", ["residual", "mobile"])
def test_int8_activations_are_computed_as_uint8_where_the_runtime_does(name, tmp_path):
    found = compare(*made(name, tmp_path, activations="s8"))
    assert found.disturbed == ()
    assert found.total("integer").differing <= LEAST_AGREEING * found.elements


@pytest.mark.parametrize("activations", ["u8", "s8"])
def test_files_of_operators_on_codes(activations, tmp_path):
    found = compare(*made("varied", tmp_path, activations=activations, qdq=False))
    assert found.elements
    assert found.total("integer").differing == 0


@pytest.mark.parametrize(
    "extra",
    [
        {"ActivationSymmetric": True},
        {"DedicatedQDQPair": True},
        {"OpTypesToExcludeOutputQuantization": ["Conv", "MatMul", "Gemm"]},
    ],
    ids=["symmetric", "dedicated", "unquantized-outputs"],
)
@pytest.mark.parametrize("name", ["residual", "transformer"])
def test_other_ways_to_place_scales(name, extra, tmp_path):
    found = compare(*made(name, tmp_path, seed=5, **extra))
    assert found.disturbed == ()
    assert found.total("integer").differing <= LEAST_AGREEING * found.elements


@pytest.mark.parametrize("name", ["residual", "transformer"])
def test_a_batch_of_any_size(name, tmp_path):
    found = compare(*made(name, tmp_path, free_batch=True))
    assert found.disturbed == ()
    assert found.total("integer").differing <= LEAST_AGREEING * found.elements


def test_float_layers_fed_with_the_runtime_s_codes_are_off_by_one_at_most(tmp_path):
    found = compare(*made("mobile", tmp_path, seed=3))
    fed = found.total("fed")
    assert fed.largest <= 1
    assert fed.differing <= 5e-4 * found.elements


def test_the_kernels_are_those_of_the_runtime(tmp_path):
    found = compare(*made("residual", tmp_path))
    ours = [row.operator for row in found.rows]
    for operator in ("QLinearConv", "QLinearAdd", "QGemm", "QLinearGlobalAveragePool", "MaxPool"):
        assert ours.count(operator) == found.kernels[operator] > 0


def test_codes_keep_the_names_of_the_file(tmp_path):
    model, _ = made("residual", tmp_path)
    names = {step.name for step in integer_program(from_proto(model)).program.steps}
    written = {node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    assert written <= names


def test_an_unknown_runtime_is_named(tmp_path):
    model, feeds = made("residual", tmp_path)
    with pytest.raises(ModelError, match="openvino"):
        compare(model, feeds, runtime="openvino")
