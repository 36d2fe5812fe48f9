"""Our codes are those of ONNX's QuantizeLinear (opset 21 on): its reference evaluator and ONNX Runtime, bit for bit.

Where they cannot be asked, or are wrong:

- The reference evaluator converts to int32 before it clamps, so that beyond int32 the result is the platform's (on x86
  1e30 and +Inf become the lowest code). It is asked only within; ONNX Runtime clamps first, as we do, and is asked
  beyond.
- NaN has no integer code. We refuse it; ONNX Runtime writes the lowest code.
- ONNX Runtime hands out no codes of 4 bits, and of 8-bit floats only e4m3fn. So DequantizeLinear with a scale of 1
  follows, which turns codes into the reals that they stand for; for integers these are the codes.
- Without saturation ONNX Runtime 1.31 converts what lies between the first number beyond the format and the next tie
  wrongly: 480 < |x| < 496 becomes 448 in e4m3fn, though 470 becomes NaN, as it should; 61440 < |x| < 65536 becomes NaN
  in e5m2, which has Inf. The reference evaluator and ml_dtypes give NaN and Inf there, as ONNX's table says.
"""

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from qdebug.errors import NumericError
from qdebug.formats import find
from qdebug.quantize import QParams, decode, encode, fake_quantize, quantize
from tests.quantize.tensors import same_bytes

INTEGERS = {
    "uint8": (TensorProto.UINT8, 0, 255),
    "int8": (TensorProto.INT8, -128, 127),
    "uint4": (TensorProto.UINT4, 0, 15),
    "int4": (TensorProto.INT4, -8, 7),
    "uint16": (TensorProto.UINT16, 0, 65535),
    "int16": (TensorProto.INT16, -32768, 32767),
}
FLOATS = {
    "fp8_e4m3fn": TensorProto.FLOAT8E4M3FN,
    "fp8_e5m2": TensorProto.FLOAT8E5M2,
    "fp8_e4m3fnuz": TensorProto.FLOAT8E4M3FNUZ,
    "fp8_e5m2fnuz": TensorProto.FLOAT8E5M2FNUZ,
}
ROWS, COLUMNS, SIZE = 24, 320, 64

#: How many scales, and what QuantizeLinear is told of it.
SHARING = {"tensor": ((), {}), "axis": ((ROWS,), {"axis": 0}),
           "blocked": ((ROWS, COLUMNS // SIZE), {"axis": 1, "block_size": SIZE})}  # fmt: skip


def linear(x: np.ndarray, scale: np.ndarray, zero: np.ndarray, kind: int, opset: int = 21, **attributes) -> ModelProto:
    """A model of QuantizeLinear and the DequantizeLinear that shows its codes."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    constants = {
        "scale": scale,
        "zero": zero.astype(dtype),
        "one": np.ones((), np.float32),
        "none": np.zeros((), dtype),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["codes"], **attributes),
        helper.make_node("DequantizeLinear", ["codes", "one", "none"], ["shown"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in ("x", "shown")]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "linear", ends[:1], ends[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def reference(model: ModelProto, x: np.ndarray) -> np.ndarray:
    return ReferenceEvaluator(model).run(None, {"x": x})[0]


def runtime(model: ModelProto, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


EVALUATORS = {"reference": reference, "onnxruntime": runtime}


@pytest.fixture(params=EVALUATORS)
def evaluator(request):
    return EVALUATORS[request.param]


def scales(shape: tuple[int, ...], seed: int = 3) -> np.ndarray:
    """No powers of two, so that quotients are rounded."""
    return np.asarray(np.random.default_rng(seed).uniform(0.01, 3.0, shape), np.float32)


def spread(part: np.ndarray) -> np.ndarray:
    """Scales or zero points, one for every value."""
    if part.ndim == 2:
        return np.repeat(part, SIZE, axis=1)
    return np.broadcast_to(part[:, None] if part.ndim else part, (ROWS, COLUMNS))


def values(scale: np.ndarray, reach: float) -> np.ndarray:
    """Values of quotients up to ``reach``: anywhere, at ties, and one float32 beside them; zeros; and far ones."""
    random = np.random.default_rng(0)
    quotients = random.uniform(-reach, reach, (ROWS, COLUMNS))
    ties = np.floor(quotients) + 0.5
    x = (np.where(random.random(quotients.shape) < 0.6, ties, quotients) * spread(scale)).astype(np.float32)
    beside = random.choice(np.float32([-np.inf, 0, np.inf]), x.shape)
    x = np.where(beside == 0, x, np.nextafter(x, beside))
    x[:, 0], x[:, 1], x[:, 2], x[:, 3] = 0.0, -0.0, 1e9 * spread(scale)[:, 2], -1e9 * spread(scale)[:, 3]
    return x


def without_wrong(x: np.ndarray, scale: np.ndarray, name: str) -> np.ndarray:
    """Zero in place of the overflowing values that ONNX Runtime converts wrongly (see above)."""
    low, high = {"fp8_e4m3fn": (480, 496), "fp8_e5m2": (61440, 65536)}.get(name, (0, 0))
    with np.errstate(over="ignore"):
        quotient = np.abs(x / spread(scale))
    return np.where((quotient > low) & (quotient < high), np.float32(0), x)


def own(scale: np.ndarray, zero: np.ndarray, qmin: int, qmax: int) -> QParams:
    parts = [torch.from_numpy(part.astype(np.float32).reshape(part.shape if part.ndim != 1 else (-1, 1)).copy())
             for part in (scale, zero)]  # fmt: skip
    return QParams(*parts, qmin, qmax, group_size=SIZE if scale.ndim == 2 else 0)


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("name", INTEGERS)
def test_integer_codes(name, sharing, evaluator):
    kind, qmin, qmax = INTEGERS[name]
    shape, attributes = SHARING[sharing]
    scale = scales(shape)
    zero = np.random.default_rng(1).integers(qmin, qmax + 1, shape)
    x = values(scale, 1.3 * (qmax - qmin))
    qparams = own(scale, np.asarray(zero), qmin, qmax)
    codes = quantize(torch.from_numpy(x), qparams)
    model = linear(x, scale, np.asarray(zero), kind, **attributes)
    np.testing.assert_array_equal(codes.numpy(), evaluator(model, x))
    assert codes.unique().numel() > 0.9 * min(qmax - qmin, 1000), "most codes occur"


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("name", ["uint8", "int8", "uint4", "int4"])
def test_reals_are_those_of_dequantize_linear(name, sharing, evaluator):
    """Q and DQ with the same scale, as models carry them, are our fake-quantize."""
    kind, qmin, qmax = INTEGERS[name]
    shape, attributes = SHARING[sharing]
    scale = scales(shape)
    zero = np.asarray(np.random.default_rng(1).integers(qmin, qmax + 1, shape))
    x = values(scale, 1.3 * (qmax - qmin))
    model = linear(x, scale, zero, kind, **attributes)
    back = model.graph.node[1]
    back.input[1], back.input[2] = "scale", "zero"
    back.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    mine = fake_quantize(torch.from_numpy(x), own(scale, zero, qmin, qmax))
    assert same_bytes(mine, torch.from_numpy(evaluator(model, x)) + 0.0)


@pytest.mark.parametrize("name", INTEGERS)
def test_onnx_runtime_clamps_beyond_int32_too(name):
    kind, qmin, qmax = INTEGERS[name]
    x = np.float32([[1e30, -1e30, np.inf, -np.inf, 3e9, -3e9, 3.4e38, 2.0**31]])
    scale, zero = np.asarray(0.1, np.float32), np.asarray(1)
    codes = quantize(torch.from_numpy(x), own(scale, zero, qmin, qmax))
    np.testing.assert_array_equal(codes.numpy(), runtime(linear(x, scale, zero, kind), x))
    assert set(codes.view(-1).tolist()) == {qmin, qmax}


def test_nan_is_refused_where_onnx_runtime_makes_it_the_lowest_code():
    x = np.float32([[np.nan, 1.0]])
    scale, zero = np.ones((), np.float32), np.asarray(0)
    assert runtime(linear(x, scale, zero, TensorProto.INT8), x).tolist() == [[-128, 1]]
    with pytest.raises(NumericError):
        quantize(torch.from_numpy(x), own(scale, zero, -128, 127))


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("name", FLOATS)
def test_float_codes(name, sharing, saturate, evaluator):
    """The codes of the float32 quotient; all of the format's, NaN, ±Inf and what overflows among them."""
    form = find(name)
    shape, attributes = SHARING[sharing]
    scale = scales(shape)
    x = values(scale, 20.0)
    # levels a little enlarged: some are ties then, and the largest overflow
    levels = np.random.default_rng(2).choice(form.levels, (ROWS, COLUMNS // 2)) * 1.0625
    x[:, COLUMNS // 2 :] = levels * spread(scale)[:, COLUMNS // 2 :]
    x[:, 4:8] = [np.nan, np.inf, -np.inf, 3e38]
    zero = np.zeros(shape)
    if evaluator is runtime and not saturate:
        x = without_wrong(x, scale, name)
    model = linear(x, scale, zero, FLOATS[name], saturate=int(saturate), **attributes)
    with np.errstate(over="ignore"):
        shown = evaluator(model, x)
        quotient = torch.from_numpy(x / spread(scale))
    codes = encode(quotient, form, saturate=saturate)
    assert same_bytes(decode(codes, form), torch.from_numpy(shown))


@pytest.mark.parametrize("saturate", [True, False])
def test_the_bytes_of_e4m3fn(saturate):
    """The one 8-bit float whose codes ONNX Runtime hands out."""
    form = find("fp8_e4m3fn")
    scale = scales(())
    x = values(scale, 500.0)
    x[:, 4:8] = [np.nan, np.inf, -np.inf, 3e38]
    if not saturate:
        x = without_wrong(x, scale, form.name)
    model = linear(x, scale, np.zeros(()), FLOATS[form.name], saturate=int(saturate))
    del model.graph.node[1]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("codes", TensorProto.FLOAT8E4M3FN, x.shape))
    with np.errstate(over="ignore"):
        codes = encode(torch.from_numpy(x / scale), form, saturate=saturate)
        expected = reference(model, x).view(np.uint8)
    np.testing.assert_array_equal(codes.numpy(), runtime(model, x))
    np.testing.assert_array_equal(codes.numpy(), expected)


def test_float4_codes_of_the_reference():
    """FLOAT4E2M1, opset 23 on. The reference adds the zero point, which makes 0 of −0."""
    form = find("fp4")
    scale = scales(())
    x = values(scale, 7.0)
    model = linear(x, scale, np.zeros(()), TensorProto.FLOAT4E2M1, opset=23)
    codes = encode(torch.from_numpy(x / scale), form)
    assert same_bytes(decode(codes, form) + 0.0, torch.from_numpy(reference(model, x)) + 0.0)
