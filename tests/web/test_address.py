"""The page's address holds what is shown: a reload and a link lead back to it."""

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.jobs.links import Links
from qdebug.recipes import preset
from tests.web.conftest import APP, PATIENCE, html, settle, show


@pytest.fixture(autouse=True)
def workspace(monkeypatch, tmp_path):
    """Addresses of their own."""
    monkeypatch.setattr("qdebug.jobs.links.workspace", lambda: tmp_path)


def visit(**address):
    app = AppTest.from_file(APP, default_timeout=PATIENCE)
    for key, value in address.items():
        app.query_params[key] = value
    return settle(app)


def address_of(app):
    return {key: value[0] if isinstance(value, list) else value for key, value in app.query_params.items()}


def test_a_recipe_a_model_and_a_layer_are_found_again_by_their_address(app):
    assert address_of(app) == {"model": "digits-mobilenet"}
    app.selectbox(key="side-preset").set_value("w4a8-pc")
    settle(app)
    show(app, "layers")
    app.session_state.chosen[app.session_state.ref] = "fc"
    settle(app)
    there = visit(**address_of(app))
    assert set(address_of(there)) == {"model", "recipe", "layer"}
    assert there.selectbox(key="side-preset").value == "w4a8-pc"
    assert there.session_state.chosen == {app.session_state.ref: "fc"}
    app.selectbox(key="side-preset").set_value("w8a8")
    assert "recipe" not in address_of(settle(app))


def test_an_address_that_names_nothing_is_told_and_put_away():
    app = visit(model="/etc/passwd")
    assert "nobody has opened here" in html(app)
    app.button(key="address-dismiss").click()
    assert "nobody has opened here" not in html(settle(app))
    assert "nobody has made here" in html(visit(recipe="0123456789abcdef"))


def test_a_link_to_another_sample_opens_it():
    app = visit(model="digits-resnet", recipe=Links().name_recipe(preset("w4a8")), layer="no-such-layer")
    assert app.session_state.ref.model == "digits-resnet"
    assert "no-such-layer" not in html(app)
    assert "w4a8" in app.selectbox(key="side-preset").value
