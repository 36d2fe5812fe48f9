"""The official backend tests of ONNX: node cases, and the nine light models."""

from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
import pytest
from onnx.backend.test.runner import Runner

from docs import conformance
from qdebug.doors.onnx import lower_onnx, read_onnx

LIGHT = sorted((Path(onnx.backend.test.__file__).parent / "data" / "light").glob("*.onnx"))


@pytest.fixture(scope="module")
def outcomes():
    return [conformance.run_case(case) for case in conformance.cases()]


@pytest.mark.filterwarnings("ignore")
def test_node_cases_pass_and_the_page_says_which(outcomes):
    assert len(outcomes) > 1800
    assert conformance.share(outcomes) >= 0.97
    page = conformance.PAGE.read_text("utf-8")
    named = {line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")}
    assert named - {"operator"} == {conformance.subject(outcome) for outcome in outcomes}
    # a case at the edge of its tolerance may pass on another processor, but none may fail unsaid
    assert [one.name for one in outcomes if one.state == "failed" and f"`{one.name}`" not in page] == []


def test_there_are_nine_light_models():
    assert len(LIGHT) == 9


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_light_model(path):
    graph = onnx.load(path).graph
    stored = {tensor.name for tensor in graph.initializer}
    given = next(value for value in graph.input if value.name not in stored)
    feed = conformance.to_torch(Runner.generate_dummy_data(given, seed=0, name=path.stem, random=False))
    lowered = lower_onnx(read_onnx(path))
    assert not lowered.unknown
    (output,) = conformance.execute(lowered.program, {given.name: feed}).values()
    reference = onnx.TensorProto.FromString(path.with_name(f"{path.stem}_output_0.pb").read_bytes())
    # tolerances of the official runner for its models
    np.testing.assert_allclose(output.numpy(), onnx.numpy_helper.to_array(reference), rtol=1e-3, atol=1e-7)
