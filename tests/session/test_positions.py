"""Errors by the position in the sequence: held against plain loops, and padding left out."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from qdebug.errors import RecipeError
from qdebug.measure.positions import PositionAccumulator, by_position, position_side
from qdebug.recipes import preset, set_layers
from qdebug.session import open as open_model
from qdebug.session.sequences import lies_along, present
from tests.networks import Attention, Residual, data_for, seeded

STUDENT = 2.0687
"""The 97.5 % point of Student's t for 23 degrees of freedom."""


@pytest.fixture(scope="module")
def session():
    return open_model(seeded(Attention), data_for(Attention))


@pytest.mark.parametrize("layer", ["q", "up", "head"])
def test_each_position_is_held_against_plain_execution(session, layer):
    recipe = preset("w4a8")
    found = session.position_errors(recipe, layer)
    step = session.subject.layer(layer).step
    reference = session.value("w32a32", step, found.n).double()
    alone = session.value(set_layers(preset("w32a32"), {layer: recipe.default}), step, found.n).double()
    whole = session.value(recipe, step, found.n).double()
    assert (found.positions, found.counts) == (tuple(range(8)), (found.n,) * 8)
    total = float((reference - alone).square().sum())
    for at in range(8):
        power = [float(row[at].square().sum()) for row in reference]
        assert found.power[at] == pytest.approx(sum(power) / found.n)
        for side, value in ((found.alone, alone), (found.whole, whole)):
            error = [float((a[at] - b[at]).square().sum()) for a, b in zip(reference, value, strict=True)]
            assert side.relative[at] == pytest.approx(sum(error) / sum(power), rel=1e-6)
        error = [float((a[at] - b[at]).square().sum()) for a, b in zip(reference, alone, strict=True)]
        assert found.alone.share[at] == pytest.approx(sum(error) / total, rel=1e-6)
        ratio = sum(error) / sum(power)
        spread = sum((e - ratio * p) ** 2 for e, p in zip(error, power, strict=True))
        half = STUDENT * (found.n / (found.n - 1) * spread) ** 0.5 / sum(power)
        assert found.alone.low[at] == pytest.approx(max(0.0, ratio - half), rel=1e-4, abs=1e-12)
        assert found.alone.high[at] == pytest.approx(ratio + half, rel=1e-4)


def test_a_layer_without_an_error_has_shares_of_nothing(session):
    found = session.position_errors(set_layers(preset("w32a32"), {"up": preset("w4a8").default}), "q")
    assert not found.alone.has_error and not found.whole.has_error
    assert set(found.alone.relative) == {0.0}


def test_layers_tell_whether_they_have_positions(session):
    assert {layer.name: layer.positions for layer in session.info().layers}["up"] == 8
    images = open_model(seeded(Residual), data_for(Residual))
    assert {layer.positions for layer in images.info().layers} == {0}
    with pytest.raises(RecipeError, match="no positions"):
        images.position_errors("w8a8", "pw")


class Masked(nn.Module):
    """Reads a mask, and has its tokens in one row behind the other, as many exported transformers do."""

    def __init__(self):
        super().__init__()
        self.embed, self.line, self.head = nn.Embedding(11, 8), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, attention_mask, tokens):
        """``[N, 5]`` to ``[N, 3]``: the mean over tokens."""
        rows = self.line(self.embed(tokens).flatten(0, 1)).unflatten(0, (-1, 5))
        mask = attention_mask.unsqueeze(-1).to(rows.dtype)
        return self.head((rows * mask).sum(1) / mask.sum(1))


def test_positions_under_a_mask_are_left_out():
    torch.manual_seed(0)
    tokens = torch.randint(1, 11, (12, 5))
    mask = (torch.arange(5) < torch.randint(1, 4, (12, 1))).long()
    mask[0] = torch.tensor([1, 1, 1, 0, 0])
    session = open_model(Masked().eval(), {"attention_mask": mask, "tokens": tokens})
    assert {layer.name: layer.positions for layer in session.info().layers} == {"embed": 5, "line": 5, "head": 0}
    found = session.position_errors("w4a8", "line")
    assert found.positions == (0, 1, 2)
    assert found.counts == tuple(mask.sum(0).tolist()[:3])
    step, recipe = session.subject.layer("line").step, preset("w4a8")
    alone = set_layers(preset("w32a32"), {"line": recipe.default})
    one, two = (session.value(each, step, 12).double().view(12, 5, 6) for each in (preset("w32a32"), alone))
    error, power = ((value.square().sum(-1) * mask).sum(0) for value in (one - two, one))
    assert found.alone.relative == pytest.approx((error / power)[:3].tolist(), rel=1e-6)


def test_without_a_mask_what_is_repeated_behind_the_last_target_fills_up():
    tokens = torch.tensor([[5, 3, 4, 0, 0, 0], [1, 2, 3, 4, 5, 6], [7, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]])
    labels = torch.tensor([[3, 4, -100, -100, -100, -100], [2, 3, 4, 5, 6, -100], [0, 0, -100, -100, -100, -100],
                           [-100] * 6])  # fmt: skip
    data = open_model(seeded(Attention), data_for(Attention)).subject.data
    data = dataclasses.replace(data, inputs={"tokens": tokens}, labels=labels)
    assert present(data).sum(1).tolist() == [3, 6, 3, 6]
    assert present(dataclasses.replace(data, labels=None)).all()


def test_layouts_of_outputs_are_told_apart(session):
    layer = session.subject.layer("up")
    turned = dataclasses.replace(layer, channel_axis=1)
    for shape, one, expected in (((2, 8, 32), layer, True), ((16, 32), layer, True), ((2, 32, 8), turned, True),
                                 ((2, 32, 8), layer, False), ((2, 32), layer, False), ((2, 8, 4, 4), layer, False),
                                 (None, layer, False)):  # fmt: skip
        assert lies_along(one, shape, 2, 8) is expected
    assert not lies_along(layer, (2, 8, 32), 2, 0)
    value = torch.randn(2, 8, 5)
    assert torch.equal(by_position(value.flatten(0, 1), 8, 1), value)
    assert torch.equal(by_position(value.transpose(1, 2), 8, 1), value)
    assert torch.equal(by_position(value, 8, -1), value)


def test_broken_values_count_for_nothing_and_one_sample_has_no_interval():
    sums = PositionAccumulator()
    sums.add(torch.tensor([[[1.0, float("nan")], [2.0, 0.0]]]), torch.tensor([[[0.5, 1.0], [float("inf"), 0.0]]]))
    assert sums.power.tolist() == [[1.0, 0.0]]
    assert sums.error.tolist() == [[0.25, 0.0]]
    side = position_side(sums.power, sums.error, np.ones((1, 2), dtype=bool))
    assert (side.share, side.relative, side.low, side.high) == ((1.0, 0.0), (0.25, None), (0.0, None), (None, None))
