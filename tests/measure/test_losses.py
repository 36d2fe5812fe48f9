"""What a changed output costs, held against float64 by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from qdebug.errors import UsageError
from qdebug.measure.losses import Loss
from qdebug.results.sensitivity import Measure


def drawn(*shape):
    torch.manual_seed(0)
    before = torch.randn(shape) * 3
    return before, before + 0.1 * torch.randn(shape)


def by_hand(measure: Measure, before, after, labels):
    """Of one place: plain loops over classes."""
    p, q = (np.exp(one - one.max()) / np.exp(one - one.max()).sum() for one in (before, after))
    if measure == "kl":
        return float((p * np.log(p / q)).sum())
    return float(np.log(p[labels]) - np.log(q[labels]))


@pytest.mark.parametrize("measure", ["kl", "loss"])
def test_of_a_class_for_each_sample(measure):
    before, after = drawn(6, 5)
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    found = Loss.of(measure, "classification", (6, 5), labels).changes(before, after, labels)
    one, two = before.double().numpy(), after.double().numpy()
    assert found == pytest.approx([by_hand(measure, one[i], two[i], int(labels[i])) for i in range(6)], rel=1e-9)


@pytest.mark.parametrize("measure", ["kl", "loss"])
def test_the_mean_over_samples_is_that_over_targets(measure):
    before, after = drawn(2, 4, 5)
    labels = torch.tensor([[1, 2, -100, -100], [0, 4, 3, -100]])
    found = Loss.of(measure, "language-model", (2, 4, 5), labels).changes(before, after, labels)
    one, two = before.double().numpy(), after.double().numpy()
    places = [
        by_hand(measure, one[i, j], two[i, j], int(labels[i, j]))
        for i in range(2) for j in range(4) if labels[i, j] >= 0
    ]  # fmt: skip
    assert found.mean() == pytest.approx(np.mean(places), rel=1e-9)


def test_pixels_have_their_classes_in_the_second_axis():
    before, after = drawn(2, 3, 2, 2)
    labels = torch.tensor([[[0, 1], [2, 255]], [[1, 1], [255, 255]]])
    found = Loss.of("loss", "segmentation", (2, 3, 2, 2), labels).changes(before, after, labels)
    losses = [F.cross_entropy(z.double(), labels.masked_fill(labels == 255, -100)) for z in (before, after)]
    assert found.mean() == pytest.approx(float(losses[1] - losses[0]), rel=1e-9)


def test_the_slope_is_the_loss_s_gradient():
    labels = torch.tensor([[1, 2, -100], [0, -100, -100]])
    scores = drawn(2, 3, 5)[0].double().requires_grad_()
    F.cross_entropy(scores.transpose(1, 2), labels).backward()
    found = Loss.of("loss", "language-model", (2, 3, 5), labels).slope(scores.detach(), labels)
    torch.testing.assert_close(found / 2, scores.grad, rtol=1e-5, atol=1e-7)  # the mean of two samples


def test_a_certain_class_costs_nothing_and_a_lost_one_costs_a_number():
    labels = torch.tensor([0])
    before, after = torch.tensor([[200.0, 0.0]]), torch.tensor([[torch.inf, 0.0]])
    assert Loss.of("kl", "classification", (1, 2), labels).changes(before, before, labels) == [0.0]
    assert np.isfinite(Loss.of("loss", "classification", (1, 2), labels).changes(before, after, labels)).all()


def test_an_output_that_is_not_known_to_be_scores_is_refused_by_name():
    for measure in ("kl", "loss"):
        with pytest.raises(UsageError, match="'embedding'") as caught:
            Loss.of(measure, "unlabelled", (4, 384), None, "embedding")
        assert "--measure squared" in str(caught.value)
    assert Loss.of("squared", "unlabelled", (4, 384), None).measure == "squared"


def test_probabilities_are_refused():
    labels = torch.tensor([0, 1])
    probabilities = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    with pytest.raises(UsageError, match="probabilities"):
        Loss.of("kl", "classification", (2, 2), labels).changes(probabilities, probabilities, labels)
