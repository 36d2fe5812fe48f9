"""Real architectures, quantized and computed in integers, give ONNX Runtime's codes through their whole depth."""

import onnx
import pytest
from onnxruntime.quantization.shape_inference import quant_pre_process

from qdebug.verify.integer import compare
from tests.verify.light import NAMES, light_feeds, light_model
from tests.verify.networks import quantized

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("name", NAMES)
def test_every_code_is_the_runtime_s(name, tmp_path):
    model = light_model(name)
    feeds = light_feeds(model, 3)
    onnx.save(model, tmp_path / "light.onnx")
    quant_pre_process(tmp_path / "light.onnx", tmp_path / "prepared.onnx", skip_symbolic_shape=True)
    found = compare(quantized(onnx.load(tmp_path / "prepared.onnx"), feeds[:2], tmp_path), feeds[2])
    integer, fed = found.total("integer"), found.total("fed")
    assert (found.disturbed, found.missing) == ((), ())
    assert integer.largest <= 1
    assert integer.differing <= 1e-4 * found.elements
    assert fed.largest <= 1
    assert fed.differing <= 5e-4 * found.elements
