"""Tests of no change and their correction, against hand calculations, scipy and exact enumeration."""

import itertools

import numpy as np
import pytest
from scipy import stats

from qdebug.measure.significance import LEVEL, attainable, holm, mcnemar, paired_ratio


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (0, 1), (3, 9), (10, 10), (0, 54), (7, 2)])
def test_mcnemar_is_the_exact_sign_test(gained, lost):
    changed = gained + lost
    expected = stats.binomtest(gained, changed).pvalue if changed else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("changed", [0, 1, 2, 7, 12])
def test_attainable_values_are_all_that_mcnemar_gives(changed):
    expected = sorted({round(mcnemar(gained, changed - gained), 14) for gained in range(changed + 1)})
    assert attainable(changed) == pytest.approx(expected, rel=1e-9)


def test_holm_by_hand():
    # 4 × 0.01, then 3 × 0.02, 2 × 0.03 and 1 × 0.04, none smaller than the one before it
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.005, 0.2, 0.9]) == pytest.approx([0.015, 0.4, 0.9])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]).tolist() == []


def test_a_test_that_cannot_come_out_small_takes_nothing_from_the_others():
    # 8 of 8 samples lost: p = 2/256. The second test has two samples that changed: never below 0.5. The third has six:
    # 2/64 is the least it can give, which is larger than 2/256 too.
    p = [mcnemar(0, 8), mcnemar(1, 1), mcnemar(0, 6)]
    levels = [attainable(changed) for changed in (8, 2, 6)]
    first, second, third = holm(p, levels)
    assert first == pytest.approx(2 / 256)
    assert third == pytest.approx(2 / 64)  # the first is out; the second still gives nothing
    assert second == 1.0


def test_discrete_holm_is_never_worse_than_the_plain_one():
    rng = np.random.default_rng(0)
    for _ in range(50):
        changed = rng.integers(0, 20, 12)
        lost = rng.binomial(changed, 0.7)
        p = [mcnemar(int(many - few), int(few)) for many, few in zip(changed, lost, strict=True)]
        assert np.all(holm(p, [attainable(int(many)) for many in changed]) <= holm(p) + 1e-12)


def test_the_family_is_right_as_often_as_promised_by_exact_enumeration():
    """Three tests of nothing: how often any is called changed, over every outcome, given how many samples changed."""
    for changed in ((6, 7, 9), (8, 8, 8), (1, 5, 12), (10, 2, 2)):
        levels = [attainable(many) for many in changed]
        wrong = 0.0
        for lost in itertools.product(*(range(many + 1) for many in changed)):
            p = [mcnemar(many - few, few) for many, few in zip(changed, lost, strict=True)]
            if holm(p, levels).min() <= LEVEL:
                wrong += np.prod([stats.binom.pmf(few, many, 0.5) for many, few in zip(changed, lost, strict=True)])
        assert wrong <= LEVEL


def test_some_true_changes_do_not_let_chance_through():
    """Two groups that lost everything stand beside eight that only flip at random."""
    rng = np.random.default_rng(1)
    levels = [attainable(many) for many in [40, 40, *[12] * 8]]
    wrong = 0
    for _ in range(2000):
        lost = rng.binomial(12, 0.5, 8)
        p = [mcnemar(0, 40), mcnemar(0, 40), *(mcnemar(12 - int(few), int(few)) for few in lost)]
        adjusted = holm(p, levels)
        assert adjusted[:2].max() < 1e-9
        wrong += adjusted[2:].min() <= LEVEL
    assert wrong / 2000 <= LEVEL + 3 * (LEVEL * (1 - LEVEL) / 2000) ** 0.5


def test_paired_ratio_of_equal_weights_is_the_paired_t_test():
    change = np.array([0.3, -0.1, 0.4, 0.25, 0.6, 0.05, 0.1, 0.3, 0.2, 0.15])
    assert paired_ratio(change, np.ones(10)) == pytest.approx(stats.ttest_1samp(change, 0).pvalue, rel=1e-9)


def test_few_samples_that_agree_prove_no_more_than_the_sign_test():
    assert paired_ratio(np.full(3, 0.1), np.ones(3)) == 0.25
    assert paired_ratio(np.full(1, 0.1), np.ones(1)) == 1.0
    assert paired_ratio(np.zeros(9), np.ones(9)) == 1.0


def test_paired_ratio_is_wrong_as_often_as_it_says():
    """Images of unequal size whose pixels change together, and change nothing on average."""
    rng = np.random.default_rng(2)
    weight = rng.integers(50, 400, (2000, 25)).astype(float)
    change = weight * rng.normal(0, 0.05, weight.shape)
    found = np.array([paired_ratio(*pair) for pair in zip(change, weight, strict=True)])
    assert np.mean(found <= 0.05) == pytest.approx(0.05, abs=0.02)
