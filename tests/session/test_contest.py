"""Formats compared on a session's values: which values are looked at, and what a fix changes."""

import math

import pytest
import torch

from qdebug.errors import RecipeError
from qdebug.measure.contest import contest
from qdebug.measure.distributions import draw
from qdebug.quantize import quantize_weight
from qdebug.recipes import CrossLayerEqualization, Recipe, parse_weight_format, preset
from qdebug.recipes.candidates import ACTIVATIONS, WEIGHTS
from qdebug.results import Values
from qdebug.session import contest as room
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


@pytest.fixture(scope="module")
def residual():
    return open_model(seeded(Residual), data_for(Residual))


@pytest.fixture(scope="module")
def attention():
    return open_model(seeded(Attention), data_for(Attention))


@pytest.fixture
def few(monkeypatch):
    """Few formats, so that a comparison is quick."""
    monkeypatch.setattr(room, "WEIGHTS", {"some": ("int8", "int4-pc", "nvfp4")})
    monkeypatch.setattr(room, "ACTIVATIONS", {"some": ("int8", "int8-tok", "mxfp4")})


def db(found):
    return {row.notation: row.sqnr_db for row in found.rows}


def expected(w, *notations):
    """SQNR of a weight ``[O, …]`` in plain float64."""
    flat = w.detach().flatten(1)
    found = {}
    for notation in notations:
        wq = quantize_weight(flat, parse_weight_format(notation))[0].double()
        found[notation] = 10 * math.log10(float(flat.double().square().sum() / (wq - flat).square().sum()))
    return found


def test_all_candidates_are_compared(residual):
    for tensor, groups in (("weight", WEIGHTS), ("activation", ACTIVATIONS)):
        found = residual.compare_formats(Values(layer="head", tensor=tensor))
        assert sorted(row.notation for row in found.rows) == sorted(one for group in groups.values() for one in group)
        assert found.values == Values(layer="head", tensor=tensor)
        assert [view.size for view in found.crests] == [32, 16]


def test_only_the_formats_that_are_named_are_compared(residual):
    found = residual.compare_formats(Values(layer="head"), notations=("nvfp4", "int4g32"))
    assert db(found) == pytest.approx(expected(seeded(Residual).head.weight, "nvfp4", "int4g32"), abs=0.01)
    with pytest.raises(RecipeError, match="int99"):
        residual.compare_formats(Values(layer="head"), notations=("int99",))


def test_a_convolution_s_weight_in_rows_per_channel(residual, few):
    model = seeded(Residual)
    found = residual.compare_formats(Values(layer="stem"))
    scale = model.norm.weight / (model.norm.running_var + model.norm.eps).sqrt()  # the normalization is folded in
    folded = model.stem.weight * scale[:, None, None, None]
    assert (found.columns, found.count, found.total) == (27, 8 * 27, 8 * 27)
    assert db(found) == pytest.approx(expected(folded, "int8", "int4-pc", "nvfp4"), abs=1e-3)
    assert found.rotation == 1
    assert all(row.rotated_sqnr_db is None for row in found.rows)


def test_the_input_of_a_linear_layer(residual, few):
    images, seen = data_for(Residual)["images"], []
    model = seeded(Residual)
    model.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(images)
    found = residual.compare_formats(Values(layer="head", tensor="activation"))
    assert (found.columns, found.count, found.total) == (8, 24 * 8, 24 * 8)
    x = seen[0]
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    step = (high - low) / 255
    noise = ((x / step).round() * step - x).double().square().sum()
    assert db(found)["int8"] == pytest.approx(10 * math.log10(float(x.double().square().sum() / noise)), abs=0.1)
    assert found.rotation == 8


def test_the_input_of_a_convolution_has_channels_along_its_rows(residual, few):
    images = data_for(Residual)["images"]
    found = residual.compare_formats(Values(layer="stem", tensor="activation"))
    assert (found.columns, found.count) == (3, images.numel())
    plans = {"mxfp4": room.parse_activation_format("mxfp4")}
    x = images.movedim(1, -1).reshape(-1, 3)
    assert db(found)["mxfp4"] == pytest.approx(contest(x, plans, "activation", tuple(x.shape))[0][0].sqnr_db, abs=1e-6)


def test_an_embedding_has_weights_and_no_input(attention, few):
    found = attention.compare_formats(Values(layer="embed"))
    assert (found.columns, found.total) == (16, 11 * 16)
    assert db(found) == pytest.approx(expected(seeded(Attention).embed.weight, "int8", "int4-pc", "nvfp4"), abs=1e-6)
    with pytest.raises(RecipeError, match="it is an index"):
        attention.compare_formats(Values(layer="embed", tensor="activation"))
    with pytest.raises(RecipeError, match="it is an index"):
        attention.view_format(Values(layer="embed", tensor="activation"), "int8")


@pytest.mark.parametrize("tensor", ["weight", "activation"])
def test_a_distribution_needs_no_layer(residual, few, tensor):
    found = residual.compare_formats(Values(distribution="laplace", tensor=tensor))
    assert (found.count, found.columns) == (256 * 512, 512)
    if tensor == "weight":
        assert db(found)["int8"] == pytest.approx(expected(draw("laplace"), "int8")["int8"], abs=1e-6)


def test_fixes_are_applied_first(residual, few):
    """Equalization changes the weights that are compared, and the recipe's formats change nothing."""
    fixed = Recipe(fixes=(CrossLayerEqualization(),))
    values = Values(layer="dw")
    plain = residual.compare_formats(values)
    assert db(residual.compare_formats(values, preset("w4a8"))) == db(plain)
    assert db(residual.compare_formats(values, fixed)) != db(plain)
    before, after = (residual.view_format(values, "int8", recipe).histogram for recipe in (Recipe(), fixed))
    assert before != after


def test_a_view_agrees_with_the_comparison(residual, few):
    for tensor, notations in (("weight", ("int8", "int4-pc", "nvfp4")), ("activation", ("int8", "int8-tok", "mxfp4"))):
        values = Values(layer="head", tensor=tensor)
        found = db(residual.compare_formats(values))
        for notation in notations:
            view = residual.view_format(values, notation)
            assert view.error.sqnr_db == pytest.approx(found[notation], abs=1e-4)
            assert view.histogram.total == (5 * 8 if tensor == "weight" else 24 * 8)
            assert view.dynamic == (tensor == "activation" and notation != "int8")


def test_a_view_shows_the_grid_of_formats_that_have_one(residual):
    values = Values(layer="head")
    assert residual.view_format(values, "int4").grid.points
    assert residual.view_format(values, "fp16").grid is None


@pytest.mark.parametrize(("values", "near"), [
    (Values(layer="heat"), "no layer 'heat'.*Did you mean head"),
    (Values(distribution="gausian"), "no distribution 'gausian'.*Did you mean gaussian"),
    (Values(), "no distribution ''"),
])  # fmt: skip
def test_what_does_not_exist_lists_what_is_near(residual, values, near):
    with pytest.raises(RecipeError, match=near):
        residual.compare_formats(values)
    with pytest.raises(RecipeError, match=near):
        residual.view_format(values, "int8")


def test_a_notation_that_does_not_exist(residual):
    with pytest.raises(RecipeError, match="Unknown number format 'itn8'"):
        residual.view_format(Values(layer="head"), "itn8")
    with pytest.raises(RecipeError, match="-pc"):
        residual.view_format(Values(layer="head", tensor="activation"), "int8-pc")


def test_rows_of_a_large_tensor_are_left_out_evenly(attention, few, monkeypatch):
    assert room.MOST == 1 << 18
    monkeypatch.setattr(room, "MOST", 100)
    weight = seeded(Attention).down.weight  # [16, 32]
    found = attention.compare_formats(Values(layer="down"))
    assert (found.count, found.total, found.columns) == (3 * 32, 16 * 32, 32)
    kept = weight[[0, 8, 15]]  # the first, the middle, the last
    assert db(found) == pytest.approx(expected(kept, "int8", "int4-pc", "nvfp4"), abs=1e-6)
    assert {row.notation: row.bits for row in found.rows}["int4-pc"] == 4 + 32 / 32
    monkeypatch.setattr(room, "MOST", 20)
    assert attention.compare_formats(Values(layer="down")).count == 32, "one row at least"


def test_of_many_inputs_the_first_samples_serve(few, monkeypatch):
    session = open_model(seeded(Residual), data_for(Residual, count=300))
    monkeypatch.setattr(room, "MOST", 1000)
    found = session.compare_formats(Values(layer="stem", tensor="activation"))
    assert found.count == 999
    assert found.total == 300 * 3 * 64
