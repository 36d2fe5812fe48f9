"""An exported file opened again: the recipe that was exported, and the same metric."""

import numpy as np
import pytest

from qdebug.export import write_onnx
from qdebug.recipes import LayerPlan, Recipe, TensorPlan, parse_plan, preset, set_layers
from qdebug.session import open as open_model
from qdebug.verify import verify
from tests.doors.test_quantized_files import quantized, residual, weight_only

pytestmark = pytest.mark.filterwarnings("ignore")
PRESETS = [
    "w8a8", "w8a8-pc", "w8a8-pc-all", "w4a8-pc", "w4a8", "w4g8a16", "w8a8-dyn", "w16a16", "w8a32", "w4g4a8", "w32a8",
    "w16a8",
]  # fmt: skip


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = tmp_path_factory.mktemp("reopened") / "net.onnx"
    residual(path)
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 3, 8, 8)).astype(np.float32)
    return open_model(path, {"x": x, "labels": rng.integers(0, 10, 40)})


def again(session, recipe, tmp_path):
    data = session.subject.data
    write_onnx(session, recipe, tmp_path / "q.onnx")
    return open_model(tmp_path / "q.onnx", {"x": data.inputs["x"].numpy(), "labels": data.labels.numpy()})


def bare(plan: TensorPlan):
    return plan.format, plan.granularity, plan.group_size, plan.symmetric, plan.dynamic


def same_plans(one, two, layers):
    for layer in layers:
        first, second = one.plan_for(layer.name, layer.kind), two.plan_for(layer.name, layer.kind)
        assert (bare(first.weight), bare(first.activation)) == (bare(second.weight), bare(second.activation)), (
            layer.name
        )


def groups_are_longer_than_rows(recipe, layer, session):
    plan = recipe.plan_for(layer.name, layer.kind).weight
    features = next(one.in_features for one in session.info().layers if one.name == layer.name)
    return plan.group_size >= features


@pytest.mark.parametrize("name", PRESETS)
def test_the_recipe_and_the_metric_are_the_same(session, tmp_path, name):
    recipe = preset(name)
    reopened = again(session, recipe, tmp_path)
    own = reopened.own_recipe()
    # a group that is longer than a row is one scale a channel, and so the file says
    layers = [one for one in session.subject.layers if not recipe.default.weight.group_size
              or not groups_are_longer_than_rows(recipe, one, session)]  # fmt: skip
    same_plans(recipe, own, layers)
    assert bare(own.between) == bare(recipe.between)
    assert own.bias == recipe.bias
    assert [layer.name for layer in reopened.info().layers] == [layer.name for layer in session.info().layers]
    one, two = session.score(recipe).metric, reopened.score(own).metric
    assert (one.quantized, one.flips) == (two.quantized, two.flips)
    for batch, other in zip(session.subject.eval_batches, reopened.subject.eval_batches, strict=True):
        first, second = session.output(recipe, batch), reopened.output(own, other)
        # a layer in float16 has its bias in float16 too
        close = 2e-3 if name == "w16a16" else 1e-4
        np.testing.assert_allclose(second, first, rtol=close, atol=close * float(first.abs().max()))


@pytest.mark.parametrize("name", PRESETS)
def test_values_are_called_as_before(session, tmp_path, name):
    reopened = again(session, preset(name), tmp_path)
    one, two = session.subject.program, reopened.subject.program
    assert list(one.outputs) == list(two.outputs)
    assert one.scored == two.scored
    computed = [{step.name for step in program.steps if step.kind == "op"} for program in (one, two)]
    assert computed[0] <= computed[1]
    for before, after in zip(session.subject.layers, reopened.subject.layers, strict=True):
        names = [(program.steps[layer.x].name, program.steps[layer.step].name)
                 for program, layer in ((one, before), (two, after))]  # fmt: skip
        assert names[0] == names[1]
    assert computed[0] == computed[1] or name == "w16a16", "a layer of 16 bits has a bias behind it"


def test_layers_with_plans_of_their_own(session, tmp_path):
    recipe = set_layers(preset("w8a8-pc"), {"conv2": parse_plan("w16a16"), "fc": LayerPlan()})
    reopened = again(session, recipe, tmp_path)
    same_plans(recipe, reopened.own_recipe(), session.subject.layers)
    assert reopened.score(reopened.own_recipe()).metric.quantized == session.score(recipe).metric.quantized


def test_a_float_export_is_a_float_model(session, tmp_path):
    assert again(session, preset("w32a32"), tmp_path).own_recipe() is None


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["qdq", "qoperator", "dynamic"])
def test_a_file_that_was_quantized_already_is_exported_as_it_was(tmp_path, kind, per_channel):
    x = np.random.default_rng(1).normal(size=(32, 3, 8, 8)).astype(np.float32)
    residual(tmp_path / "float.onnx")
    source = quantized(tmp_path / "float.onnx", tmp_path / "source.onnx", kind, per_channel, x)
    session = open_model(source, {"x": x})
    own = session.own_recipe()
    write_onnx(session, own, tmp_path / "again.onnx")
    reopened = open_model(tmp_path / "again.onnx", {"x": x})
    same_plans(own, reopened.own_recipe(), session.subject.layers)
    for recipe, other in ((own, reopened.own_recipe()), (Recipe(), Recipe())):
        for batch, same in zip(session.subject.eval_batches, reopened.subject.eval_batches, strict=True):
            first, second = session.output(recipe, batch), reopened.output(other, same)
            np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-4 * float(first.abs().max()))
    if kind != "dynamic":
        changed = verify(session, preset("w8a8-pc-all"), simulation="integer")
        assert changed.max_code_difference == 0


def test_weight_only_layers_of_the_runtime_are_exported_with_their_recipe(tmp_path):
    rng = np.random.default_rng(5)
    path = weight_only(tmp_path, rng, symmetric=True)
    x = rng.normal(size=(16, 64)).astype(np.float32)
    session = open_model(path, {"x": x})
    own = session.own_recipe()
    write_onnx(session, own, tmp_path / "again.onnx")
    reopened = open_model(tmp_path / "again.onnx", {"x": x})
    same_plans(own, reopened.own_recipe(), session.subject.layers)
    batch = session.subject.eval_batches[0]
    first, second = session.output(own, batch), reopened.output(reopened.own_recipe(), reopened.subject.eval_batches[0])
    np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-4 * float(first.abs().max()))
    eight = verify(session, preset("w8a8-pc-all"), simulation="integer")
    assert eight.kernels.get("QLinearMatMul") == 2 and "MatMulNBits" not in eight.kernels
    assert eight.max_code_difference <= 1


def test_layers_of_sixteen_bits_are_exported_again(session, tmp_path):
    first = again(session, preset("w16a16"), tmp_path)
    write_onnx(first, preset("w8a8-pc-all"), tmp_path / "eight.onnx")
    data = session.subject.data
    second = open_model(tmp_path / "eight.onnx", {"x": data.inputs["x"].numpy(), "labels": data.labels.numpy()})
    same_plans(preset("w8a8-pc-all"), second.own_recipe(), session.subject.layers)
