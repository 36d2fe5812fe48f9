"""The graph on its page: what it is told, which blocks are open, and the state it shares with the table."""

import json

import pytest

from qdebug.figures.graph import Shade, first_open
from qdebug.graph.outline import outline
from qdebug.recipes import preset
from qdebug.web.layers.graph import toggled
from qdebug.web.layers.graph_data import MOST_STRIPS, Known, graph_data, strips
from tests.drawn_programs import program, tower
from tests.web.conftest import settle, show
from tests.web.values import layer, measured, model, shares

HOSTILE = "<img src=x onerror=alert(1)>"


def known(graph, layers=None, parts=None, fresh=True):
    info = model(*(layer(node.name) for node in graph.nodes if node.kind == "layer"))
    return Known(info, preset("w8a8"), graph, layers, parts, fresh)


def box(data, name):
    return next(one for one in data["boxes"] if one.get("name") == name)


def test_boxes_tell_what_was_measured_and_blocks_what_their_layers_make_together():
    graph = outline(*tower(4))
    names = ("blocks.0.expand", "blocks.0.project", "blocks.1.expand", "blocks.1.project")
    rows = dict(zip(names, (4.1, 30.0, 20.0, None), strict=True))
    found = known(graph, measured(**rows), shares(**dict.fromkeys(names, 0.25)))
    closed = graph_data(found, (), "sqnr", names[0])
    assert box(closed, "blocks")["value"] == "4.1" and box(closed, "blocks")["bad"] and box(closed, "blocks")["holds"]
    assert box(closed, "blocks")["strips"] == ["s4", "s1", "s2", "s0"]
    opened = graph_data(found, (1, 2, 3), "share", names[0])
    assert box(opened, "blocks.0")["open"] and box(opened, "blocks.0")["strips"] == []
    assert box(opened, names[0])["label"] == "expand" and box(opened, names[0])["value"].startswith("25")
    assert "4.1\u00a0dB" in box(opened, names[0])["tip"][3]
    assert [one["level"] for one in opened["boxes"] if one["key"] in ("b1", "b2")] == [1, 2]


def test_colours_wait_for_measures_and_say_so():
    data = graph_data(known(outline(*tower(4)), fresh=False), (), "share", "none")
    assert "not known" in data["title"] and not data["fresh"]
    assert ("", "not known") in data["legend"]["tones"]
    formats = graph_data(known(outline(*tower(4)), fresh=False), (), "format", "none")
    assert formats["fresh"] and box(formats, "blocks")["tone"] == "p8"  # the recipe knows, whatever is measured


def test_what_is_not_in_sight_is_not_sent():
    graph = outline(*tower(1000))
    data = graph_data(known(graph), first_open(graph, "blocks.317.expand"), "format", "blocks.317.expand")
    assert len([one for one in data["boxes"] if not one.get("open")]) <= 40
    assert len(json.dumps(data)) < 40_000


def test_names_of_strangers_are_told_as_text():
    graph = outline(*program([("layer", [0], HOSTILE), ("layer", [1], "b")]))
    data = graph_data(known(graph), (), "format", "b")
    assert box(data, HOSTILE)["tip"][0] == HOSTILE  # the component writes textContent


def test_stripes_of_many_layers_show_the_worst_of_each_few():
    many = [Shade("s4") if at == 100 else Shade("s0") for at in range(240)]
    assert len(strips(many)) == MOST_STRIPS
    assert strips(many).count("s4") == 1
    assert strips([]) == []


@pytest.mark.parametrize(("key", "opened"), [("b2", {1, 2}), ("all", {1, 2, 3}), ("b9", {1}), ("n1", {1}), ("", {1})])
def test_blocks_open_and_keys_that_are_none_change_nothing(key, opened):
    graph = outline(*tower(4))
    assert toggled(graph, frozenset({1}), key, is_open=True) == opened
    closed = {"b2": {1}, "all": set()}.get(key, {1})
    assert toggled(graph, frozenset({1}), key, is_open=False) == closed


def test_the_page_keeps_the_view_and_shows_the_graph_as_soon_as_it_is_known(app):
    show(app, "layers")
    assert not any(one.proto.component_name.endswith("qdebug_graph") for one in components(app))
    view = next(one for one in app.get("button_group") if one.key == "layers-view")
    view.set_value("graph")
    settle(app)
    assert any(one.proto.component_name.endswith("qdebug_graph") for one in components(app))
    show(app, "fixes")
    show(app, "layers")
    assert any(one.proto.component_name.endswith("qdebug_graph") for one in components(app))


def components(app):
    return app.get("bidi_component")
