import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.measure import Predictions, compare, predictions
from qdebug.measure.compare import value


def scores(classes, of=4):
    """Class scores that say these classes."""
    return torch.nn.functional.one_hot(torch.as_tensor(classes), of).float()


def accuracy(before, after, labels):
    labels = torch.as_tensor(labels)
    pair = (predictions("classification", scores(said), labels) for said in (before, after))
    return compare(*pair, "classification")


def test_accuracy_by_hand():
    metric = accuracy([0, 1, 2, 3, 0], [0, 1, 0, 0, 1], [0, 1, 2, 2, 1])
    assert (metric.name, metric.higher_is_better) == ("accuracy", True)
    assert (metric.float_, metric.quantized) == (pytest.approx(3 / 5), pytest.approx(3 / 5))
    assert metric.delta == 0
    assert (metric.flips, metric.n, metric.predictions) == (3, 5, 5)
    assert metric.agreement == pytest.approx(2 / 5)
    # one gained and one lost of 5, one added to each: 0 ± z · sqrt((2/7 + 2/7) / 7)
    assert metric.ci95 == pytest.approx((-1.959964 * 2 / 7, 1.959964 * 2 / 7), rel=1e-6)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=40))
def test_accuracy_is_consistent(rows):
    metric = accuracy(*zip(*rows, strict=True))
    assert metric.delta == pytest.approx(metric.quantized - metric.float_)
    assert -1 <= metric.ci95[0] <= metric.delta <= metric.ci95[1] <= 1
    assert 0 <= metric.quantized_ci95[0] <= metric.quantized <= metric.quantized_ci95[1] <= 1
    assert abs(metric.delta) <= metric.flips / metric.n + 1e-12
    assert metric.agreement == pytest.approx(1 - metric.flips / metric.predictions)


def test_agreement_without_labels():
    one, two = (predictions("classification", scores(said)) for said in ([0, 1, 2, 3], [0, 1, 2, 0]))
    metric = compare(one, two, "classification")
    assert (metric.name, metric.float_, metric.quantized, metric.delta) == ("agreement", 1.0, 0.75, -0.25)
    assert metric.ci95[0] == pytest.approx(metric.quantized_ci95[0] - 1)
    assert metric.ci95[0] < metric.delta < metric.ci95[1] < 0


def sequences(losses, targets):
    """Predictions of a language model with these log-losses per sequence."""
    count = int(np.sum(targets))
    return Predictions(
        "language-model", np.zeros(count, np.int64), np.zeros(count, bool), np.array(losses, float), np.array(targets),
        None, len(losses), 0,
    )  # fmt: skip


def test_perplexity_by_hand():
    """Two tokens out of four equally likely classes, and two out of two."""
    output = torch.full((2, 2, 4), 0.0)
    output[1, :, 2:] = -1e4
    labels = torch.tensor([[0, 3], [1, 0]])
    worse = torch.zeros(2, 2, 4)
    one, two = (predictions("language-model", out, labels) for out in (output, worse))
    metric = compare(one, two, "language-model")
    assert metric.name == "perplexity"
    assert not metric.higher_is_better
    assert metric.float_ == pytest.approx(math.sqrt(4 * 2), rel=1e-6)
    assert metric.quantized == pytest.approx(4.0, rel=1e-6)
    assert metric.delta == pytest.approx(4 - math.sqrt(8), rel=1e-6)
    assert metric.ci95[0] < metric.delta < metric.ci95[1]
    assert (metric.n, metric.predictions) == (2, 4)


def test_perplexity_interval_by_hand():
    """Three sequences of equal length: the t-interval of the mean paired difference, mapped by exp."""
    before, after, tokens = [20.0, 22.0, 21.0], [21.0, 24.0, 21.6], [10, 10, 10]
    metric = compare(sequences(before, tokens), sequences(after, tokens), "language-model")
    difference = (np.array(after) - before) / 10
    half = 4.302652729749464 * difference.std(ddof=1) / math.sqrt(3)
    base = math.exp(2.1)
    expected = [base * math.exp(difference.mean() + sign * half) - base for sign in (-1, 1)]
    assert metric.ci95 == pytest.approx(expected, rel=1e-9)


def test_perplexity_without_a_difference():
    metric = compare(*[sequences([20.0, 33.0, 21.0], [10, 12, 9])] * 2, "language-model")
    assert metric.delta == 0
    assert metric.ci95 == pytest.approx((0.0, 0.0), abs=1e-9)
    assert metric.quantized_ci95[0] < metric.quantized < metric.quantized_ci95[1]


def test_perplexity_stays_a_number():
    ruined = compare(sequences([20.0, 21.0], [10, 10]), sequences([9e3, 8e3], [10, 10]), "language-model")
    assert ruined.quantized == sys.float_info.max
    single = compare(sequences([20.0], [10]), sequences([25.0], [10]), "language-model")
    assert single.quantized == pytest.approx(math.exp(2.5))
    assert single.quantized_ci95 == (1.0, sys.float_info.max), "one sequence says nothing about the next"
    nothing = compare(sequences([0.0], [0]), sequences([0.0], [0]), "language-model")
    for metric in (ruined, single, nothing):
        numbers = (metric.float_, metric.quantized, metric.delta, *metric.ci95, *metric.quantized_ci95)
        assert all(math.isfinite(number) for number in numbers)


def test_perplexity_ignores_sequences_without_targets():
    one = compare(
        sequences([20.0, 0.0, 21.0], [10, 0, 10]), sequences([22.0, 0.0, 21.5], [10, 0, 10]), "language-model"
    )
    two = compare(sequences([20.0, 21.0], [10, 10]), sequences([22.0, 21.5], [10, 10]), "language-model")
    assert (one.quantized, one.ci95) == (two.quantized, two.ci95)


def test_sqnr_of_outputs_that_are_no_class_scores():
    y = torch.randn(50, 3, 4, 4)
    yq = y + 0.01 * torch.randn(50, 3, 4, 4)
    metric = compare(predictions("unlabelled", y), predictions("unlabelled", yq), "unlabelled")
    exact = 20 * math.log10(y.double().norm() / (yq.double() - y.double()).norm())
    assert (metric.name, metric.higher_is_better) == ("sqnr_db", True)
    assert metric.quantized == pytest.approx(exact, rel=1e-6)
    assert metric.quantized_ci95[0] < metric.quantized < metric.quantized_ci95[1]
    assert metric.delta == pytest.approx(metric.quantized - metric.float_)
    assert metric.quantized_ci95[1] - metric.quantized_ci95[0] < 1


def test_sqnr_of_the_same_and_of_ruins():
    y = torch.randn(5, 1)
    same = compare(predictions("unlabelled", y), predictions("unlabelled", y), "unlabelled")
    assert (same.quantized, same.delta) == (same.float_, 0.0)
    cases = [(y, torch.full((5, 1), math.nan)), (torch.zeros(5, 1), y), (y[:1], y[:1] * 2), (y * 1e-30, y * 1e30)]
    for before, after in cases:
        metric = compare(predictions("unlabelled", before), predictions("unlabelled", after), "unlabelled")
        numbers = (metric.float_, metric.quantized, metric.delta, *metric.ci95, *metric.quantized_ci95)
        assert all(math.isfinite(number) for number in numbers)
        assert metric.quantized < 1


def test_different_samples_are_not_compared():
    with pytest.raises(ValueError, match="3 samples against 2"):
        compare(predictions("classification", scores([0, 1])), predictions("classification", scores([0, 1, 2])), "x")


def segmented(right, pixels):
    """Predictions of images of which so many target pixels are right."""
    correct = np.concatenate([np.arange(many) < hits for hits, many in zip(right, pixels, strict=True)])
    return Predictions(
        "segmentation", correct.astype(np.int8), correct, None, np.array(pixels), None, len(pixels), 0
    )  # fmt: skip


def test_pixel_accuracy_by_hand():
    metric = compare(segmented([8, 3, 0], [10, 4, 0]), segmented([6, 4, 0], [10, 4, 0]), "segmentation")
    assert (metric.name, metric.n, metric.predictions, metric.flips) == ("pixel_accuracy", 3, 14, 3)
    assert (metric.counted, metric.higher_is_better) == ("pixels", True)
    assert (metric.float_, metric.quantized) == (pytest.approx(11 / 14), pytest.approx(10 / 14))
    assert metric.delta == pytest.approx(-1 / 14)
    # two images with targets: the residuals of -2 of 10 and 1 of 4 are -/+ 9/7; t of one degree of freedom is 12.7
    half = 12.7062 * math.sqrt(2 * 2 * (9 / 7) ** 2) / 14
    assert metric.ci95 == pytest.approx((max(-1, -1 / 14 - half), min(1, -1 / 14 + half)), rel=1e-4)


def test_pixels_of_one_image_are_one_sample():
    """Ten times the pixels of the same images tell no more; ten times the images do."""
    dice = np.random.default_rng(0)
    before, lost = dice.integers(60, 90, 12), dice.integers(0, 20, 12)

    def width(images, pixels):
        one, two = (segmented(np.tile(hits, images) * pixels, [100 * pixels] * 12 * images)
                    for hits in (before, before - lost))  # fmt: skip
        low, high = compare(one, two, "segmentation").ci95
        return high - low

    assert width(1, 10) == pytest.approx(width(1, 1))
    assert width(10, 1) < width(1, 1) / 3


def test_the_interval_of_pixels_holds_the_truth():
    """Images differ: an interval over pixels would hold the true change in less than half of the cases."""
    dice, held = np.random.default_rng(1), 0
    for _ in range(400):
        lost = dice.choice([0, 20], 30)  # of 100 pixels each, 10 in the mean
        one, two = segmented([80] * 30, [100] * 30), segmented(80 - lost, [100] * 30)
        low, high = compare(one, two, "segmentation").ci95
        held += low <= -0.1 <= high
    assert 0.92 <= held / 400 <= 0.98


def test_one_image_tells_nothing_of_others():
    metric = compare(segmented([80], [100]), segmented([70], [100]), "segmentation")
    assert (metric.delta, metric.ci95) == (pytest.approx(-0.1), (-1.0, 1.0))
    nothing = compare(segmented([0], [0]), segmented([0], [0]), "segmentation")
    assert (nothing.delta, nothing.flips, nothing.predictions) == (0, 0, 0)


@pytest.mark.parametrize(
    ("task", "shape", "labels"),
    [
        ("classification", (6, 4), (6,)), ("language-model", (6, 5, 4), (6, 5)),
        ("segmentation", (6, 4, 3, 3), (6, 3, 3)), ("unlabelled", (6, 4), None), ("unlabelled", (6, 4, 3, 3), None),
    ],
)  # fmt: skip
def test_the_value_alone_is_the_same_to_the_last_bit(task, shape, labels):
    dice = torch.Generator().manual_seed(0)
    truth = None if labels is None else torch.randint(0, 4, labels, generator=dice)
    before = torch.randn(shape, generator=dice)
    for noise in (0.0, 0.5, 100.0):
        after = before + noise * torch.randn(shape, generator=dice)
        one, two = predictions(task, before, truth), predictions(task, after, truth)
        assert value(one, two, task) == compare(one, two, task).quantized
