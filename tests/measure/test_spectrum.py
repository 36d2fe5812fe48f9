"""What matrices of low rank hold of another, held against numpy's singular values."""

import numpy as np
import pytest
import torch

from qdebug.measure import spectrum
from qdebug.measure.spectrum import held, noise, useful_rank


def truly(x):
    squares = np.linalg.svd(x.double().numpy(), compute_uv=False) ** 2
    return squares.cumsum() / squares.sum()


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(7, 30), (30, 7), (1, 5), (5, 1), (64, 64)])
@pytest.mark.parametrize("size", [1.0, 1e-30, 1e30])
def test_shares_are_those_of_the_singular_values(shape, size):
    x = drawn(*shape) * size
    shares, exact = held(x)
    assert exact
    assert shares == pytest.approx(truly(x), abs=1e-6)


def test_a_matrix_of_low_rank_is_held_by_that_rank():
    x = drawn(40, 3) @ drawn(3, 50, seed=1)
    shares, _ = held(x)
    assert shares[1] < 0.9999
    assert shares[2] == pytest.approx(1.0, abs=1e-9)


def test_the_best_product_of_two_factors_leaves_what_the_shares_say():
    x = drawn(20, 33).double()
    left, values, right = np.linalg.svd(x.numpy(), full_matrices=False)
    near = (left[:, :5] * values[:5]) @ right[:5]
    rest = ((x.numpy() - near) ** 2).sum() / (x.numpy() ** 2).sum()
    assert held(x)[0][4] == pytest.approx(1 - rest, abs=1e-9)


def test_nothing_is_decomposed_where_there_is_nothing():
    assert held(torch.zeros(4, 6))[0].size == 0
    assert held(torch.tensor([[float("nan"), 1.0], [0.0, 0.0]]))[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["steep", "flat"])
def test_of_a_large_matrix_the_first_ranks_are_found_and_never_too_much(monkeypatch, kind):
    monkeypatch.setattr(spectrum, "MOST_EXACT", 100)
    monkeypatch.setattr(spectrum, "LEADING", 40)
    x = drawn(300, 420)
    if kind == "steep":
        x = x * 0.01 + drawn(300, 20) @ drawn(20, 420, seed=1)
    shares, exact = held(x)
    assert not exact
    assert len(shares) == 40
    true = truly(x)[:40]
    assert (shares <= true + 1e-9).all()
    assert shares == pytest.approx(true, rel=0.001 if kind == "steep" else 0.06)


@pytest.mark.parametrize("shape", [(10, 320), (48, 9), (128, 320), (200, 200), (600, 300)])
def test_what_noise_would_hold_is_what_drawn_noise_holds(shape):
    mean = np.mean([truly(drawn(*shape, seed=seed)) for seed in range(4)], axis=0)
    found = noise(*shape, min(shape))
    assert found == pytest.approx(mean, abs=0.015)
    assert found[-1] == pytest.approx(1.0)


def test_a_rank_is_useful_while_two_factors_are_half_as_large_at_most():
    assert useful_rank(512, 512) == 16
    assert useful_rank(48, 9) == 3
    assert useful_rank(10, 2) == 0
    for rows, columns in ((48, 9), (30, 30), (5, 100)):
        rank = useful_rank(rows, columns)
        assert rank * (rows + columns) <= rows * columns / 2 < (rank + 1) * (rows + columns)
