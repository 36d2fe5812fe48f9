"""What outputs depend on, of a graph in any form."""

from qdebug.graph.prune import needed

NODES = [("x", "a"), ("a", "b"), ("a", "unused"), ("b", "y"), ("unused", "neither")]


def walked(*outputs):
    return needed(NODES, outputs, lambda node: node[:1], lambda node: node[1:])


def test_what_an_output_depends_on():
    assert walked("y") == {"x", "a", "b", "y"}
    assert walked("unused") == {"x", "a", "unused"}
    assert walked() == set()


def test_a_node_with_one_wanted_output_of_two_is_needed():
    found = needed([("x", "one", "two")], ["two"], lambda node: node[:1], lambda node: node[1:])
    assert found == {"x", "two"}
