"""No fix is given that may owe its gain to chance."""

import pytest

import qdebug
from qdebug.engine import Work
from qdebug.recipes import remedied
from qdebug.results import Remedy, Trial
from qdebug.search.diagnose.certainty import is_certain
from qdebug.search.diagnose.places import Bench
from qdebug.search.diagnose.trials import Start, best, is_enough, tried
from tests.networks import Residual, data_for, seeded


@pytest.fixture(scope="module")
def bench():
    session = qdebug.open(seeded(Residual), data_for(Residual, 48))
    return Bench(session, qdebug.preset("w4a8"), Work())


def test_what_helps_every_sample_is_certain(bench):
    assert is_certain(bench, qdebug.preset("w8a8"))


def test_what_harms_or_does_nothing_is_not(bench):
    assert not is_certain(bench, qdebug.preset("w2a8"))
    assert not is_certain(bench, bench.recipe)


def test_what_helps_on_average_through_one_sample_alone_is_not(bench, monkeypatch):
    before, after = (bench.session.errors(one, bench.batches).copy() for one in (bench.recipe, bench.recipe))
    after[0] = 0.0
    before[0] = 10 * before.sum()
    changed = qdebug.preset("w4a7")
    monkeypatch.setattr(bench.session, "errors", lambda recipe, *_: after if recipe == changed else before)
    assert after.mean() < 0.5 * before.mean()
    assert not is_certain(bench, changed)


def test_a_trial_says_it_and_an_uncertain_one_is_never_chosen(bench):
    names = [layer.name for layer in bench.session.subject.layers]
    fix = Remedy(method="more-bits", params={"layers": names, "tensor": "weight", "bits": 8})
    found = tried(bench, Start(*bench.whole(bench.recipe)), fix)
    assert found.certain
    assert best([found]) == found
    lucky = Trial(fix=fix, metric=1.0, recovered=0.95, certain=False)
    assert best([lucky]) is None
    assert best([], lucky) is None
    assert not is_enough([lucky])
    assert remedied(bench.recipe, fix.method, fix.params) != bench.recipe
