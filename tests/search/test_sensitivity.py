"""Predicted sensitivity agrees with measuring, layer by layer and for whole recipes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import spearmanr

import qdebug
from qdebug.engine import Work
from qdebug.errors import Cancelled
from qdebug.recipes import Recipe
from qdebug.search.sensitivity import Question, forward_seconds, is_linear, sensitivity
from tests.networks import Attention, Residual, data_for, seeded


@pytest.fixture(scope="module", params=[Residual, Attention])
def session(request):
    return qdebug.open(seeded(request.param), data_for(request.param, 64))


def test_prediction_and_measurement_agree_where_errors_are_small(session):
    found = sensitivity(session, Question.of(["w8a8-pc", "w6a8", "w8a6"]), "exact")
    rows = [row for row in found.rows if row.exact]
    predicted, exact = (np.array([getattr(row, name) for row in rows]) for name in ("predicted", "exact"))
    assert spearmanr(predicted, exact)[0] > 0.97
    assert np.median(np.abs(predicted / exact - 1)) < 0.2
    assert all(row.linear for row in rows)
    assert found.n == found.of == 64


def test_exact_is_the_output_s_squared_change(session):
    found = sensitivity(session, Question.of(["w4a8"]), "exact")
    row = max(found.rows, key=lambda one: one.exact or 0.0)
    recipe = Recipe(layers=((row.layer, qdebug.preset("w4a8").default),))
    total = 0.0
    for batch in session.subject.eval_batches:
        change = session.output(recipe, batch) - session.output(Recipe(), batch)
        total += float(change.double().square().sum())
    assert row.exact == pytest.approx(total / 64, rel=1e-9)
    assert row.exact_ci95 == (row.exact, row.exact)


def test_weight_and_input_apart(session):
    (name,) = found = ("w4a4",)
    rows = sensitivity(session, Question.of(found)).of_format(name)
    weights = sensitivity(session, Question.of(["w4a32"])).rows
    inputs = sensitivity(session, Question.of(["w32a4"])).rows
    for row, weight, activation in zip(rows, weights, inputs, strict=True):
        assert row.weight == pytest.approx(weight.predicted, rel=1e-6, abs=1e-12)
        assert row.activation == pytest.approx(activation.predicted, rel=1e-6, abs=1e-12)


def test_what_is_known_is_shown_as_it_comes_most_harmful_first(session):
    seen = []
    found = sensitivity(session, Question.of(["w4a8"]), "exact", show=seen.append)
    assert seen[-1] == found
    known = [sum(row.exact is not None for row in one.rows) for one in seen]
    assert known == sorted(known)
    measured = [
        next(row for row, old in zip(new.rows, before.rows, strict=True) if row != old)
        for before, new in pairwise(seen)
        if sum(row.exact is not None for row in new.rows) > sum(row.exact is not None for row in before.rows)
    ]
    predictions = [row.predicted for row in measured]
    assert predictions == sorted(predictions, reverse=True)


def test_a_float_pass_is_timed_whole_whatever_is_remembered(session, monkeypatch):
    session.score(Recipe())
    cache, batches = session.subject.engine.cache, {batch.key for batch in session.subject.eval_batches}
    plain, used = cache.get, []

    def get(key):
        value = plain(key)
        if value is not None and key[1] in batches:
            used.append(key)
        return value

    monkeypatch.setattr(cache, "get", get)
    entries = cache.stats().entries
    session.errors(Recipe(), session.subject.eval_batches, Work())
    assert used  # what is remembered of the data is found like this
    used.clear()
    assert forward_seconds(session, Work()) > 0
    assert not used
    assert cache.stats().entries == entries


def test_it_stops_when_asked(session):
    work = Work()
    work.cancel()
    with pytest.raises(Cancelled):
        sensitivity(session, Question.of(["w8a8"]), work=work)


def test_a_format_that_a_layer_cannot_have_is_refused_in_words(session):
    found = sensitivity(session, Question.of(["int8/int8-tok"]), "exact")
    refused = [row for row in found.rows if row.refused]
    convolutions = [layer.name for layer in session.subject.layers if layer.kind == "conv"]
    assert [row.layer for row in refused] == convolutions
    assert all(row.exact is None and row.predicted is None for row in refused)


def test_a_layer_outside_the_linear_regime_is_marked():
    session = qdebug.open("digits-mobilenet")
    found = sensitivity(session, Question.of(["w4a8"]), "exact")
    rows = {row.layer: row for row in found.rows}
    assert rows["blocks.1.dw"].linear is False  # five times the prediction, and the model is ruined
    assert rows["head"].linear


def test_linear_says_nothing_without_both():
    session = qdebug.open(seeded(Residual), data_for(Residual, 8))
    assert all(is_linear(row) is None for row in sensitivity(session, Question.of(["w8a8"])).rows)
