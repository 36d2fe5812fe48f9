"""Which measured points teach, and which are told what they are expected to be."""

import numpy as np
import pytest

import qdebug
from qdebug.engine import Work
from qdebug.recipes import Recipe
from qdebug.results.mixture import MixturePoint
from qdebug.search.mix import evidence
from qdebug.search.mixed.learn import FEWEST, RUINED, learnt, most_error, with_expected
from tests.networks import Residual, data_for, seeded
from tests.search.mix.instances import made

PROBLEM = made(6, 3, 100, 0)
KNOWN = evidence(PROBLEM, 100)


def point(columns, confirmed):
    return MixturePoint(
        cost=1.0, bits_per_weight=4.0, bytes=1, predicted=PROBLEM.predict(columns, "additive"), confirmed=confirmed,
        formats=(6, 0, 0), columns=columns, recipe={},
    )  # fmt: skip


@pytest.fixture
def held():
    choices = [(place,) * 6 for place in range(3)] + [(0, 1, 2, 0, 1, 2)]
    return [point(one, 1.1 * PROBLEM.predict(one, "quadratic")) for one in choices]


def test_ruined_points_teach_nothing(held):
    assert learnt(KNOWN, held, np.inf).measured == len(held)
    most = sorted(one.confirmed for one in held)[-1]
    assert learnt(KNOWN, held, most).measured == len(held) - 1


def test_too_few_teach_nothing(held):
    assert learnt(KNOWN, held[:FEWEST], np.inf).measured == FEWEST
    assert learnt(KNOWN, held[: FEWEST - 1], np.inf) is None
    assert learnt(KNOWN, held, 0.0) is None


def test_only_what_was_not_measured_is_told(held):
    correction = learnt(KNOWN, held, np.inf)
    assert with_expected(held[0], correction) is held[0]
    told = with_expected(point((2, 1, 0, 2, 1, 0), None), correction)
    low, high = told.expected_ci95
    assert low < told.expected < high
    assert told.predicted == PROBLEM.predict((2, 1, 0, 2, 1, 0), "additive")


def test_ruined_is_an_error_of_half_the_output():
    session = qdebug.open(seeded(Residual), data_for(Residual, 16))
    outputs = [session.output(Recipe(), batch).flatten(1).double() for batch in session.subject.eval_batches]
    square = sum(float(one.square().sum()) for one in outputs) / 16
    assert most_error(session, Work()) == pytest.approx(RUINED * square)
