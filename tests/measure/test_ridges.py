"""Single channels of a weight: which are shown, their histograms and their limits."""

import math

import numpy as np
import pytest
import torch

from qdebug.measure.ridges import BINS, FEW, clip_limits, evenly, fill, powers, ridges, worst
from qdebug.quantize import quantize_weight
from qdebug.recipes import parse_weight_format


def weight(channels=40, inputs=96):
    x = torch.randn(channels, inputs, generator=torch.Generator().manual_seed(1))
    return x * torch.linspace(0.1, 3, channels)[:, None]


def test_channels_are_taken_evenly_from_the_widest_to_the_narrowest():
    x = weight()
    widths = x.abs().amax(1)
    found = evenly(x, 5)
    order = sorted(range(40), key=lambda channel: -float(widths[channel]))
    assert found == [order[place] for place in (0, 10, 20, 29, 39)]
    assert sorted(evenly(x, 99)) == list(range(40))


def test_the_worst_are_those_with_the_most_noise_per_signal():
    assert worst(np.array([1.0, 2.0, 0.0, 9.0]), np.array([1.0, 1.0, 1.0, 0.0])) == [1, 0]
    assert worst(np.zeros(3), np.ones(3)) == []


@pytest.mark.parametrize("notation", ["int8", "int4-pc", "int4g32", "nf4", "mxfp4", "int4b8x8"])
def test_limits_are_those_of_the_widest_scale_of_each_channel(notation):
    x = weight()
    grid = quantize_weight(x, parse_weight_format(notation))[1]
    low, high = clip_limits(grid, 40)
    assert low.shape == high.shape == (40,)
    for channel in range(40):
        scales = grid.scale.expand(40, *grid.scale.shape[1:])[channel].reshape(-1) if grid.scale.dim() else grid.scale
        ends = (grid.clip_min, grid.clip_max)
        mine = [end if not end.dim() else end[channel] for end in ends]
        assert scales.numel() == mine[0].numel()
        assert low[channel] == float(mine[0].min())
        assert high[channel] == float(mine[1].max())
    # Scales that follow the data leave the widest value of a channel inside its limits, or next to them.
    assert (fill(x, (low, high)) < 1.5).all()


def test_filling_is_measured_on_the_side_that_reaches_farther():
    x = torch.tensor([[-1.0, 3.0], [-4.0, 0.5], [0.0, 0.0]])
    assert fill(x, (np.full(3, -8.0), np.full(3, 4.0))).tolist() == [0.75, 0.5, 0.0]


def test_a_channel_is_counted_as_a_loop_counts_it():
    x = weight(3)
    quantized = (x * 4).round() / 4
    found = ridges(x, quantized, [2, 0], (np.array([-1.0, -2.0, -3.0]), np.array([1.0, 2.0, 3.0])))
    assert [one.channel for one in found] == [2, 0]
    one, line = found[0], x[2].double().numpy()
    bins = len(one.counts)
    assert bins == min(BINS, round(2 * 96**0.5))
    counts = [0] * bins
    for value in line:
        counts[min(bins - 1, int((value - line.min()) / (line.max() - line.min()) * bins))] += 1
    assert one.counts == tuple(counts)
    assert one.values == ()
    assert (one.low, one.high) == (line.min(), line.max())
    assert (one.clip_min, one.clip_max) == (-3.0, 3.0)
    assert one.codes == len(set(quantized[2].tolist()))
    noise = sum((a - b) ** 2 for a, b in zip(line, quantized[2].double().numpy(), strict=True))
    assert one.sqnr_db == pytest.approx(10 * math.log10((line**2).sum() / noise), abs=1e-4)


def test_a_channel_of_few_values_has_them_one_by_one():
    x = weight(2, FEW)
    found = ridges(x, x, [1], None)[0]
    assert found.counts == ()
    assert found.values == tuple(sorted(x[1].double().tolist()))
    assert found.sqnr_db is None
    assert found.clip_min is None
    broken = torch.full((1, 40), float("nan"))
    assert ridges(broken, broken, [0], None)[0].values == ()


def test_powers_are_summed_by_channel():
    x, y = weight(4), weight(4).round()
    noise, signal = powers(x, y)
    assert noise == pytest.approx((x - y).double().square().sum(1).numpy())
    assert signal == pytest.approx(x.double().square().sum(1).numpy())
