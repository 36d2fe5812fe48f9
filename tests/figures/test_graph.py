"""The picture of the graph: what is in sight, that nothing lies on anything, and what it says."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from qdebug.figures.graph import Shade, children, finding, first_open, labels, over, path_to, place, shades, visible
from qdebug.graph.outline import outline
from tests.drawn_programs import program, programs, tower
from tests.web.values import measured, shares

INNER = 1.0
"""Pixels that a line may reach into a box: it ends at its edge."""


def size(key):
    return (200.0, 40.0) if key[0] == "b" else (120.0 + 10 * (int(key[1:]) % 3), 30.0)


def blocks_of(graph, draw_):
    return frozenset(at for at in range(1, len(graph.blocks)) if draw_.draw(st.booleans(), label=f"open {at}"))


def apart(one, other):
    return (
        one.x + one.width <= other.x or other.x + other.width <= one.x
        or one.y + one.height <= other.y or other.y + other.height <= one.y
    )  # fmt: skip


def within(one, outer):
    return (
        outer.x <= one.x and one.x + one.width <= outer.x + outer.width
        and outer.y <= one.y and one.y + one.height <= outer.y + outer.height
    )  # fmt: skip


def crosses(box, start, end):
    """Whether a level or upright piece of a line runs through a box."""
    left, right = sorted((start[0], end[0]))
    top, bottom = sorted((start[1], end[1]))
    return (
        left < box.x + box.width - INNER and right > box.x + INNER
        and top < box.y + box.height - INNER and bottom > box.y + INNER
    )  # fmt: skip


@settings(max_examples=25)
@given(programs(), st.data())
def test_nothing_lies_on_anything_and_all_is_in_the_picture(drawn, data):
    graph = outline(*drawn)
    opened = blocks_of(graph, data)
    found = place(visible(graph, opened), size)
    closed = [box for box in found.boxes if not box.is_open]
    for at, box in enumerate(found.boxes):
        assert min(box.x, box.y) >= 0
        assert box.x + box.width <= found.width and box.y + box.height <= found.height
        for other in found.boxes[at + 1 :]:
            assert apart(box, other) or (box.is_open and within(other, box)) or (other.is_open and within(box, other))
    for line in found.lines:
        for start, end in zip(line.points, line.points[1:], strict=False):
            assert min(abs(start[0] - end[0]), abs(start[1] - end[1])) < 0.5  # level or upright
            assert not any(crosses(box, start, end) for box in closed)


@settings(max_examples=25)
@given(programs(), st.data())
def test_ways_lead_down_between_whatever_is_in_sight(drawn, data):
    graph = outline(*drawn)
    seen = visible(graph, blocks_of(graph, data))
    boxes = {box.key: box for box in place(seen, size).boxes}
    shown = [key for one in seen.values() for key in one.children]
    assert len(shown) == len(set(shown)) == len(boxes)
    for one in seen.values():
        for link in one.links:
            if link.source in boxes and link.target in boxes:
                assert boxes[link.source].y + boxes[link.source].height < boxes[link.target].y


@settings(max_examples=25)
@given(programs())
def test_every_layer_is_in_sight_when_all_is_open_and_none_when_all_is_closed_but_those_outside(drawn):
    graph = outline(*drawn)
    everything = visible(graph, range(1, len(graph.blocks)))
    keys = [key for one in everything.values() for key in one.children if key[0] == "n"]
    assert sorted(keys) == sorted(f"n{at}" for at in range(len(graph.nodes)))
    assert [*visible(graph, ())] == [0]
    assert visible(graph, ())[0].children == children(graph)[0]


@settings(max_examples=25)
@given(programs(), st.data())
def test_the_chosen_layer_is_in_sight_at_first_and_no_more_than_fits(drawn, data):
    graph = outline(*drawn)
    name = data.draw(st.sampled_from([*(node.name for node in graph.nodes if node.kind == "layer"), "none"]))
    opened = first_open(graph, name, most=12)
    assert path_to(graph, name) <= opened
    shown = [key for one in visible(graph, opened).values() for key in one.children]
    at = next((at for at, node in enumerate(graph.nodes) if node.name == name), None)
    assert at is None or f"n{at}" in shown
    without = [key for one in visible(graph, path_to(graph, name)).values() for key in one.children]
    items = [key for key in shown if not (key[0] == "b" and int(key[1:]) in opened)]
    assert len(items) <= max(12, len(without))


def test_a_thousand_layers_begin_with_at_most_forty_nodes():
    for flat in (False, True):
        graph = outline(*tower(1000, flat=flat))
        name = next(node.name for node in graph.nodes[600:] if node.kind == "layer")
        opened = first_open(graph, name)
        boxes = place(visible(graph, opened), size).boxes
        assert len([box for box in boxes if not box.is_open]) <= 40
        assert boxes == place(visible(graph, opened), size).boxes


def test_an_open_block_looks_from_outside_as_it_does_closed():
    graph = outline(*tower(8))
    outer, inner = visible(graph, {1}), visible(graph, {1, 2})
    assert outer[0] == inner[0]
    assert {(link.source, link.target) for link in outer[1].links} == {
        (link.source, link.target) for link in inner[1].links
    }


def test_names_are_read_inside_their_block():
    graph = outline(*tower(4))
    assert labels(graph) == ("x0", "expand", "project", "+", "expand", "project", "+", "output")


def test_colours_follow_the_measures():
    layers, parts = measured(a=4.1, b=38.2, c=None), shares(a=0.5, b=0.004)
    found = shades("sqnr", {}, layers, parts)
    assert found == {
        "a": Shade("s4", "4.1", 4.1, bad=True),
        "b": Shade("s1", "38.2", 38.2),
        "c": Shade("s0", "no error"),
    }
    assert shades("share", {}, layers, parts)["a"].tone == "s4"
    assert shades("format", {"a": "int8", "b": "int4 g32"}, None, None)["b"].tone == "p4"
    assert shades("share", {}, None, None) == {}
    assert shades("weight_sqnr", {}, layers, None)["a"].text == "20.0"


def test_a_closed_block_shows_the_sum_of_parts_the_lowest_sqnr_and_how_many_formats():
    assert over("share", list(shades("share", {}, None, shares(a=0.3, b=0.2)).values())).text == "50\u00a0%"
    assert over("sqnr", list(shades("sqnr", {}, measured(a=4.1, b=38.2), None).values())).text == "4.1"
    assert (
        over("format", list(shades("format", {"a": "int8", "b": "int4 g32"}, None, None).values())).text == "2 formats"
    )
    assert over("sqnr", [Shade(), Shade()]) == Shade()


def test_the_title_names_the_block_that_makes_half_of_the_error():
    graph = outline(*program([("layer", [at], name) for at, name in enumerate(["a.x", "a.y", "b.x", "b.y", "c"])]))
    parts = shares(**{"a.x": 0.4, "a.y": 0.35, "b.x": 0.1, "b.y": 0.1, "c": 0.05})
    assert finding("share", graph, {}, {}, parts) == "a causes 75\u00a0% of the output error with 2 of 5 layers"
    early = replace(parts, rows=tuple(replace(row, predicted=True) for row in parts.rows))
    assert finding("share", graph, {}, {}, early).startswith("Predicted: a causes 75")
    spread = shares(**{"a.x": 0.2, "a.y": 0.2, "b.x": 0.2, "b.y": 0.2, "c": 0.2})
    assert "spread out" in finding("share", graph, {}, {}, spread)
    found = shades("sqnr", {}, measured(**{"a.x": 4.1, "c": 30.0}), None)
    assert finding("sqnr", graph, {}, found, None) == (
        "Output SQNR is lowest in a.x: 4.1\u00a0dB; 1 of 2 layers below 10\u00a0dB"
    )
    assert finding("format", graph, {"c": "int8", "a.x": "int8"}, {}, None) == "Weights: 2 layers in int8"
    assert "not known" in finding("share", graph, {}, {}, None)
