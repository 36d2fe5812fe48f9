"""What keys mean: the next layer, fewer bits, a step back."""

import pytest
import streamlit as st

from qdebug.recipes import preset
from qdebug.web.core import state
from qdebug.web.shell import keys
from tests.web.values import FOUR, model


@pytest.fixture
def info(monkeypatch):
    """A model of four layers, under w8a8, in a session of its own."""
    monkeypatch.setattr(st, "session_state", type("Session", (dict,), {
        "__getattr__": dict.__getitem__, "__setattr__": dict.__setitem__,
    })())  # fmt: skip
    state.start()
    return model()


def weight(name):
    return state.recipe().plan_for(name).weight.label


def test_j_and_k_go_through_the_layers_and_around(info):
    names = [layer.name for layer in FOUR]
    seen = []
    for _ in range(5):
        keys.press(info, "next")
        seen.append(state.chosen(info))
    assert seen == [*names, names[0]]
    keys.press(info, "previous")
    assert state.chosen(info) == names[-1]


def test_f_takes_bits_away_and_shift_gives_them_back(info):
    keys.press(info, "next")
    name = state.chosen(info)
    seen = []
    for press in ("weight", "weight", "weight", "weight back"):
        keys.press(info, press)
        seen.append(weight(name))
    assert seen == ["int4", "int2", "fp32", "int2"]
    assert len(state.history().recipes) == 5


def test_scales_stay_as_they_are_while_bits_change(info):
    layer = info.layers[0]
    recipe = keys.cycled(preset("w8a8-pc"), info, layer, "weight", 1)
    assert recipe.plan_for(layer.name).weight.label == preset("w4a8-pc").default.weight.label
    back = keys.cycled(recipe, info, layer, "weight", -1)
    assert back == preset("w8a8-pc")


def test_a_float_layer_gets_the_scales_that_the_others_have(info):
    layer, default = info.layers[0], preset("w8a8-pc")
    recipe = default
    for _ in range(5):
        recipe = keys.cycled(recipe, info, layer, "weight", 1)
    assert recipe == default


def test_inputs_of_an_embedding_stay_as_they_are(info):
    recipe = preset("w8a8")
    assert keys.cycled(recipe, info, FOUR[3], "activation", 1) == recipe


def test_z_undoes_and_a_name_that_no_key_has_does_nothing(info):
    keys.press(info, "next")
    keys.press(info, "input")
    changed = state.recipe()
    keys.press(info, "undo")
    assert state.recipe() == preset("w8a8") != changed
    keys.press(info, "redo")
    assert state.recipe() == changed
    for name in ("None", "", "constructor"):
        keys.press(info, name)
    assert state.recipe() == changed
