"""The mean squared error against labels that are numbers."""

import numpy as np
import pytest
import torch

from qdebug.errors import DataError
from qdebug.measure import Partition, Predictions, compare, predictions, subgroups
from qdebug.measure.compare import value
from qdebug.measure.versus import versus


def three():
    random = np.random.default_rng(0)
    labels = random.normal(size=(40, 2, 3)).astype(np.float32)
    close = labels + 0.1 * random.normal(size=labels.shape).astype(np.float32)
    far = labels + 0.5 * random.normal(size=labels.shape).astype(np.float32)
    return labels, close, far


def said(output, labels):
    return predictions("regression", torch.from_numpy(output), torch.from_numpy(labels))


def test_it_is_numpys_mean_of_squares():
    labels, close, far = three()
    metric = compare(said(close, labels), said(far, labels), "regression")
    wanted = [float(np.mean((one.astype(np.float64) - labels) ** 2)) for one in (close, far)]
    assert (metric.name, metric.higher_is_better, metric.n) == ("mse", False, 40)
    assert [metric.float_, metric.quantized] == pytest.approx(wanted, rel=1e-12)
    assert metric.delta == pytest.approx(wanted[1] - wanted[0], rel=1e-9)
    assert metric.ci95[0] < metric.delta < metric.ci95[1]
    assert value(said(close, labels), said(far, labels), "regression") == metric.quantized
    assert not metric.harmless


def test_the_interval_is_that_of_the_mean_over_samples():
    labels, close, far = three()
    change = ((far - labels).astype(np.float64) ** 2 - (close - labels).astype(np.float64) ** 2).mean((1, 2))
    half = 2.0227 * change.std(ddof=1) / np.sqrt(40)  # Student's t with 39 degrees of freedom
    found = compare(said(close, labels), said(far, labels), "regression").ci95
    assert found == pytest.approx((change.mean() - half, change.mean() + half), rel=0.02)


def test_batches_join_and_the_first_are_those_of_the_first():
    labels, close, _ = three()
    whole = said(close, labels)
    parts = Predictions.join([said(close[:16], labels[:16]), said(close[16:], labels[16:])])
    assert np.array_equal(parts.loss, whole.loss)
    assert np.array_equal(whole.first(16).loss, said(close[:16], labels[:16]).loss)


def test_what_is_no_number_is_as_wrong_as_a_zero():
    labels, close, _ = three()
    broken = close.copy()
    broken[3, 1, 2] = np.nan
    zero = close.copy()
    zero[3, 1, 2] = 0.0
    assert np.array_equal(said(broken, labels).loss, said(zero, labels).loss)
    assert said(broken, labels).broken == 1


def test_groups_have_their_own_error_and_their_outputs_sqnr():
    labels, close, far = three()
    of = np.arange(40) % 2
    mixed = np.where(of[:, None, None] == 1, far, close)
    rows = subgroups(said(close, labels), said(mixed, labels), "regression", [Partition("group", ("a", "b"), of)])
    wanted = [float(np.mean((mixed[of == part].astype(np.float64) - labels[of == part]) ** 2)) for part in (0, 1)]
    assert [row.quantized for row in rows] == pytest.approx(wanted)
    assert [row.significant for row in rows] == [False, True]
    error = (mixed - close)[of == 1].astype(np.float64)
    assert rows[1].output_db == pytest.approx(
        10 * np.log10((close[of == 1].astype(np.float64) ** 2).sum() / (error**2).sum())
    )


def test_two_recipes_are_compared_by_it():
    labels, close, far = three()
    found = versus(said(labels, labels), said(close, labels), said(far, labels), "regression")
    assert (found.name, found.higher_is_better) == ("mse", False)
    assert found.delta > 0
    assert found.p < 0.001
    assert found.lost + found.gained <= 40


def test_labels_of_another_shape_are_refused():
    labels, close, _ = three()
    with pytest.raises(DataError, match="do not fit"):
        said(close, labels[:, 0])
