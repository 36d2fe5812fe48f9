import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from qdebug.errors import DataError
from qdebug.measure import Predictions, predictions


def test_classification():
    output, labels = torch.randn(20, 5), torch.randint(5, (20,))
    got = predictions("classification", output, labels)
    assert (got.top1 == output.argmax(1).numpy()).all()
    assert (got.correct == (output.argmax(1) == labels).numpy()).all()
    assert (got.samples, got.broken, got.loss, got.values) == (20, 0, None, None)
    assert predictions("classification", output).correct is None


def test_language_model():
    output, labels = torch.randn(4, 6, 11), torch.randint(11, (4, 6))
    labels[1, 2:] = -100
    labels[3] = -100
    got = predictions("language-model", output, labels)
    loss = F.cross_entropy(output.double().transpose(1, 2), labels, ignore_index=-100, reduction="none").sum(1)
    assert got.loss == pytest.approx(loss.numpy(), rel=1e-6)
    assert got.targets.tolist() == [6, 2, 6, 0]
    assert len(got.top1) == len(got.correct) == 14
    assert got.correct.sum() == ((output.argmax(-1) == labels) & (labels >= 0)).sum()
    free = predictions("language-model", output)
    assert (len(free.top1), free.correct, free.loss) == (24, None, None)


def test_unlabelled():
    for shape, count in (((6, 3), 6), ((6, 4, 3), 24)):
        assert len(predictions("unlabelled", torch.randn(shape)).top1) == count
    for shape in ((6, 1), (6,), (6, 2, 3, 4)):
        output = torch.randn(shape)
        got = predictions("unlabelled", output)
        assert got.top1 is None
        assert torch.equal(torch.from_numpy(got.values), output)


@pytest.mark.parametrize("last", [False, True])
def test_segmentation(last):
    output, labels = torch.randn(4, 5, 6, 7), torch.randint(5, (4, 6, 7))
    labels[1, 2:], labels[3], labels[0, 0, 0] = -100, 255, 255
    top1, target = output.argmax(1), (labels >= 0) & (labels < 5)
    got = predictions("segmentation", output.movedim(1, -1) if last else output, labels)
    assert got.targets.tolist() == [41, 14, 42, 0]
    assert (got.top1 == top1[target].numpy()).all()
    assert (got.correct == (top1 == labels)[target].numpy()).all()
    assert (got.samples, got.broken, got.loss, got.values) == (4, 0, None, None)


def test_255_is_a_class_where_there_are_so_many():
    output, labels = torch.zeros(1, 300, 2, 2), torch.full((1, 2, 2), 255)
    output[:, 255] = 1.0
    got = predictions("segmentation", output, labels)
    assert got.top1.tolist() == [255] * 4
    assert got.correct.all()


def test_a_pixel_of_few_classes_takes_a_byte():
    got = predictions("segmentation", torch.randn(2, 21, 32, 32), torch.randint(21, (2, 32, 32)))
    assert got.top1.nbytes == got.correct.nbytes == 2 * 32 * 32


@pytest.mark.parametrize("task", ["classification", "language-model", "segmentation", "unlabelled"])
def test_batches_join(task):
    shape = {
        "classification": (9, 4),
        "language-model": (9, 5, 4),
        "segmentation": (9, 3, 5, 4),
        "unlabelled": (9, 2, 2, 2),
    }[task]
    output = torch.randn(shape)
    labels = None if task == "unlabelled" else torch.randint(4, shape[:-1])
    whole = predictions(task, output, labels)
    cuts = [4, 3, 2]
    pairs = zip(output.split(cuts), labels.split(cuts) if labels is not None else [None] * 3, strict=True)
    joined = Predictions.join([predictions(task, *pair) for pair in pairs])
    for name in ("top1", "correct", "loss", "targets", "values"):
        one, two = getattr(whole, name), getattr(joined, name)
        assert (one is None and two is None) or np.allclose(one, two, rtol=1e-12)
    assert (joined.samples, joined.task) == (9, task)
    assert joined.nbytes == whole.nbytes > 0


def test_nothing_to_join():
    with pytest.raises(DataError, match="nothing to evaluate"):
        Predictions.join([])


def test_nan_is_wrong_and_counted():
    output, labels = torch.randn(5, 3), torch.zeros(5, dtype=torch.long)
    output[:, 0] = 10.0
    output[2, 1] = math.nan
    got = predictions("classification", output, labels)
    assert got.top1.tolist() == [0, 0, -1, 0, 0]
    assert got.correct.tolist() == [True, True, False, True, True]
    assert got.broken == 1
    tokens = torch.zeros(2, 3, 4)
    tokens[0, 1] = math.nan
    tokens[1, 0, 0] = math.inf
    got = predictions("language-model", tokens, torch.ones(2, 3, dtype=torch.long))
    assert np.isfinite(got.loss).all()
    assert got.loss.min() > 80, "as bad as float32 can say"
    assert got.broken == 1
    assert predictions("unlabelled", torch.full((2, 1), math.nan)).broken == 2


@pytest.mark.parametrize(
    ("task", "output", "labels", "text"),
    [
        ("classification", torch.zeros(4, 3, 2), None, r"no class scores.*shape \[4, 3, 2\]"),
        ("language-model", torch.zeros(4, 3), None, r"no class scores"),
        ("classification", torch.zeros(4, 3), torch.zeros(5, dtype=torch.long), r"do not fit.*shape \[5\].*\[4\]"),
        ("classification", torch.zeros(4, 3), torch.zeros(4), r"no class indices.*float32"),
        ("classification", torch.zeros(4, 3), torch.tensor([0, 1, 2, 3]), r"A label is 3\. .*3 classes"),
        ("classification", torch.zeros(2, 3), torch.tensor([0, -1]), r"A label is -1"),
        ("classification", torch.zeros(2, 3), torch.tensor([0, -100]), r"A label is -100"),
        ("language-model", torch.zeros(1, 2, 3), torch.tensor([[0, -2]]), r"A label is -2"),
        ("segmentation", torch.zeros(1, 2, 3, 3), torch.full((1, 3, 3), 2), r"A label is 2\. .*2 classes"),
        ("segmentation", torch.zeros(1, 1, 3, 3), torch.zeros(1, 3, 3).long(), r"no class scores.*\[N, C, H, W\]"),
    ],
)
def test_data_that_do_not_fit(task, output, labels, text):
    with pytest.raises(DataError, match=text):
        predictions(task, output, labels)
