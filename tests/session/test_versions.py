"""Two versions of a model on the same data: what is told apart, and what cannot be compared."""

import numpy as np
import pytest
import torch
from torch import nn

import qdebug
from qdebug.errors import UsageError
from qdebug.recipes import preset
from qdebug.session.versions import compare_versions, version_flips


class Net(nn.Module):
    """A linear layer behind others, of which a version may have one more."""

    def __init__(self, *, deeper=False, classes=4):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(8, 16)
        self.head = nn.Linear(16, classes)
        self.more = nn.Linear(16, 16) if deeper else None

    def forward(self, x):
        x = torch.relu(self.first(x))
        return self.head(x if self.more is None else x + 0.01 * self.more(x))


def data(seed=0, labels=True):
    x = np.random.default_rng(seed).normal(size=(64, 8)).astype(np.float32)
    with torch.no_grad():
        return {"x": x} | ({"labels": Net()(torch.from_numpy(x)).argmax(1).numpy()} if labels else {})


def opened(model, given=None):
    return qdebug.open(model.eval(), given or data())


def both(a, b, name="w4a8"):
    return compare_versions(a, b, (preset(name), preset(name)))


def test_a_version_against_itself_is_the_same_everywhere():
    found = both(opened(Net()), opened(Net()))
    assert found.comparison.difference.changed == 0
    assert (found.comparison.layers, found.comparison.alike) == ((), 2)
    assert (found.added, found.removed) == ((), ())


def test_layers_are_matched_by_name_and_the_others_named():
    found = both(opened(Net()), opened(Net(deeper=True)))
    assert (found.added, found.removed) == (("more",), ())
    back = both(opened(Net(deeper=True)), opened(Net()))
    assert (back.added, back.removed) == ((), ("more",))


def test_a_layer_that_was_trained_on_is_told_and_the_difference_is_paired():
    worse = Net()
    with torch.no_grad():
        worse.head.weight[0] *= 30
    found = both(opened(Net()), opened(worse)).comparison
    assert "head" in [layer.name for layer in found.layers]
    gap = found.difference
    assert gap.delta == pytest.approx((gap.gained - gap.lost) / 64)
    assert gap.b < gap.a
    assert {row.key for row in found.groups} == {"class"}
    assert found.reference == "labels"


def test_other_data_or_labels_are_refused():
    with pytest.raises(UsageError, match="other data"):
        both(opened(Net()), opened(Net(), data(seed=1)))
    others = data() | {"labels": np.zeros(64, np.int64)}
    with pytest.raises(UsageError, match="other data"):
        both(opened(Net()), opened(Net(), others))


def worse():
    model = Net()
    with torch.no_grad():
        model.head.weight[0] *= 30
    return model


@pytest.mark.parametrize("labels", [True, False])
def test_the_answers_that_changed_are_shown_with_both(labels):
    given = data(labels=labels)
    a, b, recipes = opened(Net(), given), opened(worse(), given), (preset("w8a8"), preset("w4a8"))
    flips = version_flips(a, b, recipes, most=96)
    outputs = [side.output(recipe, batch).numpy() for side, recipe in zip((a, b), recipes, strict=True)
               for batch in side.subject.eval_batches]  # fmt: skip
    first, second = outputs
    right = given["labels"] if labels else a.predictions("w32a32").top1
    changed = np.flatnonzero(first.argmax(1) != second.argmax(1))
    assert {row.sample for row in flips.rows} == set(changed.tolist()) and len(changed) > 4
    assert flips.predictions == 64
    assert flips.total == compare_versions(a, b, recipes).comparison.difference.changed
    for row in flips.rows:
        one, two = first[row.sample], second[row.sample]
        assert (row.target, row.a, row.b) == (right[row.sample], one.argmax(), two.argmax())
        assert row.margin_a == pytest.approx(one[row.a] - one[row.b])
        assert row.margin_b == pytest.approx(two[row.b] - two[row.a])
    assert {row.direction for row in version_flips(a, b, recipes, "lost", most=96).rows} == {"lost"}
    assert version_flips(a, a, (recipes[0], recipes[0])).rows == ()


def test_versions_whose_batches_differ_are_read_sample_by_sample():
    small, large = opened(Net()), opened(worse())
    large.subject.__dict__["batch_size"] = 16
    assert len(small.subject.eval_batches) < len(large.subject.eval_batches)
    recipes = (preset("w8a8"), preset("w8a8"))
    assert (
        version_flips(small, large, recipes, most=96).rows
        == version_flips(opened(Net()), opened(worse()), recipes, most=96).rows
    )


def test_a_class_that_the_other_version_does_not_know_has_no_margin():
    more = opened(Net(classes=6))
    flips = version_flips(more, opened(Net()), (preset("w8a8"), preset("w8a8")), most=96)
    unknown = [row for row in flips.rows if row.a >= 4]
    assert unknown and all(row.margin_a is not None and row.margin_b is None for row in unknown)
