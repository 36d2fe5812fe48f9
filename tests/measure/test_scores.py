"""Squared errors, top-k and one's own scores, held against NumPy and SciPy in float64."""

import numpy as np
import pytest
import torch
from scipy import stats

from qdebug.errors import DataError
from qdebug.measure import Partition, Predictions, compare, predictions, subgroups, versus
from qdebug.measure.compare import value
from qdebug.measure.scores import MSE, WORST_ERROR, Named, scored, squared_errors

RNG = np.random.default_rng(5)


def regressed(output: np.ndarray, target: np.ndarray) -> Predictions:
    given = torch.from_numpy(output)
    return scored(predictions("signal", given), squared_errors(given, torch.from_numpy(target)), MSE)


def three() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    target = RNG.normal(size=(40, 3, 5)).astype(np.float32)
    near = target + RNG.normal(size=target.shape).astype(np.float32) / 10
    return target, near, near + RNG.normal(size=target.shape).astype(np.float32) / 8


def test_the_squared_error_to_targets_is_that_of_float64_with_students_paired_interval() -> None:
    target, float_, quantized = three()
    found = compare(regressed(float_, target), regressed(quantized, target), "signal")
    before, after = (
        np.square(one.astype(np.float64) - target.astype(np.float64)).reshape(40, -1).mean(1)
        for one in (float_, quantized)
    )
    assert (found.name, found.higher_is_better, found.n) == ("mse", False, 40)
    assert found.float_ == pytest.approx(before.mean(), rel=1e-12)
    assert found.quantized == pytest.approx(after.mean(), rel=1e-12)
    paired, alone = stats.ttest_rel(after, before), stats.ttest_1samp(after, 0.0)
    low, high = paired.confidence_interval()
    assert found.ci95 == pytest.approx((low, high), rel=1e-9)
    low, high = alone.confidence_interval()
    assert found.quantized_ci95 == pytest.approx((low, high), rel=1e-9)
    assert value(regressed(float_, target), regressed(quantized, target), "signal") == found.quantized


def test_without_targets_the_error_is_to_the_float_output_and_its_power_says_what_is_small() -> None:
    _, float_, quantized = three()
    one, two = (predictions("drift", torch.from_numpy(array)) for array in (float_, quantized))
    found = compare(one, two, "drift")
    exact = np.square(quantized.astype(np.float64) - float_.astype(np.float64)).mean()
    assert (found.name, found.float_, found.higher_is_better) == ("mse_to_float", 0.0, False)
    assert found.quantized == pytest.approx(exact, rel=1e-12) == value(one, two, "drift")
    assert found.power == pytest.approx(np.square(float_.astype(np.float64)).mean(), rel=1e-12)
    assert not found.harmless and compare(one, one, "drift").harmless
    assert found.loss == pytest.approx(found.quantized / found.power)


def test_an_output_that_is_no_number_counts_as_the_worst_error() -> None:
    output = torch.ones(3, 2)
    output[1, 0] = torch.nan
    output[2, 1] = torch.inf
    assert squared_errors(output, torch.zeros(3, 2)).tolist() == [1.0, WORST_ERROR, WORST_ERROR]


def test_targets_of_another_shape_are_an_error_that_says_both() -> None:
    with pytest.raises(DataError, match=r"shape \[2, 3\]\)\. They must be \[2, 4\]"):
        squared_errors(torch.zeros(2, 4), torch.zeros(2, 3))


@pytest.mark.parametrize("top", [1, 2, 5])
def test_the_top_k_counts_a_label_among_the_k_highest_scores(top: int) -> None:
    scores = RNG.normal(size=(200, 10)).astype(np.float32)
    labels = RNG.integers(0, 10, 200)
    found = predictions("classification", torch.from_numpy(scores), torch.from_numpy(labels), top)
    rank = (-scores).argsort(1).argsort(1)[np.arange(200), labels]
    assert np.array_equal(np.asarray(found.correct), rank < top)


def test_a_label_that_ties_for_the_last_place_is_out_and_a_nan_is_never_right() -> None:
    output = torch.tensor([[2.0, 1.0, 1.0, 0.0], [torch.nan, 1.0, 3.0, 0.0]])
    found = predictions("classification", output, torch.tensor([1, 2]), 2)
    assert np.asarray(found.correct).tolist() == [False, False]
    assert np.asarray(predictions("classification", output, torch.tensor([1, 2]), 3).correct).tolist() == [True, False]


def test_pixels_and_tokens_are_counted_by_their_top_k_too() -> None:
    scores = RNG.normal(size=(4, 6, 3, 3)).astype(np.float32)
    labels = RNG.integers(0, 6, (4, 3, 3))
    labels[0, 0, 0] = -100
    found = predictions("segmentation", torch.from_numpy(scores), torch.from_numpy(labels), 2)
    rank = (-scores).argsort(1).argsort(1)
    right = np.take_along_axis(rank, np.maximum(labels, 0)[:, None], 1)[:, 0] < 2
    assert np.array_equal(np.asarray(found.correct), right[labels >= 0])
    tokens = predictions(
        "language-model", torch.from_numpy(scores.reshape(4, 6, 9).swapaxes(1, 2)),
        torch.from_numpy(labels.reshape(4, 9)), 2,
    )  # fmt: skip
    assert np.array_equal(np.asarray(tokens.correct), right.reshape(4, 9)[labels.reshape(4, 9) >= 0])


def test_two_models_are_compared_by_their_own_scores_and_subgroups_are_tested() -> None:
    target, a, b = three()
    one, two = regressed(a, target), regressed(b, target)
    found = versus(one, one, two, "signal")
    before, after = np.asarray(one.scores), np.asarray(two.scores)
    assert (found.lost, found.gained) == (int((after > before).sum()), int((after < before).sum()))
    assert found.changed == found.predictions == 40
    least = 2.0**-39  # what 40 samples that all went one way prove
    assert found.p == pytest.approx(max(stats.ttest_rel(after, before).pvalue, least)) and found.gain < 0
    group = np.arange(40) % 2
    rows = subgroups(one, two, "signal", [Partition("group", ("even", "odd"), group)])
    assert [row.quantized for row in rows] == pytest.approx([after[group == part].mean() for part in (0, 1)])
    assert all(row.p is not None for row in rows)


def test_parts_and_first_samples_keep_their_scores() -> None:
    target, a, _ = three()
    whole = regressed(a, target)
    joined = Predictions.join([regressed(a[:25], target[:25]), regressed(a[25:], target[25:])])
    assert np.array_equal(np.asarray(joined.scores), np.asarray(whole.scores)) and joined.metric == MSE
    assert np.array_equal(np.asarray(whole.first(7).scores), np.asarray(whole.scores)[:7])


def test_flips_beside_scores_are_changed_classes() -> None:
    output = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    named = Named("margin", unit="nats")
    one = scored(predictions("classification", output, torch.tensor([0, 0])), np.array([1.0, -1.0]), named)
    two = scored(predictions("classification", -output, torch.tensor([0, 0])), np.array([-1.0, 1.0]), named)
    found = compare(one, two, "classification")
    assert (found.name, found.unit, found.flips, found.predictions, found.agreement) == ("margin", "nats", 2, 2, 0.0)
    assert found.higher_is_better and found.delta == 0.0
