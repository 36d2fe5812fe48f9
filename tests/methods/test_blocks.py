"""What is rounded together: residual and transformer blocks, and layers by themselves."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from qdebug.methods.blocks import blocks_of
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


def blocks(kind, **options):
    session = open_model(seeded(kind), data_for(kind))
    layers = [layer for layer in session.subject.layers if layer.kind != "embedding"]
    found = blocks_of(session.subject.program, layers, session.subject.engine.layers, **options)
    return session.subject.program, found


def names(found):
    return [[layer.name for layer in block.layers] for block in found]


def test_a_residual_branch_is_one_block_with_what_it_is_added_to():
    program, found = blocks(Residual)
    assert names(found) == [["stem"], ["dw", "pw"], ["head"]]
    assert [program.steps[block.target].op for block in found[:2]] == ["aten.relu.default", "aten.mean.dim"]


def test_attention_and_feed_forward_are_blocks():
    _, found = blocks(Attention)
    assert names(found) == [["q", "k", "v"], ["up", "down"], ["head"]]


def test_each_block_reads_nothing_but_what_the_one_before_gives():
    for kind in (Residual, Attention):
        _, found = blocks(kind)
        for before, after in itertools.pairwise(found):
            assert after.reads == (before.target,)


def test_a_block_of_too_many_layers_is_taken_apart():
    _, found = blocks(Attention, most=2)
    assert names(found) == [["q"], ["k"], ["v"], ["up", "down"], ["head"]]
    assert {block.name for block in found} >= {"q by itself", "the block up to down"}


class Stacked(nn.Module):
    """Units without a way round, numbered; behind them a mask of the inputs that every unit reads."""

    def __init__(self) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            nn.ModuleDict({"up": nn.Linear(3, 4), "down": nn.Linear(4, 3)}) for _ in range(2)
        )  # fmt: skip
        self.end = nn.Linear(3, 2)

    def forward(self, x):
        """``[N, 3]`` to ``[N, 2]``."""
        mask = (x > 0).float()
        for unit in self.units:
            x = unit["down"](torch.relu(unit["up"](x))) * mask
        return self.end(x)


def test_numbered_modules_are_blocks_and_masks_of_the_inputs_are_at_hand():
    data = {"x": torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), "labels": torch.arange(6) % 2}
    torch.manual_seed(0)
    subject = open_model(Stacked().eval(), data).subject
    found = blocks_of(subject.program, subject.layers, subject.engine.layers)
    assert names(found) == [["units.0.up", "units.0.down"], ["units.1.up", "units.1.down"], ["end"]]
    assert [len(block.reads) for block in found] == [0, 1, 1]


def test_every_layer_of_every_sample_is_in_one_block():
    for name in ("digits-resnet", "digits-mobilenet", "digits-vit"):
        subject = open_model(name).subject
        found = blocks_of(subject.program, subject.layers, subject.engine.layers)
        assert [layer.name for block in found for layer in block.layers] == [layer.name for layer in subject.layers]
        assert max(len(block.layers) for block in found) in (3, 4)
