"""Layers are ranked by prediction at once, and each measured share takes its prediction's place."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import spearmanr

import qdebug
from qdebug.engine import Work
from qdebug.recipes import Recipe, parse_plan, preset, set_layers
from qdebug.search.ranking import MOST_PLANS, foretold, shares
from tests.networks import Residual, data_for, seeded


@pytest.fixture(scope="module")
def session():
    return qdebug.open(seeded(Residual), data_for(Residual, 96))


def test_first_all_are_predicted_then_the_worst_is_measured_first(session):
    recipe, seen = preset("w4a8"), []
    found = shares(session, recipe, seen.append, Work())
    first = seen[0]
    assert all(row.predicted and row.metric is None for row in first.rows)
    assert sum(row.share for row in first.rows) == pytest.approx(1.0)
    assert [sum(not row.predicted for row in one.rows) for one in seen] == list(range(len(first.rows) + 1))
    worst = max(first.rows, key=lambda row: row.isolated).name
    assert [row.name for row in seen[1].rows if not row.predicted] == [worst]
    assert replace(found, seconds=0.0) == replace(session.shares(recipe), seconds=0.0)
    assert seen[-1].rows == found.rows


def test_the_prediction_ranks_as_measuring_does(session):
    recipe = set_layers(preset("w6a8"), {session.subject.layers[0].name: parse_plan("w3a8")})
    guess = foretold(session, recipe, Work())
    exact = {row.name: row.isolated for row in session.shares(recipe).rows}
    names = list(exact)
    assert spearmanr([guess[name] for name in names], [exact[name] for name in names])[0] > 0.9
    assert np.median([guess[name] / exact[name] for name in names]) == pytest.approx(1.0, abs=0.5)


def test_a_recipe_of_many_plans_or_of_none_is_not_predicted(session, monkeypatch):
    assert foretold(session, Recipe(), Work()) == {}
    monkeypatch.setattr("qdebug.search.ranking.MOST_PLANS", 1)
    mixed = set_layers(preset("w8a8"), {session.subject.layers[0].name: parse_plan("w3a8")})
    assert foretold(session, mixed, Work()) == {}
    seen = []
    found = shares(session, mixed, seen.append, Work())
    assert len(seen) == 1 and seen[0].rows == found.rows
    assert MOST_PLANS > 1
