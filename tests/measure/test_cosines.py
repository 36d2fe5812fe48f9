"""How far the channels of an input go together."""

import pytest
import torch

from qdebug.measure.cosines import MOST, input_cosines


def test_channels_that_go_together_and_others_that_do_not():
    x = torch.tensor([[1.0, 2.0, 0.0, 1.0], [1.0, 2.0, 0.0, -1.0]])
    found = input_cosines(x, "fc")
    assert (found.layer, found.channels, found.total, found.n) == ("fc", (0, 1, 2, 3), 4, 2)
    assert found.cosines == ((1, 1, 0, 0), (1, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
    assert found.typical == pytest.approx((2 / 12) ** 0.5)


def test_they_are_the_cosines_between_columns():
    x = torch.randn(50, 5, generator=torch.Generator().manual_seed(0)) + 0.5
    found = torch.tensor(input_cosines(x, "fc").cosines)
    expected = torch.nn.functional.cosine_similarity(x.T[:, None], x.T[None], dim=-1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_of_many_channels_evenly_spaced_ones_are_told():
    found = input_cosines(torch.ones(3, 200), "fc")
    assert (len(found.channels), found.channels[0], found.channels[-1], found.total) == (MOST, 0, 199, 200)
    assert found.typical == pytest.approx(1.0)


def test_one_channel_goes_with_none():
    assert input_cosines(torch.ones(3, 1), "fc").typical == 0.0
