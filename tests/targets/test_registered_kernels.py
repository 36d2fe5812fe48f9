"""ONNX Runtime's own list of kernels, and what its weight-only operator takes, against the platform's card."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi import _pybind_state
from onnxruntime.capi.onnxruntime_pybind11_state import Fail as OrtFailure
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument, RuntimeException

from qdebug.recipes import LayerPlan, parse_activation_format, parse_weight_format
from qdebug.targets import find_platform
from tests.targets.layers import CONV, EMBEDDING, MATMUL, TRANSPOSED

PLATFORM = find_platform("onnxruntime-cpu")


def registered(operator, argument):
    """Element types of an operator's argument over all kernels of the CPU's provider."""
    return [
        set(kernel.type_constraints.get(argument, ()))
        for kernel in _pybind_state.get_all_opkernel_def()
        if kernel.op_name == operator and kernel.provider == "CPUExecutionProvider"
    ]


def runs(layer, weight, activation="fp32"):
    plan = LayerPlan(parse_weight_format(weight), parse_activation_format(activation))
    return PLATFORM.refuses(layer, plan) is None


@pytest.mark.parametrize(("operator", "layer"), [("Conv", CONV), ("ConvTranspose", TRANSPOSED)])
def test_convolutions_in_floats_are_of_32_bits(operator, layer):
    assert set().union(*registered(operator, "T")) == {"tensor(float)"}
    assert runs(layer, "fp32") and not runs(layer, "fp16", "fp16")


def test_no_integer_kernel_of_a_transposed_convolution():
    assert not registered("QLinearConvTranspose", "T1")
    assert not runs(TRANSPOSED, "int8", "int8")


@pytest.mark.parametrize("operator", ["QLinearConv", "QLinearMatMul"])
def test_signed_activations_have_signed_weights_alone(operator):
    pairs = {
        (one, two)
        for first, second in zip(registered(operator, "T1"), registered(operator, "T2"), strict=True)
        for one in first
        for two in second
    }
    assert pairs == {
        ("tensor(uint8)", "tensor(uint8)"), ("tensor(uint8)", "tensor(int8)"), ("tensor(int8)", "tensor(int8)"),
    }  # fmt: skip
    assert runs(CONV, "int8", "int8") and runs(CONV, "int8-affine", "int8") and runs(CONV, "int8", "int8-sym")
    assert not runs(CONV, "int8-affine", "int8-sym")


def nbits(bits, block):
    """Whether a session with a MatMulNBits of such a width and block opens and runs."""
    rows, columns = 4, 64
    blocks = -(-columns // block)
    codes = np.zeros((rows, blocks, max(block * bits // 8, 1)), np.uint8)
    stored = [numpy_helper.from_array(codes, "b"), numpy_helper.from_array(np.ones((rows, blocks), np.float32), "s")]
    node = helper.make_node(
        "MatMulNBits", ["x", "b", "s"], ["y"], domain="com.microsoft", K=columns, N=rows, bits=bits, block_size=block
    )
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, columns])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], stored,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        session.run(None, {"x": np.ones((1, columns), np.float32)})
    except (OrtFailure, InvalidArgument, RuntimeException):
        return False
    return True


@pytest.mark.parametrize(("bits", "block"), [(2, 32), (3, 32), (4, 8), (4, 16), (4, 32), (4, 64), (5, 32), (8, 32)])
def test_the_weight_only_operator_takes_these_widths_and_groups(bits, block):
    assert nbits(bits, block) == runs(MATMUL, f"int{bits}g{block}")


def test_embeddings_in_blocks():
    types = set().union(*registered("GatherBlockQuantized", "T1"))
    assert {"tensor(uint8)", "tensor(int4)", "tensor(uint4)"} <= types
    assert runs(EMBEDDING, "int4g32") and not runs(EMBEDDING, "int3g32")
