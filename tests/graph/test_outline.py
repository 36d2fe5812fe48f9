"""Blocks and ways: every layer is in one place, and all that leads somewhere leads forward."""

import torch
from hypothesis import given, settings
from torch import nn

from qdebug.graph.outline import MOST_CHILDREN, outline
from qdebug.session import open as open_model
from tests.drawn_programs import program, programs, tower
from tests.networks import Attention, Residual, data_for, seeded


def names(graph):
    return [node.name for node in graph.nodes]


def reached(sources):
    """For each place, all places that lead to it."""
    found = []
    for mine in sources:
        found.append(set(mine).union(*(found[one] for one in mine)))
    return found


@settings(max_examples=40)
@given(programs())
def test_every_layer_is_in_one_place_and_every_way_leads_forward(drawn):
    model, layers = drawn
    graph = outline(model, layers)
    assert [node.name for node in graph.nodes if node.kind == "layer"] == [layer.name for layer in layers]
    assert all(edge.source < edge.target for edge in graph.edges)
    assert len({(edge.source, edge.target) for edge in graph.edges}) == len(graph.edges)
    for at, node in enumerate(graph.nodes):
        block = graph.blocks[node.block]
        assert block.first <= at < block.stop
    for at, block in enumerate(graph.blocks[1:], 1):
        around = graph.blocks[block.parent]
        assert block.parent < at and around.first <= block.first < block.stop <= around.stop
        mine = [one for one in graph.blocks if one.parent == at]
        direct = sum(node.block == at for node in graph.nodes)
        assert 2 <= direct + len(mine) <= MOST_CHILDREN
        assert all(one.stop <= other.first or other.stop <= one.first for one in mine for other in mine if one != other)


@settings(max_examples=40)
@given(programs())
def test_a_layer_leads_to_another_in_the_graph_where_it_does_in_the_program(drawn):
    model, layers = drawn
    graph = outline(model, layers)
    far = reached(model.sources)
    sources = [[edge.source for edge in graph.edges if edge.target == at] for at in range(len(graph.nodes))]
    near = reached(sources)
    place = {node.name: at for at, node in enumerate(graph.nodes) if node.kind == "layer"}
    for one in layers:
        for other in layers:
            assert (one.step in far[other.step]) == (place[one.name] in near[place[other.name]])


def test_a_residual_way_is_a_shortcut_and_tells_what_lies_between():
    graph = open_model(seeded(Residual), data_for(Residual)).graph()
    assert names(graph) == ["images", "stem", "dw", "pw", "add", "head", "output"]
    ways = {(graph.nodes[one.source].name, graph.nodes[one.target].name): one for one in graph.edges}
    assert ways["stem", "add"].skip and not ways["pw", "add"].skip
    assert ways["dw", "pw"].ops == ("relu",)
    assert ways["add", "head"].ops == ("mean",)


def test_attention_meets_where_its_three_projections_do():
    graph = open_model(seeded(Attention), data_for(Attention)).graph()
    joins = [node.name for node in graph.nodes if node.kind == "join"]
    assert joins == ["matmul", "matmul", "add", "add"]
    values = next(one for one in graph.edges if graph.nodes[one.source].name == "v")
    assert not values.skip


class Modules(nn.Module):
    """Two alike blocks, of which each has a part with two layers and one layer by itself."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"mlp": nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4)), "out": nn.Linear(4, 4)})
            for _ in range(2)
        )

    def forward(self, x):
        for block in self.blocks:
            x = x + block["out"](block["mlp"](x))
        return x


def test_blocks_are_the_modules_that_hold_several_layers():
    torch.manual_seed(0)
    graph = open_model(Modules(), {"x": torch.randn(8, 4)}).graph()
    assert [block.name for block in graph.blocks] == [
        "",
        "blocks",
        "blocks.0",
        "blocks.0.mlp",
        "blocks.1",
        "blocks.1.mlp",
    ]
    assert [block.label for block in graph.blocks[1:4]] == ["blocks", "blocks.0", "mlp"]


def test_a_module_that_is_called_in_turns_is_several_blocks():
    ops = [("layer", [at], f"{path}.l{at}") for at, path in enumerate(["a", "a", "b", "b", "a", "a"])]
    graph = outline(*program(ops))
    assert [block.name for block in graph.blocks[1:]] == ["a", "b", "a"]


def test_a_thousand_layers_without_modules_become_even_runs():
    graph = outline(*tower(1000, flat=True))
    inside = [sum(block.parent == at for block in graph.blocks) + sum(node.block == at for node in graph.nodes)
              for at in range(len(graph.blocks))]  # fmt: skip
    assert max(inside) <= MOST_CHILDREN + 2  # the outermost has input and output besides
    assert graph.blocks[1].name.startswith("conv0 … conv")


def test_names_of_files_stay_as_they_are_written():
    ops = [("layer", [at], f"/blocks.{at // 2}/{name}/Conv") for at, name in enumerate(["dw", "pw", "dw", "pw"])]
    graph = outline(*program(ops))
    assert [block.name for block in graph.blocks[1:]] == ["/blocks", "/blocks.0", "/blocks.1"]
    assert graph.blocks[2].label == "blocks.0"


def test_an_operator_that_nothing_reads_is_left_out():
    graph = outline(*program([("layer", [0], "a"), ("layer", [1], "b"), ("add", [1, 2], ""), ("layer", [2], "c")]))
    assert [node.name for node in graph.nodes] == ["x0", "a", "b", "c", "output"]
