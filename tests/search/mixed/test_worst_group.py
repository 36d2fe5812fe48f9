"""A budget on the worst class or group: measured on each, predicted for each, and chosen by the worst."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import qdebug
from qdebug.engine import Work
from qdebug.errors import UsageError
from qdebug.recipes import from_plain
from qdebug.results import Metric, Subgroup
from qdebug.search.mixed import Wish, search
from qdebug.search.mixed.candidates import parts
from qdebug.search.mixed.confirm import loss
from qdebug.search.mixed.problem import problem, projected
from qdebug.search.mixed.wish import formats_of
from qdebug.search.mixed.worst import LEAST, lost, members, worst_row
from tests.networks import Residual, data_for, seeded

FORMATS = formats_of(["w16a16", "w8a8-pc", "w4a8-pc"])


@pytest.fixture(scope="module")
def session():
    data = data_for(Residual, 48)
    group = np.array(["night"] * 12 + ["day"] * 33 + ["fog"] * 3)
    data["images"][:12] *= 3.0
    return qdebug.open(seeded(Residual), {**{k: v.numpy() for k, v in data.items()}, "group": group})


def row(name: str, n: int, before: float, after: float) -> Subgroup:
    return Subgroup(
        key="class", name=name, n=n, float_=before, quantized=after, delta=after - before, ci95=(0.0, 0.0), flips=0,
        predictions=n, p=None, significant=False,
    )  # fmt: skip


def metric(name: str, *, higher: bool) -> Metric:
    return Metric(
        name=name, float_=1.0, quantized=1.0, delta=0.0, ci95=(0.0, 0.0), quantized_ci95=(0.0, 0.0), flips=0, n=9,
        predictions=9, agreement=1.0, higher_is_better=higher,
    )  # fmt: skip


def test_the_worst_is_of_enough_samples_and_counted_as_the_budget_is():
    accuracy = metric("accuracy", higher=True)
    rows = [row("a", 50, 0.9, 0.8), row("b", LEAST, 0.9, 0.7), row("c", LEAST - 1, 0.9, 0.0)]
    assert worst_row(accuracy, rows).name == "b"
    assert lost(accuracy, rows[1]) == pytest.approx(0.2)
    perplexity = metric("perplexity", higher=False)
    assert worst_row(perplexity, [row("a", 50, 2.0, 3.0), row("b", 50, 10.0, 11.5)]).name == "a"  # half against 15 %
    assert lost(metric("sqnr_db", higher=True), row("a", 50, 0.0, 20.0)) == pytest.approx(0.1)
    assert lost(accuracy, row("a", 50, 0.9, float("nan"))) == float("inf")
    with pytest.raises(UsageError, match="no classes or groups"):
        worst_row(accuracy, rows[2:])


def test_groups_are_those_of_the_data_with_enough_samples(session):
    labels = session.subject.data.labels.numpy()
    large = [f"class {label}" for label, count in zip(*np.unique(labels, return_counts=True), strict=True)
             if count >= LEAST]  # fmt: skip
    assert [one.called for one in members(session)] == [*large, "group day", "group night"]
    assert members(session)[-1].places.tolist() == list(range(12))


def test_what_is_predicted_of_a_group_is_what_its_samples_say(session):
    wish = Wish(FORMATS, judge="worst-group")
    found = projected(session, wish, Work())
    task = problem(session, wish, found)
    worst = parts(task, members(session), 48)
    columns = [2] * len(task.names)
    each = np.zeros(48)
    for layer in found.layers:
        plan = FORMATS[2][1]
        each += np.square(found.of(layer, plan.weight, plan.activation), dtype=np.float64).mean(0)
    expected = [each[one.places].mean() for one in members(session)]
    assert worst.each(columns) == pytest.approx(expected, rel=1e-5)


def test_a_point_is_measured_on_its_worst_group(session):
    found = search(session, Wish(FORMATS, budget=11.0, judge="worst-group"), confirm=4)
    assert found.groups == len(members(session))
    point = found.front[found.chosen]
    recipe = from_plain(point.recipe)
    errors = session.errors(recipe, session.subject.eval_batches)
    assert point.confirmed == pytest.approx(max(errors[one.places].mean() for one in members(session)))
    known = session.subgroups(recipe)
    assert point.worst == worst_row(known.overall, known.rows)
    measured = [one for one in found.front if one.confirmed is not None and one.cost <= 11.0]
    assert point.confirmed == min(one.confirmed for one in measured)


def test_a_largest_drop_holds_in_every_group(session):
    found = search(session, Wish(FORMATS, max_drop=0.02, judge="worst-group"))
    chosen = found.front[found.chosen]
    rows = session.subgroups(from_plain(chosen.recipe))
    assert all(lost(rows.overall, one) <= 0.02 for one in rows.rows if one.n >= LEAST)
    assert all(loss(one) > 0.02 for one in found.front if one.confirmed is not None and one.cost < chosen.cost)


def test_the_long_tail_is_kept_where_the_mean_gives_it_up():
    session = qdebug.open("digits-longtail")
    formats = formats_of(["w16a16", "w8a8-pc", "w6a8-pc", "w4a8-pc"])
    mean, worst = (search(session, Wish(formats, max_drop=0.02, judge=judge)) for judge in ("mean", "worst-group"))

    def most_lost(found):
        rows = session.subgroups(from_plain(found.front[found.chosen].recipe))
        return lost(rows.overall, worst_row(rows.overall, rows.rows))

    assert most_lost(mean) > 0.02 >= most_lost(worst)
    assert mean.front[mean.chosen].cost < worst.front[worst.chosen].cost
    assert "The worst is class" in worst.words or "No class" in worst.words


class Pixels(nn.Module):
    """Two classes for each pixel."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 2, 1)

    def forward(self, image):
        return self.two(torch.relu(self.one(image)))


def test_classes_of_pixels_are_measured_though_not_predicted():
    torch.manual_seed(0)
    dice = np.random.default_rng(0)
    images = dice.normal(size=(16, 1, 6, 6)).astype(np.float32)
    session = qdebug.open(Pixels(), {"image": images, "labels": dice.integers(0, 2, (16, 6, 6))})
    assert session.info().task == "segmentation"
    found = search(session, Wish(FORMATS, budget=24.0, judge="worst-group"), confirm=2)
    assert found.groups == 0
    assert found.front[found.chosen].worst.key == "class"


def test_without_groups_there_is_no_worst_and_one_error_says_so():
    data = data_for(Residual, 16)
    session = qdebug.open(seeded(Residual), {"images": data["images"]})
    with pytest.raises(UsageError, match="no classes or groups"):
        search(session, Wish(FORMATS, budget=11.0, judge="worst-group"))
    with pytest.raises(UsageError, match="additive"):
        Wish(FORMATS, judge="worst-group", how="quadratic")
