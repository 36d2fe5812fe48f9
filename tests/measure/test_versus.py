"""Two models against each other: by hand where a hand can, by what must hold for any data elsewhere."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from qdebug.measure import Partition, compare, predictions, versus, versus_groups
from qdebug.measure.intervals import paired_difference


def answers(classes, labels=None, count=4):
    """Predictions of the given classes, by scores that have nothing else in them."""
    scores = torch.nn.functional.one_hot(torch.tensor(classes), count).float()
    return predictions("unlabelled" if labels is None else "classification", scores, labels)


def outputs(values):
    return predictions("unlabelled", torch.tensor(values, dtype=torch.float32).unsqueeze(1).unsqueeze(1).unsqueeze(1))


def test_by_hand_with_labels():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    float_ = answers([0, 0, 0, 0, 1, 1, 1, 1], labels)
    one = answers([0, 0, 0, 2, 1, 1, 1, 0], labels)  # 6 of 8
    two = answers([0, 0, 1, 3, 0, 0, 1, 1], labels)  # 4 of 8: lost 3, gained 1, one wrong in both and differently
    found = versus(float_, one, two, "classification")
    assert (found.name, found.a, found.b, found.delta) == ("accuracy", 0.75, 0.5, -0.25)
    assert (found.lost, found.gained, found.changed, found.predictions, found.n) == (3, 1, 5, 8, 8)
    assert found.ci95 == paired_difference(1, 3, 8)
    assert found.p == pytest.approx(binomtest(1, 4).pvalue)
    assert found.gain == -0.25


classes = st.integers(0, 3)


@given(st.lists(st.tuples(classes, classes, classes, classes), min_size=2, max_size=40), st.booleans())
def test_swapping_the_sides_swaps_the_answer(rows, labelled):
    target, base, a, b = map(list, zip(*rows, strict=True))
    labels = torch.tensor(target) if labelled else None
    float_, one, two = (answers(side, labels) for side in (base, a, b))
    task = "classification" if labelled else "unlabelled"
    there, back = versus(float_, one, two, task), versus(float_, two, one, task)
    right = np.array(target if labelled else base)
    assert there.delta == pytest.approx(((np.array(b) == right).sum() - (np.array(a) == right).sum()) / len(rows))
    assert there.delta == pytest.approx(-back.delta)
    assert (there.a, there.lost, there.changed) == (back.b, back.gained, back.changed)
    assert there.ci95 == pytest.approx((-back.ci95[1], -back.ci95[0]))
    assert there.p == back.p
    assert there.ci95[0] <= there.ci95[1]
    same = versus(float_, one, one, task)
    assert (same.delta, same.changed, same.lost, same.gained) == (0, 0, 0, 0)
    assert same.p in (1.0, None)


@given(st.lists(st.tuples(classes, classes), min_size=2, max_size=40))
def test_against_the_float_model_it_is_the_score(rows):
    base, quantized = map(list, zip(*rows, strict=True))
    float_, two = answers(base), answers(quantized)
    found, score = versus(float_, float_, two, "unlabelled"), compare(float_, two, "unlabelled")
    assert (found.name, found.b, found.changed) == (score.name, pytest.approx(score.quantized), score.flips)
    assert found.delta == pytest.approx(score.delta)
    assert found.p is None
    if found.changed:  # of two that agree in all nobody can tell which is the float model
        assert found.ci95 == pytest.approx(score.ci95)
    labels = torch.tensor(base[::-1])
    float_, two = answers(base, labels), answers(quantized, labels)
    found, score = versus(float_, float_, two, "classification"), compare(float_, two, "classification")
    assert (found.a, found.b, found.ci95) == (score.float_, score.quantized, score.ci95)


def test_tokens_without_labels_are_clusters_of_their_sequence():
    generator = torch.Generator().manual_seed(0)
    base = torch.randint(0, 4, (12, 6), generator=generator)
    worse = base.clone()
    worse[:6, :3] = (worse[:6, :3] + 1) % 4
    sides = [
        predictions("unlabelled", torch.nn.functional.one_hot(side, 4).float())
        for side in (base, (base + torch.eye(12, 6).long()) % 4, worse)
    ]
    found = versus(*sides, "unlabelled")
    assert found.name == "agreement"
    assert found.predictions == 72
    assert (found.a, found.b) == (pytest.approx(66 / 72), pytest.approx(54 / 72))
    before, after = np.array([1] * 6 + [0] * 6) / 6, np.array([3] * 6 + [0] * 6) / 6
    change = before - after
    half = 2.2009851600829 * change.std(ddof=1) / math.sqrt(12)  # Student's t for 11 degrees of freedom
    assert found.ci95 == pytest.approx((change.mean() - half, change.mean() + half))


def test_outputs_are_compared_by_the_energy_of_their_errors():
    float_, one, two = outputs([1.0, 2.0, 4.0, -3.0]), outputs([1.1, 2.0, 4.2, -3.0]), outputs([1.2, 2.1, 4.4, -3.1])
    found = versus(float_, one, two, "unlabelled")
    error_a, error_b = 0.1**2 + 0.2**2, 0.2**2 + 0.1**2 + 0.4**2 + 0.1**2
    assert found.name == "sqnr_db"
    assert found.delta == pytest.approx(-10 * math.log10(error_b / error_a), abs=1e-4)
    assert found.delta == pytest.approx(found.b - found.a)
    assert (found.lost, found.gained, found.changed) == (4, 0, 4)
    assert found.ci95[0] < found.delta < found.ci95[1]
    back = versus(float_, two, one, "unlabelled")
    assert back.delta == pytest.approx(-found.delta)
    exact = versus(float_, float_, two, "unlabelled")
    assert exact.ci95 == compare(float_, two, "unlabelled").ci95
    assert exact.p is None
    mirrored = versus(float_, two, float_, "unlabelled")
    assert (mirrored.delta, mirrored.ci95) == (-exact.delta, (-exact.ci95[1], -exact.ci95[0]))


def test_groups_are_corrected_together():
    labels = torch.zeros(80, dtype=torch.long)
    one = answers([0] * 80, labels)
    two = answers([1] * 9 + [0] * 31 + [1] + [0] * 39, labels)  # nine lost in the first half, one in the second
    partition = Partition("group", ("first", "second"), np.repeat([0, 1], 40))
    first, second = versus_groups(one, one, two, "classification", [partition])
    assert (first.called, first.difference.lost, second.difference.lost) == ("group first", 9, 1)
    assert first.difference.p == pytest.approx(2 * 0.5**9)  # one that changed can give no p below 1: it takes nothing
    assert (first.significant, second.significant, second.difference.p) == (True, False, 1.0)
    assert first.difference.delta == -9 / 40


def test_groups_without_labels_against_float_have_no_test():
    one, two = answers([0] * 8), answers([1] * 3 + [0] * 5)
    rows = versus_groups(one, one, two, "unlabelled", [Partition("group", ("a", "b"), np.repeat([0, 1], 4))])
    assert [(row.difference.p, row.significant, row.difference.changed) for row in rows] == [
        (None, False, 3), (None, False, 0),
    ]  # fmt: skip
    other = answers([0, 0, 0, 0, 0, 0, 0, 1])
    rows = versus_groups(one, other, two, "unlabelled", [Partition("group", ("a", "b"), np.repeat([0, 1], 4))])
    assert rows[0].difference.p is None, "there A agrees in all"
    assert rows[1].difference.p is None, "and there B does"


def test_samples_must_be_the_same():
    with pytest.raises(ValueError, match="samples against"):
        versus(answers([0, 1]), answers([0, 1]), answers([0]), "unlabelled")
