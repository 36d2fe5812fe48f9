"""What is said of an artefact that departs from its simulation: where, and why where that is known."""

from qdebug.results import Agreement, VerifiedTensor
from qdebug.verify.findings import CAUSES, Facts, findings

NONE = Agreement()


def row(kernel, elements=10_000, **readings):
    return VerifiedTensor(
        value="v", node="layer", kernel=kernel, elements=elements, integer=readings.get("integer", NONE),
        float_=readings.get("float_", NONE), fed=readings.get("fed", NONE),
    )  # fmt: skip


def test_nothing_is_said_where_all_is_within_bounds():
    rows = (row("QLinearConv", integer=Agreement(differing=1, largest=1), fed=Agreement(differing=5, largest=1)),)
    assert findings(Facts(rows=rows), 0.999, "onnxruntime") == ()


def test_a_layer_beyond_the_bounds_is_named_with_its_cause():
    rows = (row("QLinearSoftmax", fed=Agreement(differing=700, largest=1)),)
    (told,) = findings(Facts(rows=rows), 1.0, "onnxruntime")
    assert "layer (QLinearSoftmax, by up to 1)" in told
    assert told.endswith(CAUSES["QLinearSoftmax"])


def test_a_difference_of_two_codes_is_too_large_however_rare():
    rows = (row("QLinearConv", elements=10**7, integer=Agreement(differing=1, largest=2)),)
    (told,) = findings(Facts(rows=rows), 1.0, "onnxruntime")
    assert "integer simulation" in told


def test_the_float_operators_that_are_not_followed_are_named():
    rows = (row("float", integer=Agreement(differing=50, largest=3)),)
    (told,) = findings(Facts(rows=rows, kernels={"FusedMatMul": 4, "Softmax": 4, "Conv": 1}), 1.0, "onnxruntime")
    assert CAUSES["float"] in told
    assert told.endswith("The simulation does not follow the runtime's float arithmetic in Conv, FusedMatMul.")


def test_drift_along_the_depth_is_no_finding_of_its_own():
    rows = (row("QLinearConv", float_=Agreement(differing=900, largest=9)),)
    assert findings(Facts(rows=rows), 1.0, "onnxruntime") == ()


def test_predictions_that_differ_come_first():
    found = findings(Facts(float_layers=("a", "b")), 0.9, "onnxruntime")
    assert found[0].startswith("Only 90.00%")
    assert "2 of the integer layers ran in floats: a, b" in found[1]


def test_openvino_is_told_from_its_reading_of_the_file():
    whole = findings(Facts(without_rewriting=1.0), 0.9, "openvino")
    part = findings(Facts(without_rewriting=0.95), 0.9, "openvino")
    assert any("what departs is that rewriting" in text and "part of" not in text for text in whole)
    assert any("part of what departs is that rewriting" in text for text in part)
