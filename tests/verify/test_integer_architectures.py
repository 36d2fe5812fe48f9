"""What torch exports, quantized and computed in integers, gives ONNX Runtime's codes through its whole depth."""

import numpy as np
import onnx
import pytest
from onnxruntime.quantization.shape_inference import quant_pre_process

from qdebug.verify.integer import compare
from tests.doors import architectures
from tests.doors.architectures.zoo import ZOO
from tests.verify.networks import quantized

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]
ALWAYS = ("unet",)
CASES = [
    pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name, zoo in ZOO.items() if not zoo.traced
]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_code_is_the_runtime_s(name, tmp_path):
    file = architectures.exported(tmp_path, name, ZOO[name].opsets[0])
    quant_pre_process(file.path, tmp_path / "prepared.onnx", skip_symbolic_shape=True)
    feeds = {key: np.asarray(value) for key, value in file.inputs.items()}
    found = compare(quantized(onnx.load(tmp_path / "prepared.onnx"), [feeds], tmp_path), feeds)
    integer = found.total("integer")
    assert (found.disturbed, found.missing) == ((), ())
    assert integer.largest <= 1
    assert integer.differing <= 1e-4 * found.elements
