"""A bilinear Resize in the integer program has the last bit of ONNX Runtime's."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.verify.single import by_kernels, session

SIZES = {"scales": [1.0, 1.0, 2.0, 2.0], "shrinking": [1.0, 1.0, 0.6, 1.7], "sizes": [2, 3, 9, 11]}


@pytest.mark.parametrize("where", ["half_pixel", "asymmetric", "pytorch_half_pixel"])
@pytest.mark.parametrize("given", SIZES)
def test_bilinear(where, given):
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 6, 7)).astype(np.float32) * np.float32(0.013)
    values = np.asarray(SIZES[given], np.int64 if given == "sizes" else np.float32)
    inputs = ["x", "", "", "v"] if given == "sizes" else ["x", "", "v"]
    node = helper.make_node("Resize", inputs, ["y"], mode="linear", coordinate_transformation_mode=where)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(values, "v")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    np.testing.assert_array_equal(by_kernels(model, {"x": x}), session(model).run(None, {"x": x})[0])
