"""Directions have the covariance that makes their mean square the measure that is asked for."""

import pytest
import torch
from torch.nn import functional as F

from qdebug.search.predict.cotangents import draw

DRAWS = 40_000


def drawn(measure):
    torch.manual_seed(0)
    logits = torch.randn(5) * 2
    rows = draw(logits.expand(DRAWS, 5), measure, torch.Generator().manual_seed(1)).double()
    return logits.double(), rows.T @ rows / DRAWS


def test_squared_error_has_the_identity():
    _, covariance = drawn("squared")
    torch.testing.assert_close(covariance, torch.eye(5, dtype=torch.float64), atol=0.03, rtol=0)


def test_divergence_has_the_softmax_s_fisher_matrix():
    logits, covariance = drawn("kl")
    p = logits.softmax(-1)
    torch.testing.assert_close(covariance, torch.diag(p) - torch.outer(p, p), atol=0.01, rtol=0)


def test_half_the_mean_square_is_a_small_divergence():
    logits, covariance = drawn("kl")
    change = 1e-2 * torch.randn(5, dtype=torch.float64)
    exact = F.kl_div((logits + change).log_softmax(-1), logits.softmax(-1), reduction="sum")
    assert float(change @ covariance @ change) / 2 == pytest.approx(float(exact), rel=0.05)


def test_the_same_dice_give_the_same_directions():
    one, two = (draw(torch.zeros(3, 2), "squared", torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, two)
