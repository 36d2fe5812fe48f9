"""Ranges of weights by entropy, ACIQ and OCTAV: each row and group as if alone, and odd data."""

import numpy as np
import pytest
import torch

from qdebug.formats import find
from qdebug.quantize import entropy_limit, quantize_weight, weight_grid
from qdebug.quantize.ranges import groups as ranges
from qdebug.quantize.ranges.aciq import clip_ratio
from qdebug.recipes import TensorPlan

INT4 = find("int4")
METHODS = {
    "aciq_laplace": lambda x, symmetric, size: ranges.aciq(x, "laplace", INT4, symmetric, size),
    "aciq_gauss": lambda x, symmetric, size: ranges.aciq(x, "gauss", INT4, symmetric, size),
    "octav": lambda x, symmetric, size: ranges.octav(x, INT4, symmetric, size),
}
NAMES = ("mse", "entropy", *METHODS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [0, 32])
def test_each_group_is_on_its_own(path, method, symmetric, size):
    torch.manual_seed(0)
    x = torch.randn(5, 80) * torch.logspace(-3, 3, 5).unsqueeze(1)
    x[2] = x[2].abs()
    low, high = METHODS[method](x, symmetric, size)
    groups = x.split(size or 80, dim=1)
    assert low.shape == (5, len(groups))
    for g, part in enumerate(groups):
        for r in range(5):
            alone = METHODS[method](part[r : r + 1], symmetric, 0)
            assert (low[r, g].item(), high[r, g].item()) == pytest.approx((alone[0].item(), alone[1].item()), rel=1e-12)


@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize("granularity", ["tensor", "channel", "group"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_odd_weights(path, method, granularity, symmetric):
    if (method, granularity) == ("entropy", "group"):
        return
    plan = TensorPlan("int4", granularity, 3 if granularity == "group" else 0, symmetric=symmetric, range=method)
    for value in (0.0, 0.5, -0.5, 1e-45, 1e38):
        w = torch.full((2, 7), value)
        wq, qparams = quantize_weight(w, plan)
        assert torch.isfinite(wq).all()
        assert (wq - w).abs().max() <= qparams.scale.max() * 0.51
    assert quantize_weight(torch.empty(3, 0), plan)[0].shape == (3, 0)
    w = torch.randn(4, 9)
    w[1] = 0.0
    w[0, 0], w[2, 1], w[3, 2] = np.nan, np.inf, -np.inf
    scale = weight_grid(w, plan).scale
    assert scale.isfinite().all()
    assert scale.max() <= (w[w.isfinite()].max() - w[w.isfinite()].min()).abs().clamp(min=1.0)


@pytest.mark.parametrize("method", ["mse", *METHODS])
@pytest.mark.parametrize("symmetric", [True, False])
def test_never_wider_than_the_values(method, symmetric):
    x = torch.cat([torch.randn(6, 40), torch.randn(6, 40).abs(), torch.rand(6, 40) - 3.0])
    found = ranges.mse(x, INT4, symmetric, 8) if method == "mse" else METHODS[method](x, symmetric, 8)
    least, most = ranges.minmax(x, 8)
    assert (least <= found[0]).all()
    assert (found[0] <= 0).all()
    assert (found[1] >= 0).all()
    assert (found[1] <= most).all()
    assert (found[0] < found[1]).all()


@pytest.mark.parametrize("method", METHODS)
def test_nan_and_inf_have_no_say(path, method):
    x = torch.randn(1, 500)
    damaged = torch.cat([x[:, :200], torch.tensor([[np.nan, np.inf, -np.inf]]), x[:, 200:]], dim=1)
    for symmetric in (True, False):
        clean, other = METHODS[method](x, symmetric, 0), METHODS[method](damaged, symmetric, 0)
        assert clean[0].item() == pytest.approx(other[0].item(), rel=1e-12)
        assert clean[1].item() == pytest.approx(other[1].item(), rel=1e-12)


def test_aciq_takes_its_spread_from_the_data():
    x = torch.randn(3, 4000).double()
    low, high = ranges.aciq(x.float(), "gauss", INT4, False)
    mean, std = x.mean(1, keepdim=True), x.std(1, keepdim=True, correction=0)
    assert torch.allclose(low, mean - clip_ratio("gauss", 4) * std, rtol=1e-5)
    assert torch.allclose(high, mean + clip_ratio("gauss", 4) * std, rtol=1e-5)
    low, high = ranges.aciq(x.float(), "laplace", INT4, True)
    wanted = clip_ratio("laplace", 4) * x.abs().mean(1, keepdim=True)
    assert torch.allclose(high, torch.minimum(wanted, x.amax(1, keepdim=True)), rtol=0.01), "never beyond the values"


@pytest.mark.parametrize("symmetric", [True, False])
def test_entropy_of_a_tensor_is_that_of_its_histogram(symmetric):
    torch.manual_seed(3)
    x = torch.cat([torch.randn(1, 30_000), torch.tensor([[-20.0, 25.0]])], dim=1)
    low, high = ranges.entropy(x, INT4, symmetric)
    values = x.double().numpy()[0]
    signs = values[values > 0], -values[values < 0]
    counts = [np.histogram(side, bins=2048, range=(0, 25.0))[0][None] for side in signs]
    limit = entropy_limit(*counts, 4, symmetric)[0] / 2048 * 25.0
    assert (low.item(), high.item()) == pytest.approx((max(-limit, -20.0), min(limit, 25.0)))
    assert limit < 10.0


def test_entropy_of_rows_is_near_that_of_each_alone():
    torch.manual_seed(4)
    x = torch.cat([torch.randn(3, 20_000), torch.tensor([[30.0], [20.0], [0.0]])], dim=1)
    together = ranges.entropy(x, INT4, False)[1]
    for r in range(3):
        assert together[r].item() == pytest.approx(ranges.entropy(x[r : r + 1], INT4, False)[1].item(), rel=0.25)


def test_entropy_of_groups_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="too few"):
        weight_grid(torch.randn(2, 8), TensorPlan("int4", "group", 4, range="entropy"))


@pytest.mark.parametrize("method", NAMES)
def test_better_than_minmax_with_outliers_at_four_bits(path, method):
    torch.manual_seed(1)
    w = torch.randn(4, 4096)
    w[:, 7] = 30.0
    error = {
        name: (quantize_weight(w, TensorPlan("int4", "channel", range=name))[0] - w).square().mean().item()
        for name in ("minmax", method)
    }
    assert error[method] < 0.75 * error["minmax"]
