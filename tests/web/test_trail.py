"""The recipes tried in a session: where each stands, what it was made from, and how one returns to it."""

import json

import pytest
import streamlit as st

from qdebug.recipes import parse_plan, preset, set_layers
from qdebug.web.compare.trail import KEY, trail_data, trail_finding
from qdebug.web.core import state
from qdebug.web.core.state import History
from qdebug.web.shell import tried
from tests.figures.values import score
from tests.web.conftest import html, settle, show
from tests.web.test_compare import Kept

FIRST, SECOND, THIRD = (preset(text) for text in ("w8a8", "w8a8-pc", "w4g32a16"))
TRAIL = History((FIRST,)).changed(SECOND).moved(-1).changed(THIRD).trail


def data(scores=None, names=None, now=THIRD, pinned=""):
    scores = scores if scores is not None else {FIRST.digest: score(0.2), SECOND.digest: score(0.8)}
    return trail_data(TRAIL, scores, names or {}, now.digest, pinned)


def test_points_stand_at_their_metric_and_know_what_they_were_made_from():
    first, second, third = data(pinned=FIRST.digest)["points"]
    assert first["at"] == 0.0 and second["at"] == pytest.approx((0.8 - 0.2) / (0.99 - 0.2), abs=1e-3)
    assert first["from"] < first["at"] < first["to"]
    assert [one["parent"] for one in (first, second, third)] == [None, 0, 0]
    assert third["now"] and third["at"] is None and "not measured" in third["tip"]
    assert first["pinned"] and first["tip"][-1] == "baseline"
    assert [one["tone"] for one in (first, third)] == ["p8", "p4"]
    json.dumps(data())


def test_up_is_better_also_where_the_metric_falls():
    found = {FIRST.digest: score(40.0, float_=30.0, name="perplexity", higher=False),
             SECOND.digest: score(31.0, float_=30.0, name="perplexity", higher=False)}  # fmt: skip
    drawn = data(found)
    assert drawn["points"][0]["at"] == 0.0 and 0.8 < drawn["points"][1]["at"] < 1.0
    assert drawn["metric"].endswith("lower is better")
    assert [tick["text"] for tick in drawn["ticks"]] == ["40.0", "30.0"]


def test_recipes_that_are_all_alike_have_a_place_too():
    drawn = data({FIRST.digest: score(0.99)})
    assert drawn["points"][0]["at"] == pytest.approx(0.5)


def test_the_title_names_the_best_and_of_two_alike_the_smaller():
    scores = {FIRST.digest: score(0.9, size=1000), SECOND.digest: score(0.9, size=900)}
    assert trail_finding(TRAIL, scores, {}, THIRD.digest) == "3 recipes tried; best: w8a8-pc, accuracy 90.0\u00a0%"
    assert "best: good one," in trail_finding(TRAIL, scores, {SECOND.digest: "good one"}, THIRD.digest)
    assert "best: the one at hand," in trail_finding(TRAIL, scores, {}, SECOND.digest)
    assert trail_finding(TRAIL, {}, {}, FIRST.digest) == "3 recipes tried"


def picks(app):
    """The sidebar's list of recipes, opened."""
    history = app.session_state.histories.get(app.session_state.ref)
    if history is not None:
        app.session_state[f"tried-{history.now.digest}"] = True
        settle(app)
    return {one.key: one for one in app.button if str(one.key).startswith("tried-")}


def test_the_sidebar_leads_back_to_what_was_tried(app):
    assert not picks(app)  # there is but one
    for name in ("w8a8-pc", "w8a16", "w4a8", "w4a8-pc", "w4a16"):
        app.selectbox(key="side-preset").set_value(name)
        settle(app)
    assert not [one for one in app.button if str(one.key).startswith("tried-")], "nothing is drawn before it is opened"
    session = app.session_state
    recipes = session.histories[session.ref].recipes
    session.names[session.ref, recipes[-1].digest] = "**mine** :red[x] with a name that is long"
    session.baselines[session.ref] = recipes[-2]
    settle(app)
    found = picks(app)
    assert len(found) == 6 and found["tried-pick-0"].disabled
    label = found["tried-pick-0"].label.replace("\u00a0", " ")
    assert label.startswith("6 · \\*\\*mine\\*\\* ") and label.endswith(" % · at hand") and "long" in label
    assert found["tried-pick-1"].label.endswith("· baseline")
    assert found["tried-pick-1"].label.startswith("5 · w4a8\\-pc · ")
    assert not any("not measured" in one.label for one in found.values())
    found["tried-pick-4"].click()
    settle(app)
    assert app.session_state.histories[app.session_state.ref].now == preset("w8a8-pc")
    assert picks(app)["tried-pick-4"].disabled
    app.button(key="undo").click()
    assert "at hand" in picks(settle(app))["tried-pick-0"].label
    picks(app)["tried-all"].click()
    assert "6 recipes tried" in html(settle(app))


@pytest.fixture
def here(monkeypatch):
    """A session without a page, in which no score is known."""
    session = Kept()
    monkeypatch.setattr(st, "session_state", session)
    monkeypatch.setattr(tried.ask, "is_known", lambda _: False)
    monkeypatch.setattr(tried.ask, "look", lambda *_, **__: pytest.fail("it asked for a score"))
    state.start()
    state.is_open(FIRST)
    return session


def test_the_one_at_hand_is_listed_however_old_and_nothing_is_asked_for(here):
    for text in ("w8a8-pc", "w4a8", "w2a8", "w4a16", "w4a8-pc", "w8a8"):
        state.change(preset(text))
    found = tried.entries()
    assert [one.recipe for one in found] == [preset(text) for text in ("w4a8-pc", "w4a16", "w2a8", "w4a8", "w8a8")]
    assert [one.at_hand for one in found] == [False, False, False, False, True]
    assert found[0].label == "6 · w4a8\\-pc · not measured"


def test_a_step_that_sets_one_layer_is_named_by_it():
    one = set_layers(FIRST, {"a.dw": parse_plan("w4a8")})
    assert tried.step_in_words(one, FIRST) == "a.dw w4a8"
    assert tried.step_in_words(FIRST, one) == "a.dw as the rest"
    assert tried.step_in_words(one, None) == tried.step_in_words(one, SECOND) == "w8a8 + 1 set"
    both = set_layers(one, {"head": parse_plan("w2a8"), "a.dw": parse_plan("w2a8")})
    assert tried.step_in_words(both, one) == "w8a8 + 2 set"


def test_a_recipe_is_named_pinned_and_returned_to(app):
    show(app, "compare")
    assert "recipes tried" not in html(app)  # there is but one
    show(app, "fixes")
    app.selectbox(key="side-preset").set_value("w8a8-pc").run()
    show(app, "compare")
    assert "2 recipes tried" in html(app)
    name = next(one for one in app.text_input if one.label == "Name of the recipe at hand")
    name.set_value("<b>mine</b>")
    show(app, "compare")
    assert "&lt;b&gt;mine" in html(app) or "the one at hand" in html(app)
    assert next(one for one in app.text_input if one.label == "Name of the recipe at hand").value == "<b>mine</b>"
    app.button(key="trail-pin").click()
    show(app, "compare")
    assert app.session_state.baselines and app.button(key="undo").disabled is False
    assert "Baseline: <b>mine</b>" in next(one for one in app.selectbox if one.label == "A").options
    app.button(key="undo").click()
    show(app, "compare")
    assert "2 recipes tried" in html(app) and "best: &lt;b&gt;mine&lt;/b&gt;" in html(app)
    assert KEY in app.session_state
