"""Fixes are in the file: without quantization it is the session's float model with them."""

import msgspec
import numpy as np
import onnx
import pytest

from qdebug.errors import RecipeError
from qdebug.export import write_onnx
from qdebug.recipes import Recipe, parse_fix, preset, with_fix
from tests.export.networks import inputs_of
from tests.export.running import assert_agree, by_runtime, simulated


def fixed(recipe: Recipe, *fixes: str) -> Recipe:
    for fix in fixes:
        recipe = with_fix(recipe, parse_fix(fix))
    return recipe


CASES = {
    "residual": ("cle", "gptq", "bias-correction"), "mlp": ("cle",), "transposing": ("bias-correction",),
    "attention": ("smoothquant", "gptq", "bias-correction"),
}  # fmt: skip


@pytest.mark.parametrize("network", CASES)
@pytest.mark.parametrize("name", ["w8a8-pc", "w8a8-pc-all", "w4g16a16"])
def test_a_fixed_and_quantized_model_is_the_simulations(opened, tmp_path, network, name):
    session, _ = opened(network)
    recipe = fixed(preset(name), *CASES[network])
    write_onnx(session, recipe, tmp_path / "out.onnx")
    expected = simulated(session, recipe)
    outputs = [one.name for one in onnx.load(tmp_path / "out.onnx").graph.output]
    for output, values in zip(outputs, by_runtime(tmp_path / "out.onnx", inputs_of(network)), strict=True):
        assert_agree(values, expected[output].numpy(), 1e-4 if name.endswith("16") else 1e-5)


@pytest.mark.parametrize("network", ["residual", "mlp", "attention"])
def test_in_float_the_fixes_alone_are_left(opened, tmp_path, network):
    session, source = opened(network)
    functional = [fix for fix in CASES[network] if parse_fix(fix).stage == "equivalent"]
    recipe = fixed(Recipe(), *functional)
    done = write_onnx(session, recipe, tmp_path / "out.onnx")
    assert done.added == 0
    want = simulated(session, recipe)["scores"].numpy()
    (found,) = by_runtime(tmp_path / "out.onnx", inputs_of(network))
    np.testing.assert_allclose(found, want, atol=1e-5 * np.abs(want).max(), rtol=0)
    before, after = (
        {one.name: one.raw_data for one in onnx.load(file).graph.initializer}
        for file in (source, tmp_path / "out.onnx")
    )
    assert any(before[name] != after[name] for name in before.keys() & after.keys())


def test_without_its_pairs_the_file_is_the_float_model_with_fixes(opened, tmp_path):
    """Codes read as numbers, activations as they are: what is left is what the fixes have made of the model."""
    session, _ = opened("residual")
    recipe = fixed(preset("w8a8-pc"), "cle", "bias-correction")
    write_onnx(session, recipe, tmp_path / "out.onnx")
    proto = onnx.load(tmp_path / "out.onnx")
    decided = session.decided(recipe)
    floats = {layer.weight.name: layer.values for layer in decided.layers}
    kept = []
    for node in proto.graph.node:
        if node.op_type == "QuantizeLinear":
            continue
        if node.op_type == "DequantizeLinear" and node.input[0].endswith("/quantized"):
            name = node.input[0].removesuffix("/quantized")
            if name in floats:
                values = floats[name].contiguous().numpy()
                proto.graph.initializer.append(onnx.numpy_helper.from_array(values, node.output[0]))
                continue
            node.CopyFrom(onnx.helper.make_node("Identity", [name], [node.output[0]], node.name))
        kept.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del proto.graph.node[:]
    proto.graph.node.extend(copies)
    onnx.save(proto, tmp_path / "float.onnx")
    from qdebug.engine import Work

    sheet = session._preparer.sheet(recipe, Work())
    plain = session._preparer.float_sheet_of(sheet.overlay)
    engine = session.subject.engine
    want = np.concatenate([engine.output(plain, batch).numpy() for batch in session.subject.eval_batches])
    (found,) = by_runtime(tmp_path / "float.onnx", inputs_of("residual"))
    np.testing.assert_allclose(found, want, atol=1e-5 * np.abs(want).max(), rtol=0)


def test_a_first_bias_is_given_where_the_operator_takes_one_or_behind_it(opened, tmp_path):
    session, _ = opened("attention")
    recipe = msgspec.structs.replace(fixed(preset("w8a8-pc"), "bias-correction"), bias="int32")
    write_onnx(session, recipe, tmp_path / "out.onnx")
    graph = onnx.load(tmp_path / "out.onnx").graph
    down = next(node for node in graph.node if node.name == "down")
    behind = next(node for node in graph.node if down.output[0] in node.input)
    assert behind.op_type == "Add" and list(behind.output) == ["m2"]
    session, _ = opened("transposing")
    write_onnx(session, fixed(preset("w8a8-pc"), "bias-correction"), tmp_path / "out.onnx")
    found = next(node for node in onnx.load(tmp_path / "out.onnx").graph.node if node.name == "depthwise")
    assert len(found.input) == 3


@pytest.mark.parametrize("network", ["residual", "attention"])
def test_bias_correction_leaves_layers_and_the_values_they_read_on_one_grid(opened, tmp_path, network):
    session, _ = opened(network)
    counts = []
    for recipe in (preset("w8a8-pc-all"), fixed(preset("w8a8-pc-all"), "bias-correction")):
        write_onnx(session, recipe, tmp_path / "out.onnx")
        nodes = onnx.load(tmp_path / "out.onnx").graph.node
        counts.append(sum(node.op_type == "QuantizeLinear" for node in nodes))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("fixes", [("low-rank:rank=2",), ("hadamard", "ldlq"), ("outliers:keep=20", "low-rank:rank=2")])
def test_what_is_kept_beside_the_codes_or_rotated_is_written_as_a_float_weight(opened, tmp_path, fixes):
    session, _ = opened("attention")
    recipe = fixed(preset("w4a32"), *fixes)
    done = write_onnx(session, recipe, tmp_path / "out.onnx")
    assert any("keeps something beside their codes" in sentence for sentence in done.unsaid)
    expected = simulated(session, recipe)["scores"].numpy()
    (found,) = by_runtime(tmp_path / "out.onnx", inputs_of("attention"))
    assert_agree(found, expected, 1e-5)


@pytest.mark.parametrize(("fix", "reason"), [("hadamard", "rotated"), ("outliers:keep=20", "split in two")])
def test_an_input_quantized_in_another_form_is_refused(opened, tmp_path, fix, reason):
    session, _ = opened("attention")
    with pytest.raises(RecipeError, match=reason):
        write_onnx(session, fixed(preset("w8a8-pc"), fix), tmp_path / "out.onnx")
