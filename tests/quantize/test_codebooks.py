"""Codebooks learned from the weights: scalar k-means, exact, and vector k-means."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qdebug.formats import Codebook, find
from qdebug.quantize import partition, quantize_weight
from qdebug.quantize.codebooks import scalar_codebook, stored, vector_codebook
from qdebug.quantize.partition import best_means
from qdebug.recipes import TensorPlan
from tests.quantize.tensors import LARGEST, same_bytes

SCALAR = ("kmeans2", "kmeans3", "kmeans4", "kmeans8")
VECTOR = ("vq2_16", "vq2_64", "vq4_16", "vq4_256")


def squared_error(values, means):
    return np.square(values[:, None] - np.asarray(means)).min(1).sum()


def best_partition(values, k):
    """The least squared error over all ways to cut sorted values into k runs, by trying all of them."""
    ordered = np.sort(values)
    best = math.inf
    for cuts in itertools.combinations(range(1, len(ordered)), k - 1):
        runs = np.split(ordered, cuts)
        best = min(best, sum(np.square(run - run.mean()).sum() for run in runs))
    return best


SMALL = st.one_of(st.floats(-4, 4, width=32), st.integers(-3, 3).map(float), st.sampled_from([1e4, -1e4, 1e-3]))


@given(values=hnp.arrays(np.float64, st.integers(2, 10), elements=SMALL), k=st.integers(2, 5))
def test_no_partition_of_a_small_set_is_better(values, k):
    """k-means in one dimension, where the best clusters are runs of the sorted values; the optimum, not a local one."""
    places, counts = np.unique(values, return_counts=True)
    means = best_means(places, counts, k)
    assert len(means) == k
    assert (np.diff(means) >= 0).all()
    least = best_partition(values, min(k, len(values)))
    assert squared_error(values, means) <= least * (1 + 1e-9) + 1e-12 * np.square(values).max()


def test_values_beside_an_outlier_keep_their_clusters():
    """On either side: squares of 1e8 would drown differences of 1e-3 in one running sum."""
    values = np.array([0.0, 1e-3, 2e-3, 1.0, 1.001, 2.0])
    for outlier in (1e8, -1e8):
        for some in (np.append(values, outlier), np.append(values, [outlier, -outlier / 2])):
            for k in (4, 5):
                means = best_means(np.sort(some), np.ones(len(some), np.int64), k)
                assert squared_error(some, means) <= best_partition(some, k) * (1 + 1e-6)


@pytest.mark.parametrize("name", SCALAR)
def test_the_levels_of_a_weight_are_the_optimum(path, name):
    """Up to float16: through the whole of the quantizer, per channel and per tensor."""
    form = find(name)
    w = torch.randn(3, 300) * torch.tensor([[1.0], [0.01], [30.0]])
    for granularity, parts in (("channel", list(w)), ("tensor", [w.view(-1)])):
        got, grid = quantize_weight(w, TensorPlan(name, granularity))
        quantized = list(got) if granularity == "channel" else [got.view(-1)]
        for part, one, levels in zip(parts, quantized, grid.levels, strict=True):
            exact = part.double().numpy()
            means = best_means(*np.unique(exact, return_counts=True), form.entries)
            assert np.abs(levels.numpy() - means).max() <= 2.0**-11 * np.abs(means).max()
            assert set(one.tolist()) <= set(levels.tolist())
            distance = np.abs(exact[:, None] - levels.double().numpy()).min(1)
            assert np.abs(np.abs(one.double().numpy() - exact) - distance).max() < 1e-6 * np.abs(exact).max()


def test_many_values_come_near_the_optimum():
    """Beyond 2048 distinct values: within a thousandth of the exact solution."""
    values = torch.randn(1, 6000)
    exact = values[0].double().numpy()
    means = best_means(np.sort(exact), np.ones(6000, np.int64), 16)
    got, _ = scalar_codebook(values, find("kmeans4"))
    assert np.square(got.double().numpy() - exact).sum() <= squared_error(exact, means) * 1.001


def test_a_small_partition_waits_for_no_compiler(monkeypatch):
    """Compiling takes seconds the first time on a machine; Python is done with few places in a tenth of one."""
    monkeypatch.setattr(partition, "_bounds", None)
    assert len(best_means(np.arange(100.0), np.ones(100, np.int64), 4)) == 4
    with pytest.raises(TypeError):
        best_means(np.arange(partition.FEW / 2), np.ones(partition.FEW // 2, np.int64), 4)


def test_partition_without_numba():
    pytest.importorskip("numba")
    dice = np.random.default_rng(0)
    for n, k in ((5, 3), (40, 4), (300, 16)):
        x, weight = np.sort(dice.standard_normal(n)), dice.integers(1, 9, n)
        sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in (weight.astype(float), weight * x, weight * x**2)]
        assert np.array_equal(partition._bounds(*sums, k), partition._bounds.py_func(*sums, k))


@pytest.mark.parametrize("name", VECTOR)
@pytest.mark.parametrize("shape", [(6, 64), (5, 3, 3, 3), (4, 30)])
def test_every_vector_gets_its_nearest_codeword(name, shape):
    form = find(name)
    w = torch.randn(shape) * torch.logspace(-1, 1, shape[0]).view(-1, *[1] * (len(shape) - 1))
    got, grid = quantize_weight(w, TensorPlan(name))
    short = -w[0].numel() % form.dimension
    vectors, found = (
        torch.nn.functional.pad(t.view(shape[0], -1), (0, short)).double().view(-1, form.dimension).numpy()
        for t in (w, got)
    )
    whole = np.arange(len(vectors)) % (len(vectors) // shape[0]) < w[0].numel() // form.dimension
    words = np.unique(found[whole], axis=0)
    assert len(words) <= form.entries
    assert grid.used <= form.entries == grid.entries
    assert set(got.view(-1).tolist()) <= set(grid.levels.tolist())
    distance = np.square(vectors[whole, None] - words).sum(2).min(1)
    ours = np.square(vectors[whole] - found[whole]).sum(1)
    assert (ours <= distance + 1e-9 * np.square(vectors).max()).all()


@pytest.mark.parametrize("name", ["vq2_16", "vq2_64", "vq4_16"])
def test_codewords_lie_in_the_middle_of_their_vectors(name):
    """Lloyd's condition: moving each to the mean of its vectors would gain next to nothing."""
    form = find(name)
    w = torch.randn(16, 64)  # few enough that all vectors are learned from
    vectors, got = (t.view(-1, form.dimension).double() for t in (w, vector_codebook(w, form)[0]))
    moved = got.clone()
    for word in got.unique(dim=0):
        own = (got == word).all(1)
        moved[own] = vectors[own].mean(0)
    assert (got - vectors).square().sum() <= (moved - vectors).square().sum() * 1.01


def test_the_clusters_of_a_clear_case_are_found():
    """Sixteen well separated heaps, sixteen codewords: each heap has its own, whatever the seed."""
    centres = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0)) * 10
    vectors = (centres.repeat(20, 1) + torch.randn(320, 2) * 0.01)[torch.randperm(320)]
    for seed in range(5):
        got, grid = vector_codebook(vectors.view(8, -1), find("vq2_16"), seed)
        assert grid.used >= 14  # k-means++ may, rarely, start twice in one heap
        assert (got.view(-1, 2) - vectors).norm() < vectors.norm() * 0.2


@pytest.mark.parametrize("name", VECTOR)
def test_the_seed_decides(name):
    w = torch.randn(64, 64)
    one, two, other = (quantize_weight(w, TensorPlan(name, seed=seed))[0] for seed in (3, 3, 4))
    assert same_bytes(one, two)
    assert not same_bytes(one, other)


@pytest.mark.parametrize("name", [*SCALAR, *VECTOR])
def test_fewer_distinct_values_than_levels_are_kept_as_they_are(path, name):
    w = torch.tensor([[0.5, -1.0, 0.5, -1.0], [0.25, 0.25, 0.25, 0.25]]).repeat(1, 4)
    for granularity in ("tensor", "channel") if find(name).dimension == 1 else ("tensor",):
        for some in (w, torch.full((3, 8), -0.75), torch.zeros(2, 8), w[:1, :1], w[:0], w[:, :0]):
            got, _ = quantize_weight(some, TensorPlan(name, granularity))
            assert torch.equal(got, some)


@pytest.mark.parametrize("name", [*SCALAR, *VECTOR])
def test_what_is_not_finite_has_no_say(path, name):
    form = find(name)
    clean = torch.randn(2, 64)
    extra = torch.tensor([[math.nan, 1.0, math.nan, 3.0], [-math.inf, 1.0, math.inf, 3.0]])
    got, grid = quantize_weight(torch.cat([clean, extra], 1), TensorPlan(name))
    tail = got[:, 64:]
    assert torch.equal(torch.isnan(tail), torch.isnan(extra))
    assert set(tail[~torch.isnan(tail)].tolist()) <= set(grid.levels.flatten().tolist())
    if form.dimension == 1:
        assert (tail[1, 0], tail[1, 2]) == (grid.levels.min(), grid.levels.max())
        finite = torch.cat([clean.view(-1), torch.tensor([1.0, 3.0, 1.0, 3.0])])
        assert torch.equal(quantize_weight(finite.view(1, -1), TensorPlan(name))[1].levels, grid.levels)
        return
    assert torch.equal(quantize_weight(clean, TensorPlan(name))[0], got[:, :64])
    words = got[:, :64].reshape(-1, form.dimension)
    last = tail.reshape(-1, form.dimension)[-1]
    finite = torch.isfinite(extra.reshape(-1, form.dimension)[-1])
    closest = (words - extra.reshape(-1, form.dimension)[-1])[:, finite].norm(dim=1).min()
    assert (last - extra.reshape(-1, form.dimension)[-1])[finite].norm() <= closest * (1 + 1e-6)


@pytest.mark.parametrize("name", VECTOR)
def test_no_run_without_a_nan(name):
    """Then what is finite in them is learned from, and the rest is unknown."""
    w = torch.randn(4, 64)
    w[:, :: find(name).dimension] = math.nan
    got, _ = quantize_weight(w, TensorPlan(name))
    known = ~torch.isnan(w)
    assert torch.equal(~torch.isnan(got), known)
    assert (got - w)[known].norm() < w[known].norm()


@pytest.mark.parametrize("name", [*SCALAR, *VECTOR])
@pytest.mark.parametrize("size", [1e6, 1e-9, 1e-25, 1e-37, 3e37])
def test_large_and_tiny_weights_lose_nothing_to_float16(name, size):
    """Books are float16 times a power of two: the relative error is that of weights near 1."""
    w = torch.randn(4, 128)
    plain, scaled = (quantize_weight(part, TensorPlan(name))[0].double() for part in (w, w * size))
    assert torch.isfinite(scaled).all()
    one, two = ((q / s - w.double()).square().sum() for q, s in ((plain, 1.0), (scaled, size)))
    assert two == pytest.approx(one.item(), rel=0.5 if find(name).dimension > 1 else 0.01, abs=1e-4)


def test_stored_numbers():
    books = torch.tensor([
        [1.0, 0.1, 2.0**-20], [65504.0, 1.0, 0.0], [1e6, 3.0, -1e6], [1e-9, 5e-10, 1e-13], [0.0, 0.0, 0.0],
        [LARGEST, 1.0, -LARGEST], [2.0**-149, 2.0**-140, 0.0],
    ])  # fmt: skip
    got = stored(books)
    assert torch.equal(got[:2], books[:2].half().float())  # where float16 serves, it is plain float16
    assert torch.isfinite(got).all()
    most = books.abs().amax(1, keepdim=True).double()
    assert ((got.double() - books.double()).abs() <= most * 2.0**-11).all()
    assert got[6].tolist() == books[6].tolist()
    assert torch.equal(stored(got), got)
    assert stored(torch.empty(0, 4)).shape == (0, 4)


@pytest.mark.parametrize(("name", "bits"), [("kmeans4", 16 * 16 + 8), ("vq2_256", 16 * 512 + 8)])
def test_the_bits_of_a_book(name, bits):
    form = find(name)
    assert isinstance(form, Codebook)
    assert form.codebook_bits == bits
