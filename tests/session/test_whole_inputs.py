"""Inputs that are the same for every sample: a number, a table, a mask. They are handed whole to every batch."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from qdebug.cli import main
from qdebug.cli.inspect import describe
from qdebug.errors import DataError
from qdebug.export import write_onnx
from qdebug.recipes import BiasCorrection, Recipe, preset, with_fix
from qdebug.session import inspect
from qdebug.session import open as open_model
from qdebug.verify import integer_metric, measure_latency, verify
from qdebug.web.opening.wanted import wanted_html
from tests.whole_inputs import ANCHORS, TOKENS, data, write

pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = ("threshold", "mask", "anchors")
#: A mask of -inf has no finite range, so that sums with it cannot be held in integers; a number has no axis.
RECIPES = {"threshold": "w8a8-pc-all", "mask": "w8a8", "anchors": "w8a8-pc-all"}


def outputs_of(session, recipe):
    return np.concatenate([session.output(recipe, batch).numpy() for batch in session.subject.eval_batches])


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def session(kind, tmp_path):
    return open_model(write(tmp_path / "m.onnx", kind), data(kind))


def test_float_outputs_are_the_runtimes_on_all_samples_at_once(kind, tmp_path):
    path, given = write(tmp_path / "m.onnx", kind), data(kind, count=300)  # more than a batch
    session = open_model(path, given)
    assert len(session.subject.eval_batches) > 1
    reference = onnxruntime.InferenceSession(path).run(None, given)[0]
    np.testing.assert_allclose(outputs_of(session, Recipe()), reference, rtol=1e-4, atol=1e-5)
    info = session.info()
    assert (info.n_eval, info.n_calib) == (300, 256)


def test_everything_that_is_asked_about_a_recipe_is_answered(kind, session):
    recipe = RECIPES[kind]
    found = session.evaluate(recipe)
    assert min(row.output.sqnr_db for row in found.layers) > 20
    assert session.shares(recipe).n == len(data(kind)["x"])
    for name in (layer.name for layer in session.info().layers):
        assert session.detail(recipe, name).activation is not None
        assert session.range_convergence(recipe, name).samples


def test_the_exported_file_takes_the_same_data_and_computes_the_same(kind, session, tmp_path):
    recipe = RECIPES[kind]
    written = write_onnx(session, recipe, tmp_path / "out.onnx")
    before = {one.name: one.type for one in onnx.load(tmp_path / "m.onnx").graph.input}
    assert {one.name: one.type for one in onnx.load(written.path).graph.input} == before
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    real = onnxruntime.InferenceSession(written.path, options).run(None, data(kind))[0]
    simulated = outputs_of(session, recipe)
    assert np.abs(real - simulated).max() < 0.02 * np.abs(simulated).max()
    assert len(open_model(written.path, data(kind)).evaluate(recipe).layers) == len(session.info().layers)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_runtimes_are_held_against_the_simulation(kind, session, runtime):
    pytest.importorskip(runtime)
    found = verify(session, RECIPES[kind], runtime=runtime)
    assert found.n == len(data(kind)["x"])
    assert found.agreement > 0.9
    if runtime == "onnxruntime":
        assert found.elements > 0
        assert max(row.fed.largest for row in found.layers) <= 1


def test_integers_are_simulated_and_files_timed(kind, session):
    assert integer_metric(session, RECIPES[kind]).name
    assert measure_latency(session, RECIPES[kind], batch=3).batch == 3


def test_bias_correction_sees_all_rows_of_a_table(tmp_path):
    session = open_model(write(tmp_path / "m.onnx", "anchors"), data("anchors", count=3))
    step = session.subject.layer("embed").step
    plain = preset("w3a8")
    before, after, real = (
        session.value(recipe, step, 3).mean(0)
        for recipe in (plain, with_fix(plain, BiasCorrection()), Recipe())
    )  # fmt: skip
    assert (before - real).abs().max() > 1e-3
    torch.testing.assert_close(after, real, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("strange", [False, True])
def test_data_files_hold_them_uploaded_or_not(kind, strange, tmp_path):
    np.savez(tmp_path / "d.npz", **data(kind))
    path = write(tmp_path / "m.onnx", kind)
    session = open_model(path, tmp_path / "d.npz", tmp_path / "d.npz", untrusted=lambda _: strange)
    reference = onnxruntime.InferenceSession(path).run(None, data(kind))[0]
    np.testing.assert_allclose(outputs_of(session, Recipe()), reference, rtol=1e-4, atol=1e-5)


def test_the_command_line_takes_them(kind, tmp_path, capsys):
    np.savez(tmp_path / "d.npz", **data(kind))
    given = [str(write(tmp_path / "m.onnx", kind)), "--data", str(tmp_path / "d.npz"), "--preset", "w8a8", "--json"]
    for verb in (["evaluate"], ["verify", "--latency"]):
        assert main([*verb, *given]) == 0
        assert json.loads(capsys.readouterr().out)["metric"]["name"] == "agreement"


def test_what_is_the_same_costs_a_sample_all_of_its_multiplications(tmp_path):
    session = open_model(write(tmp_path / "m.onnx", "anchors"), data("anchors"))
    alone = inspect(tmp_path / "m.onnx")
    for info in (session.info(), alone):
        macs = {layer.name: layer.macs for layer in info.layers}
        assert macs["embed"] == ANCHORS * 4 * 8
        assert macs["conv"] == 6 * 6 * 8 * 27


def test_inspect_says_what_each_input_wants(tmp_path):
    told = {kind: describe(inspect(write(tmp_path / f"{kind}.onnx", kind))) for kind in KINDS}
    assert "threshold float32, one number for all samples; x float32 [N, 3, 6, 6]" in told["threshold"]
    assert f"mask float32 [{TOKENS}, {TOKENS}], the same for every sample" in told["mask"]
    assert f"anchors float32 [{ANCHORS}, 4], the same for every sample" in told["anchors"]
    info = inspect(tmp_path / "mask.onnx")
    assert f"float32 [{TOKENS}, {TOKENS}], the same for every sample" in wanted_html(info)
    with_data = inspect(tmp_path / "mask.onnx", data("mask"))
    assert [spec.shape for spec in with_data.inputs] == [(TOKENS, TOKENS), (None, TOKENS, 8)]


def test_as_many_samples_as_rows_change_nothing(tmp_path):
    path = write(tmp_path / "m.onnx", "anchors")
    many, few = open_model(path, data("anchors", ANCHORS + 1)), open_model(path, data("anchors", ANCHORS))
    given = data("anchors", ANCHORS)
    np.testing.assert_allclose(
        outputs_of(few, Recipe()), onnxruntime.InferenceSession(path).run(None, given)[0], rtol=1e-4, atol=1e-5
    )
    assert few.subject.data.alike == many.subject.data.alike == {"anchors"}


def test_a_row_for_each_sample_is_still_taken_so(tmp_path):
    given = data("mask")
    each = given | {"mask": np.zeros((len(given["x"]), TOKENS), np.float32)}
    session = open_model(write(tmp_path / "m.onnx", "mask"), each)
    assert session.subject.data.alike == frozenset()
    assert session.subject.batch_size == TOKENS  # what the file declares
    with pytest.raises(DataError, match="'mask' is given once for all samples in one of"):
        open_model(tmp_path / "m.onnx", each, given)


def test_a_single_number_joins_a_fixed_batch(tmp_path):
    path, given = write(tmp_path / "m.onnx", "threshold", batch=7), data("threshold")
    session = open_model(path, given)
    free = open_model(write(tmp_path / "free.onnx", "threshold"), given)
    np.testing.assert_allclose(outputs_of(session, "w8a8"), outputs_of(free, "w8a8"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("mask", np.zeros((12, TOKENS)), ["'mask' has 12 rows, the other inputs have 24 samples", f"{[TOKENS] * 2}"]),
        ("mask", np.zeros((12, 12)), [f"[12, 12], the model wants {[TOKENS] * 2}, the same for every sample", "once"]),
        ("mask", np.full((TOKENS, TOKENS), np.nan), ["'mask' holds NaN", "all samples use it"]),
        ("threshold", np.zeros(24), ["'threshold' has shape [24]", "one number for all samples"]),
        ("anchors", np.zeros((ANCHORS, 4), np.int64), ["anchors", "int64", "float32"]),
    ],
)  # fmt: skip
def test_mistakes(kind, change, words, tmp_path):
    array = change if change.dtype == np.int64 else change.astype(np.float32)
    with pytest.raises(DataError) as caught:
        open_model(write(tmp_path / "m.onnx", kind), data(kind) | {kind: array})
    for word in words:
        assert word in f"{caught.value} {caught.value.do}"


def test_where_all_first_sizes_are_fixed_they_are_the_batch(tmp_path):
    with pytest.raises(DataError, match=f"'anchors' has {ANCHORS} rows, the other inputs have 24 samples") as caught:
        open_model(write(tmp_path / "m.onnx", "anchors", batch=1), data("anchors"))
    assert "left open" in caught.value.do


def test_a_module_takes_a_single_number_too():
    class Shifted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = torch.nn.Linear(4, 3)

        def forward(self, x, shift):
            return self.head(x - shift)

    x = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    model = Shifted().eval()
    session = open_model(model, {"x": x, "shift": np.float32(0.5)})
    np.testing.assert_allclose(
        outputs_of(session, Recipe()), model(torch.from_numpy(x), torch.tensor(0.5)).detach(), rtol=1e-5, atol=1e-6
    )
    assert verify(session, "w8a8").n == 20
