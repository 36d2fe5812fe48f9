"""A score that takes a while is estimated from the first samples, then known: what changes first is the estimate."""

import pytest
import torch

from qdebug.engine import Work
from qdebug.measure import Predictions, predictions
from qdebug.recipes import preset
from qdebug.session import open as open_model
from qdebug.session import scoring
from tests.networks import Attention, Residual, data_for, seeded

RECIPE = preset("w4a8")


@pytest.fixture
def session(monkeypatch):
    opened = open_model(seeded(Residual), data_for(Residual, 48))
    monkeypatch.setattr(type(opened._subject), "batch_size", 8)
    return opened


def test_estimates_come_from_twice_as_many_samples_each_and_the_exact_score_last(session, monkeypatch):
    monkeypatch.setattr(scoring, "LEFT", -1.0)
    seen = []
    found = session.score(RECIPE, Work(), seen.append)
    assert [(one.exact, one.metric.n) for one in seen] == [(False, 8), (False, 16), (False, 32)]
    assert found.exact and found.metric.n == 48
    assert all(one.recipe == found.recipe and one.size == found.size for one in seen)


def test_an_estimate_is_the_score_on_those_samples(session, monkeypatch):
    monkeypatch.setattr(scoring, "LEFT", -1.0)
    seen = []
    session.score(RECIPE, Work(), seen.append)
    data = data_for(Residual, 48)
    few = open_model(seeded(Residual), {name: one[:16] for name, one in data.items()}, calib={"images": data["images"]})
    assert seen[1].metric == few.score(RECIPE).metric


def test_what_is_there_at_once_is_not_estimated(session, monkeypatch):
    monkeypatch.setattr(scoring, "LEFT", 1e9)
    seen = []
    assert session.score(RECIPE, Work(), seen.append).exact
    monkeypatch.setattr(scoring, "LEFT", -1.0)
    assert session.score(RECIPE, Work(), seen.append).exact
    assert seen == [], "it was known already"


def test_who_wants_no_estimates_gets_none_and_the_same_score(session, monkeypatch):
    monkeypatch.setattr(scoring, "LEFT", -1.0)
    other = open_model(seeded(Residual), data_for(Residual, 48))
    assert session.score(RECIPE).metric == other.score(RECIPE, Work(), lambda _: None).metric


@pytest.mark.parametrize("task", ["classification", "language-model", "segmentation", "unlabelled", "whole"])
def test_the_first_of_the_predictions_are_those_of_the_first_samples(task):
    shape = {
        "classification": (9, 4), "language-model": (9, 5, 4), "segmentation": (9, 3, 5, 4), "unlabelled": (9, 4),
        "whole": (9, 2, 2, 2),
    }[task]  # fmt: skip
    output = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    output[2] = float("nan")
    output[7] = float("nan")
    labels = None
    if task not in ("unlabelled", "whole"):
        labels = torch.randint(3, (9, *shape[2:]) if task == "segmentation" else shape[:-1])
        if labels.dim() > 1:
            labels[:, 0] = torch.where(torch.arange(9).view(-1, *[1] * (labels.dim() - 2)) % 2 == 0, -100, 1)
    name = "unlabelled" if task == "whole" else task
    for count in (1, 4, 9):
        first = predictions(name, output, labels).first(count)
        alone = predictions(name, output[:count], None if labels is None else labels[:count])
        for field in ("top1", "correct", "loss", "targets", "values"):
            one, two = getattr(first, field), getattr(alone, field)
            assert (one is None and two is None) or torch.equal(
                torch.nan_to_num(torch.as_tensor(one)), torch.nan_to_num(torch.as_tensor(two))
            ), field
        assert (first.samples, first.broken, first.task) == (alone.samples, alone.broken, alone.task)
    assert isinstance(first, Predictions)


def test_a_language_model_s_estimate_is_its_perplexity_on_those_sequences(monkeypatch):
    monkeypatch.setattr(scoring, "LEFT", -1.0)
    opened = open_model(seeded(Attention), data_for(Attention, 24))
    monkeypatch.setattr(type(opened._subject), "batch_size", 6)
    seen = []
    found = opened.score(RECIPE, Work(), seen.append)
    assert [one.metric.name for one in seen] == [found.metric.name] * 2
    assert [one.metric.n for one in seen] == [6, 12]
