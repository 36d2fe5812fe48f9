"""Models that compute in float16: what is rounded goes through float32 and back, everything else stays as it is."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from qdebug.export import write_onnx
from qdebug.recipes import Recipe, preset
from qdebug.session import open as open_model
from tests.session.test_onnx_models import write

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("half") / "m.onnx", "float16")
    x = np.random.default_rng(1).normal(size=(16, 3, 6, 6)).astype(np.float16)
    return open_model(path, {"x": x})


def outputs(session, recipe):
    return np.concatenate([session.output(recipe, batch).numpy() for batch in session.subject.eval_batches])


@pytest.mark.parametrize("name", ["w8a8", "w8a8-pc-all", "w4a16", "w16a8", "w8a8-dyn", "w4g4a8"])
def test_the_file_computes_what_the_session_does(session, tmp_path, name):
    write_onnx(session, name, tmp_path / "q.onnx")
    x = session.subject.data.inputs["x"].numpy()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # a range taken at run time is that of the batch in the file: one sample at a time
    run = onnxruntime.InferenceSession(tmp_path / "q.onnx", options).run
    found = np.concatenate([run(None, {"x": x[at : at + 1]})[0] for at in range(len(x))])
    wanted = outputs(session, preset(name))
    assert found.dtype == np.float16
    # float16 sums in another order move values that lie half-way between codes
    apart = np.abs(found.astype(float) - wanted.astype(float))
    assert apart.mean() < 2e-3 * np.abs(wanted).max()
    assert apart.max() < 0.03 * np.abs(wanted).max()


def test_what_is_not_quantized_stays_float16(session, tmp_path):
    write_onnx(session, "w8a8-pc", tmp_path / "q.onnx")
    graph = onnx.load(tmp_path / "q.onnx").graph
    kinds = {one.name: one.data_type for one in graph.initializer}
    assert kinds["conv.bias"] == TensorProto.FLOAT16
    assert graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT16
    assert graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT16


def test_a_float_export_changes_nothing(session, tmp_path):
    write_onnx(session, Recipe(), tmp_path / "q.onnx")
    x = session.subject.data.inputs["x"].numpy()
    found = onnxruntime.InferenceSession(tmp_path / "q.onnx").run(None, {"x": x})[0]
    np.testing.assert_allclose(found, outputs(session, Recipe()), rtol=1e-2, atol=1e-2)
