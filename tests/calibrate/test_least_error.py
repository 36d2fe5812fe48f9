"""The range of least expected squared error, against every pair of edges and an integral done the slow way."""

import itertools

import numpy as np
import pytest
import torch

from qdebug.calibrate import Observer, choose_range
from qdebug.calibrate.expected import least_error
from qdebug.calibrate.tails import sides
from qdebug.formats import find
from qdebug.recipes import TensorPlan
from tests.quantize import reference


def observed(x, bins):
    observer = Observer(1, bins=bins)
    observer.update(torch.from_numpy(x.astype(np.float32)).view(-1, 1))
    return observer.stats()


def expected_error(stats, low, high, bits, symmetric):
    """Bin by bin and code by code: the integral of (x − code · scale)² over the part of the bin nearest to the code."""
    scale, zero, qmin, qmax = reference.qparams(low, high, bits, symmetric)
    counts = stats.counts.astype(float)
    if stats.zeros:
        counts[-stats.origin] -= stats.zeros
    left, right, total = stats.edges[:-1], stats.edges[1:], 0.0
    for code in range(qmin - int(zero), qmax - int(zero) + 1):
        start = -np.inf if code == qmin - zero else (code - 0.5) * scale
        stop = np.inf if code == qmax - zero else (code + 0.5) * scale
        a, b = np.clip(left, start, stop), np.clip(right, start, stop)
        total += float(counts @ ((b - code * scale) ** 3 - (a - code * scale) ** 3)) / (3 * stats.width)
    return total


def kinds():
    rng = np.random.default_rng(11)
    normal = rng.normal(size=2000)
    return {
        "normal": normal, "relu": np.maximum(normal, 0), "negative": -np.abs(normal), "heavy": rng.standard_t(2, 2000),
        "outlier": np.append(normal, 60.0), "shifted": normal + 3.0,
        "two modes": np.where(normal > 0, 3 + normal / 9, -5),
    }  # fmt: skip


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize(("bits", "symmetric"), [(2, True), (4, True), (8, True), (2, False), (3, False), (4, False)])
def test_no_pair_of_edges_is_better(path, kind, bits, symmetric):
    stats = observed(kinds()[kind], 48)
    low, high = min(stats.low, 0.0), max(stats.high, 0.0)
    ends = [edge for edge in stats.edges if low < edge < high]
    lows, highs = [low, 0.0, *(e for e in ends if e < 0)], [high, 0.0, *(e for e in ends if e > 0)]
    pairs = [(-e, e) for e in (*highs, *(-e for e in lows)) if e] if symmetric else itertools.product(lows, highs)
    best = min(expected_error(stats, *pair, bits, symmetric) for pair in pairs if pair != (0.0, 0.0))
    found = expected_error(stats, *least_error(stats, find(f"int{bits}"), symmetric), bits, symmetric)
    assert found <= best * (1 + 1e-6)


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("symmetric", [True, False])
def test_never_worse_than_minmax(path, kind, symmetric):
    stats = observed(kinds()[kind], 2048)
    for bits in (2, 5, 8):
        found = least_error(stats, find(f"int{bits}"), symmetric)
        minmax = min(stats.low, 0.0), max(stats.high, 0.0)
        one, other = (expected_error(stats, *limits, bits, symmetric) for limits in (found, minmax))
        assert one <= other * (1 + 1e-6)


@pytest.mark.parametrize("bits", [3, 8])
def test_a_finer_grid_of_limits_finds_nothing_clearly_better(bits):
    stats = observed(kinds()["normal"], 128)
    found = expected_error(stats, *least_error(stats, find(f"int{bits}"), True), bits, True)
    limits = np.linspace(0.1, 1.0, 1501) * max(-stats.low, stats.high)
    assert found <= 1.0005 * min(expected_error(stats, -limit, limit, bits, True) for limit in limits)


def test_tails_are_those_of_values_spread_over_their_bins():
    stats = observed(kinds()["heavy"], 64)
    below, above = sides(stats)
    limits = np.concatenate([np.linspace(0, 30, 200), np.arange(20.0)])
    for side, sign in ((below, -1.0), (above, 1.0)):
        inner, outer = (np.sort(np.abs(pair)) for pair in (stats.edges[:-1], stats.edges[1:]))
        lies = sign * (stats.edges[:-1] + stats.edges[1:]) > 0
        inner, outer = np.abs(stats.edges[:-1][lies]), np.abs(stats.edges[1:][lies])
        inner, outer = np.minimum(inner, outer) / stats.width, np.maximum(inner, outer) / stats.width
        count, excess = side.tail(limits)
        for i, limit in enumerate(limits):
            start = np.clip(limit, inner, outer)
            assert count[i] == pytest.approx(stats.counts[lies] @ (outer - start))
            assert excess[i] == pytest.approx(stats.counts[lies] @ ((outer - limit) ** 2 - (start - limit) ** 2) / 2)


def test_values_far_from_zero_cost_no_search_from_zero_on(path):
    x = np.linspace(1000.0, 1000.5, 500)
    low, high = choose_range(observed(x, 2048), TensorPlan("int4", symmetric=True, range="mse"))
    exact = x.astype(np.float32).astype(np.float64)
    error = np.square(reference.fake_quantize(exact, *reference.qparams(low, high, 4, True)) - exact).sum()
    limits = np.linspace(999.0, 1001.0, 2001)
    best = min(
        np.square(reference.fake_quantize(exact, *reference.qparams(0.0, limit, 4, True)) - exact).sum()
        for limit in limits
    )
    assert error <= 1.01 * best


def test_both_paths_agree(monkeypatch):
    pytest.importorskip("numba")
    from qdebug.calibrate import passes

    for kind in ("normal", "relu", "outlier"):
        stats = observed(kinds()[kind], 512)
        compiled = least_error(stats, find("int6"), False)
        monkeypatch.setattr(passes, "kernels", None)
        assert least_error(stats, find("int6"), False) == pytest.approx(compiled, rel=1e-12)
        monkeypatch.undo()
