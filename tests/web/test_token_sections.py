"""Sections of the layer view that ask for something of their own, on a small network that reads tokens."""

import re

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from qdebug.web.core import ask
from tests.networks import Attention, data_for, seeded
from tests.web.conftest import APP, PATIENCE, html, settle, show

SIZES = {"min": 2, "max": 64}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A language model as a file, and its data."""
    folder, data = tmp_path_factory.mktemp("small"), data_for(Attention)
    batch = torch.export.Dim("batch", **SIZES)
    program = torch.export.export(seeded(Attention), (data["tokens"][:2],), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "small.pt2")
    np.savez(folder / "small.npz", **{name: values.numpy() for name, values in data.items()})
    return folder


@pytest.fixture
def reader(small, monkeypatch):
    """The app on it, at rest on Layers, and the kinds of questions that were asked."""
    monkeypatch.setenv("QDEBUG_MODEL", str(small / "small.pt2"))
    monkeypatch.setenv("QDEBUG_DATA", str(small / "small.npz"))
    asked, look = [], ask.look
    monkeypatch.setattr(
        ask, "look", lambda request, wait=None: asked.append(type(request).__name__) or look(request, wait)
    )
    app = settle(AppTest.from_file(APP, default_timeout=PATIENCE))
    return show(app, "layers"), asked


def choose(app, section):
    """Open a section of the chosen layer."""
    next(one for one in app.button_group if one.label == "Section").set_value(section)
    return settle(app)


def test_embeddings_have_a_choice_in_the_sidebar(reader):
    app, _ = reader
    assert app.selectbox(key="side-tables").value == "fp32"
    app.selectbox(key="side-tables").set_value("int8")
    text = html(settle(app))
    assert "embeddings int8 by row" in text
    assert app.selectbox(key="side-preset").value == "w8a8"


def test_the_error_along_the_sequence_is_asked_for_when_it_is_looked_at(reader):
    app, asked = reader
    assert "GetPositionErrors" not in asked
    app.session_state.chosen = {app.session_state.ref: "up"}
    text = html(choose(app, "Positions"))
    assert "GetPositionErrors" in asked
    assert "over 24 samples" in text and "Positions that only fill a sequence up are left out" in text
    app.selectbox(key="side-preset").set_value("w32a32")
    assert "No error at any position" in html(settle(app))


def test_the_answers_that_a_layer_changes_are_asked_for_when_they_are_looked_at(reader):
    app, asked = reader
    app.selectbox(key="side-preset").set_value("w4a8")
    settle(app)
    assert not {"GetLayerFlips", "GetFlips"} & set(asked)
    app.session_state.chosen = {app.session_state.ref: "embed"}
    text = html(choose(app, "Answers"))
    assert "Quantized alone, embed changes none of 192 tokens" in text and "GetFlips" not in asked
    app.session_state.chosen = {app.session_state.ref: "head"}
    text = html(settle(app))
    assert re.search(r"Quantized alone, head changes \d+ of 192 tokens: \d+ right only in float", text)
    assert '<th scope="col">float → quantized</th>' in text
    next(one for one in app.button_group if one.label == "Quantized").set_value("The whole recipe")
    text = html(settle(app))
    assert re.search(r"The whole recipe changes \d+ of 192 tokens", text)
    show(app, "overview")
    assert "The whole recipe changes" in html(show(app, "layers"))
