"""The metric by class and group: each row is that of its own samples, and losses are told from chance."""

import msgspec
import numpy as np
import pytest
import torch

from qdebug.measure import Partition, compare, predictions, subgroups
from qdebug.measure.significance import mcnemar
from qdebug.results import worst_group

RNG = np.random.default_rng(0)


def classified(before, after, labels, classes=4):
    """Predictions of both models that say these classes."""
    return tuple(
        predictions("classification", torch.nn.functional.one_hot(torch.as_tensor(said), classes).float(),
                    torch.as_tensor(labels))
        for said in (before, after)
    )  # fmt: skip


def by(key, values, **more):
    names, of = np.unique(values, return_inverse=True)
    return Partition(key, tuple(map(str, names)), of, **more)


def test_each_row_is_the_metric_of_its_own_samples():
    labels = RNG.integers(0, 4, 200)
    before = np.where(RNG.random(200) < 0.9, labels, 0)
    after = np.where(RNG.random(200) < 0.7, before, 1)
    groups = RNG.choice(["day", "night"], 200)
    rows = subgroups(*classified(before, after, labels), "classification", (by("class", labels), by("group", groups)))
    assert [row.called for row in rows] == [*(f"class {one}" for one in range(4)), "group day", "group night"]
    for row in rows:
        kept = (labels == int(row.name)) if row.key == "class" else (groups == row.name)
        alone = compare(*classified(before[kept], after[kept], labels[kept]), "classification")
        assert (row.n, row.flips, row.predictions) == (kept.sum(), alone.flips, alone.predictions)
        assert (row.float_, row.quantized, row.delta, row.ci95) == (
            alone.float_, alone.quantized, alone.delta, alone.ci95
        )  # fmt: skip
    assert sum(row.flips for row in rows[:4]) == sum(row.flips for row in rows[4:]) == (before != after).sum()


def one_class_lost(lost):
    """Ten classes of 30 samples, all right in float; the quantized model has some of class 7 wrong."""
    labels = np.repeat(np.arange(10), 30)
    after = labels.copy()
    after[210 : 210 + lost] = 1
    return subgroups(*classified(labels, after, labels, 10), "classification", (by("class", labels),))


def test_a_class_that_lost_much_is_called_and_one_that_lost_little_is_not():
    called = one_class_lost(9)
    assert [row.name for row in called if row.significant] == ["7"]
    assert called[7].p == pytest.approx(mcnemar(0, 9))
    assert worst_group(called, higher_is_better=True, significant=True) is called[7]
    few = one_class_lost(3)
    assert not any(row.significant for row in few)
    assert worst_group(few, higher_is_better=True, significant=True) is None
    assert worst_group(few, higher_is_better=True) is few[7]


def test_no_class_is_called_where_flips_fall_by_chance():
    """All samples may flip either way alike: of 400 draws hardly 5 % call any of ten classes."""
    labels = np.repeat(np.arange(10), 40)
    called = 0
    for _ in range(400):
        before = np.where(RNG.random(400) < 0.15, (labels + 1) % 10, labels)
        after = np.where(RNG.random(400) < 0.15, (labels + 1) % 10, labels)
        rows = subgroups(*classified(before, after, labels, 10), "classification", (by("class", labels),))
        called += any(row.significant for row in rows)
    assert called / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def segmented(right):
    """Two images of 2 × 3 pixels, of three classes; ``right`` says which pixels the quantized model has right."""
    labels = torch.tensor([[[0, 0, 1], [1, 255, 2]], [[0, 1, 1], [1, 1, 1]]])
    said = labels.clone()
    said[labels == 255] = 0
    wrong = torch.where(torch.as_tensor(right), said, (said + 1) % 3)
    one, two = (torch.nn.functional.one_hot(part, 3).movedim(-1, 1).float() for part in (said, wrong))
    return predictions("segmentation", one, labels), predictions("segmentation", two, labels), labels.numpy()


def test_a_class_of_pixels_counts_pixels_and_the_images_that_show_it():
    right = [[[True, False, True], [True, True, False]], [[True, True, True], [False, True, True]]]
    one, two, labels = segmented(right)
    seen = labels[labels != 255]
    parts = (by("class", seen, by_prediction=True), Partition("group", ("a", "b"), np.array([0, 1])))
    rows = subgroups(one, two, "segmentation", parts)
    assert [(row.called, row.n, row.predictions, row.flips) for row in rows] == [
        ("class 0", 2, 3, 1), ("class 1", 2, 7, 1), ("class 2", 1, 1, 1), ("group a", 1, 5, 2), ("group b", 1, 6, 1)
    ]  # fmt: skip
    assert [row.quantized for row in rows] == pytest.approx([2 / 3, 6 / 7, 0.0, 3 / 5, 5 / 6])
    assert rows[2].p == 1.0  # one image proves nothing


def test_groups_of_a_language_model_have_their_own_perplexities():
    logits, labels = torch.randn(12, 5, 7), torch.randint(0, 7, (12, 5))
    labels[:, 0] = -100
    noisy = logits.clone()
    noisy[6:] *= 0.2
    pair = tuple(predictions("language-model", one, labels) for one in (logits, noisy))
    rows = subgroups(*pair, "language-model", (Partition("group", ("a", "b"), np.repeat([0, 1], 6)),))
    assert [row.predictions for row in rows] == [24, 24]
    assert (rows[0].delta, rows[0].p) == (0, 1.0)
    assert (
        rows[1].delta
        == compare(
            *(predictions("language-model", one[6:], labels[6:]) for one in (logits, noisy)), "language-model"
        ).delta
    )
    assert 0 < rows[1].p < 1


def test_without_labels_rows_have_no_p():
    one, two = (predictions("unlabelled", torch.randn(10, 3)) for _ in range(2))
    rows = subgroups(one, two, "unlabelled", (Partition("group", ("a", "b"), np.repeat([0, 1], 5)),))
    assert all(row.p is None and not row.significant for row in rows)
    whole = torch.randn(10, 3, 2, 2)
    values = (predictions("unlabelled", whole), predictions("unlabelled", whole + torch.randn_like(whole) / 10))
    rows = subgroups(*values, "unlabelled", (Partition("group", ("a", "b"), np.repeat([0, 1], 5)),))
    assert all(5 < row.quantized < 40 and row.p is None for row in rows)


def test_worst_group_passes_over_small_ones_and_other_keys():
    rows = one_class_lost(3)
    small = msgspec.structs.replace(rows[0], delta=-0.9, n=4)
    group = msgspec.structs.replace(rows[0], key="group", delta=-0.05)
    every = (small, group, *rows)
    assert worst_group(every, higher_is_better=True) is small
    assert worst_group(every, higher_is_better=True, least=10) is rows[7]
    assert worst_group(every, higher_is_better=True, key="group") is group
    assert worst_group(rows[:5], higher_is_better=True) is None
    gained = msgspec.structs.replace(rows[0], delta=0.4)
    assert worst_group((gained,), higher_is_better=True) is None
    assert worst_group((gained,), higher_is_better=False) is gained
