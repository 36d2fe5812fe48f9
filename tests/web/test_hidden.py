"""Nothing is computed for what nobody sees: a screen asks for what it shows, and for nothing of the others."""

import pytest

from qdebug.jobs import verbs
from qdebug.web.core import ask
from tests.web.conftest import settle, show

FRAME = {verbs.Open, verbs.Samples, verbs.GetScore}
"""What stands around every screen: the list of models, the model at hand, the strip."""


@pytest.fixture
def asked(monkeypatch):
    """The kinds of questions that the page asks, whether or not they have to be computed."""
    kinds, look = set(), ask.look

    def noted(request, wait=None):
        kinds.add(type(request))
        return look(request, wait)

    monkeypatch.setattr(ask, "look", noted)
    return kinds


def of_screen(app, asked, screen):
    show(app, screen)
    asked.clear()
    settle(app)
    return asked - FRAME


def choose_view(app, asked, view):
    asked.clear()
    next(one for one in app.get("button_group") if one.key == "layers-view").set_value(view)
    settle(app)
    return asked - FRAME


def test_a_screen_asks_for_what_it_shows_and_for_nothing_of_the_others(app, asked):
    layers = {verbs.GetLayers, verbs.GetShares, verbs.GetDetail, verbs.GetErrorCourse, verbs.GetFixes}
    assert of_screen(app, asked, "layers") == layers
    assert choose_view(app, asked, "graph") == layers | {verbs.GetGraph}
    assert choose_view(app, asked, "table") == layers
    assert of_screen(app, asked, "export") <= {verbs.GetTargets, verbs.GetShares, verbs.GetOutputChange}
    assert of_screen(app, asked, "mixture") == {verbs.GetMixture}
    assert of_screen(app, asked, "lessons") == set()


def test_long_work_of_a_screen_waits_for_a_click(app, asked):
    slow = {verbs.GetVerified, verbs.GetLatency, verbs.GetReport, verbs.GetExport, verbs.GetFixTrial}
    for screen in ("export", "fixes", "sensitivity"):
        assert not of_screen(app, asked, screen) & (slow | {verbs.GetCalibrationCurve}), screen
