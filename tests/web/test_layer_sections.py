"""The sections of the layer view: one is drawn, and nothing is asked for the others."""

import pytest

from qdebug.jobs.verbs import GetCloseUp
from qdebug.recipes import preset
from qdebug.web.core import ask
from qdebug.web.core.state import History
from tests.web.conftest import html, settle, show

CHARTS = {"Channels": "ridges-evenly", "Matrix": "matrix-largest", "Spectrum": "spectrum", "Output": "scatter"}
"""What each section shows at first."""


def control(app, label):
    return next(one for one in app.get("button_group") if one.label == label)


def choose(app, label, option):
    control(app, label).set_value(option)
    return settle(app)


def charts(app):
    return {one.key for one in app.get("plotly_chart")} - {"along"}


@pytest.fixture
def asked(monkeypatch):
    """What closer looks were asked for."""
    found = []
    look = ask.look  # not the client: what another test has asked is known already

    def noted(request, wait=None):
        if isinstance(request, GetCloseUp):
            found.append((request.layer, request.look))
        return look(request, wait)

    monkeypatch.setattr(ask, "look", noted)
    return found


def test_each_section_is_computed_when_it_is_opened_and_stays_for_the_next_layer(app, asked):
    show(app, "layers")
    assert "histogram" in "".join(charts(app))
    assert asked == []
    first = app.session_state.chosen[app.session_state.ref]
    for name, chart in CHARTS.items():
        choose(app, "Section", name)
        assert charts(app) == {chart}
    assert list(dict.fromkeys(asked)) == [
        (first, "channels"), (first, "matrix-largest"), (first, "spectrum"), (first, "output-alone")
    ]  # fmt: skip
    choose(app, "What is quantized", "output-in-place")
    assert charts(app) == {"scatter"}
    assert asked[-1] == (first, "output-in-place")
    app.session_state.chosen[app.session_state.ref] = "fc"
    settle(app)
    assert asked[-1] == ("fc", "output-in-place")
    show(app, "overview")
    assert control(show(app, "layers"), "Section").value == "Output"


def test_switches_show_the_worst_channels_and_means(app):
    show(app, "layers")
    choose(app, "Section", "Channels")
    choose(app, "Channels shown", "worst")
    assert charts(app) == {"ridges-worst"}
    assert "with the lowest SQNR" in html(app)
    choose(app, "Section", "Matrix")
    choose(app, "What a cell is", "matrix-mean")
    assert charts(app) == {"matrix-mean"}


def test_a_layer_left_in_float_says_so_in_place_of_an_empty_chart(app):
    show(app, "layers")
    app.session_state.histories[app.session_state.ref] = History((preset("w32a32"),))
    for name in ("Matrix", "Spectrum", "Output"):
        choose(app, "Section", name)
        assert charts(app) == set()
        assert "Nothing is lost in fp32" in html(app) or "Nothing changes: the outputs are those of" in html(app)
    choose(app, "Section", "Channels")
    assert "no clip limits in fp32" in html(app)
    choose(app, "Channels shown", "worst")
    assert "No channel has an error" in html(app)
