"""How far distributions over tokens move, token by token, as llama.cpp counts it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax

from qdebug.measure.divergence import summed_up, token_divergences
from qdebug.session import open as open_model


def drawn(seed, shape=(3, 5, 7), noise=0.3):
    dice = np.random.default_rng(seed)
    before = dice.normal(size=shape).astype(np.float32)
    after = (before + noise * dice.normal(size=shape)).astype(np.float32)
    labels = dice.integers(0, shape[-1], shape[:-1])
    return before, after, labels


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), noise=st.sampled_from([0.0, 1e-3, 0.3, 5.0, 100.0]))
def test_each_token_s_divergence_is_that_of_its_softmax(seed, noise):
    before, after, labels = drawn(seed, noise=noise)
    labels[1, 2:] = -100
    each, same, targets = token_divergences(*map(torch.from_numpy, (before, after, labels)))
    wanted = rel_entr(softmax(before.astype(np.float64), -1), softmax(after.astype(np.float64), -1)).sum(-1)
    np.testing.assert_allclose(each, np.maximum(wanted[labels != -100], 0), rtol=1e-6, atol=1e-12)
    assert same.tolist() == (before.argmax(-1) == after.argmax(-1))[labels != -100].tolist()
    assert targets.tolist() == [5, 2, 5]


def test_summed_up_over_batches():
    parts, every = [], []
    for seed in range(40):
        before, after, labels = drawn(seed)
        labels[0, :] = -100  # a sequence without any target
        parts.append(token_divergences(*map(torch.from_numpy, (before, after, labels))))
        every.append(parts[-1][0])
    found, each = summed_up(parts), np.concatenate(every)
    assert found.tokens == len(each) == 40 * 10
    assert found.mean == pytest.approx(each.mean(), rel=1e-12)
    assert found.most == each.max()
    ordered = np.sort(each)
    assert found.p99 == ordered[int(np.ceil(0.99 * len(each))) - 1]
    assert found.median == ordered[len(each) // 2 - 1]
    assert found.ci95[0] < found.mean < found.ci95[1]
    sequences = np.array([part[0].reshape(2, 5).mean(1) for part in parts]).reshape(-1)
    half = 1.990 * sequences.std(ddof=1) / np.sqrt(len(sequences))  # Student's t of 79 degrees of freedom
    assert found.ci95[1] - found.mean == pytest.approx(half, rel=1e-3)


def test_what_cannot_happen_costs_nothing_and_what_is_no_number_costs_all():
    before = torch.tensor([[[0.0, -torch.inf, 1.0]]])
    labels = torch.zeros(1, 1, dtype=torch.int64)
    each, _, _ = token_divergences(before, torch.tensor([[[0.0, 3.0, 1.0]]]), labels)
    p, q = softmax([0.0, 1.0]), softmax([0.0, 3.0, 1.0])
    assert each[0] == pytest.approx(p[0] * np.log(p[0] / q[0]) + p[1] * np.log(p[1] / q[2]))
    each, _, _ = token_divergences(torch.zeros(1, 1, 3), torch.tensor([[[0.0, torch.nan, 1.0]]]), labels)
    assert each[0] == np.inf
    assert summed_up([token_divergences(torch.zeros(1, 1, 3), torch.full((1, 1, 3), torch.nan), labels)]).mean == np.inf


def test_an_evaluation_tells_it_of_language_models_alone():
    session = open_model("pydoc-gpt")
    found = session.evaluate("w4a16").divergence
    assert found is not None
    loss = session.score("w4a16").metric
    assert found.same_top1 == pytest.approx(loss.agreement)
    assert 0 < found.median < found.mean < found.p99 < found.most
    nothing = session.divergence("w32a32")
    assert nothing is not None
    assert (nothing.most, nothing.same_top1) == (0.0, 1.0)
    assert open_model("digits-mobilenet").evaluate("w8a8").divergence is None
