"""How far weights and inputs reach: what a session tells is what stands in the tensors."""

import pytest
import torch

import qdebug
from qdebug.errors import RecipeError
from qdebug.recipes import BiasCorrection, SmoothQuant, preset, with_fix
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


def test_weights_by_the_channel_they_read_with_the_recipes_fixes():
    model = seeded(Attention)
    session = open_model(model, data_for(Attention))
    name = next(layer.name for layer in session.subject.layers if layer.kind == "matmul")
    weight = model.get_parameter(f"{name}.weight").detach()
    found = session.read_ranges(name)
    assert found.low == pytest.approx(weight.amin(0).tolist())
    assert found.high == pytest.approx(weight.amax(0).tolist())
    smoothed = session.read_ranges(name, with_fix(preset("w8a8"), SmoothQuant()))
    assert smoothed != found


def test_inputs_by_sample_and_token_beside_the_range_that_serves_all():
    session = open_model(seeded(Attention), data_for(Attention))
    layer = next(one for one in session.subject.layers if one.kind == "matmul")
    found = session.input_ranges("w8a8", layer.name)
    value = session.value("w32a32", layer.x, len(found.samples))
    assert value.dim() == 3
    assert torch.tensor(found.high).shape == value.shape[:2]
    assert torch.equal(torch.tensor(found.low), value.amin(-1))
    assert torch.equal(torch.tensor(found.high), value.amax(-1))
    assert found.samples[0] == (float(value[0].min()), float(value[0].max()))
    error = session.detail("w8a8", layer.name).activation.error
    assert found.clip == pytest.approx((error.clip_min, error.clip_max))
    assert session.input_ranges("w8a8-dyn", layer.name).clip is None


def test_an_index_has_no_range():
    session = qdebug.open("pydoc-gpt")
    with pytest.raises(RecipeError, match="is an index"):
        session.input_ranges("w8a8", "tok_emb")


def test_what_shift_makes_of_a_layers_error_goes_with_bias_correction():
    session = open_model(seeded(Residual), data_for(Residual))
    first = session.subject.layers[0].name
    before = session.detail("w4a8", first)
    assert 0 < before.mean_square_shift < before.mse
    after = session.detail(with_fix(preset("w4a8"), BiasCorrection()), first)
    assert after.mean_square_shift < 0.5 * before.mean_square_shift
    assert after.mse < before.mse
