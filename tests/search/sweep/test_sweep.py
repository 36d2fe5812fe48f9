"""Exact sweeps: the numbers, the parts, leaving one out, stopping and going on."""

from itertools import pairwise

import numpy as np
import pytest

import qdebug
from qdebug.engine import Work
from qdebug.errors import Cancelled, UsageError
from qdebug.recipes import Recipe, preset, set_layers
from qdebug.search.sensitivity import Question, sensitivity
from qdebug.search.sweep.items import items
from qdebug.search.sweep.journal import Journal
from qdebug.search.sweep.plan import How
from qdebug.search.sweep.run import Sweep
from qdebug.search.sweep.samples import Samples
from tests.networks import Residual, data_for, seeded


def direct(session, recipe):
    """Error per sample and metric of a recipe, from whole outputs."""
    total = 0.0
    for batch in session.subject.eval_batches:
        change = session.output(recipe, batch) - session.output(Recipe(), batch)
        total += float(change.double().square().sum())
    return total / len(session.subject.data), session.score(recipe).metric.quantized


def test_numbers_are_those_of_direct_evaluation(resnet, question):
    found = sensitivity(resnet, question, "exact")
    assert found.order is not None and found.order.settled and found.order.confidence == 1.0
    for row in found.rows:
        error, metric = direct(resnet, set_layers(Recipe(), {row.layer: preset("w4a8").default}))
        assert row.exact == pytest.approx(error, rel=1e-5)
        assert row.metric == pytest.approx(metric, abs=1e-12)
        assert row.n == len(resnet.subject.data) and row.exact_ci95 == (row.exact, row.exact)


def test_leaving_one_out_is_the_whole_recipe_without_the_layer(resnet, question):
    found = sensitivity(resnet, question, "exact", how=How(leave_one_out=True))
    (whole,) = found.whole
    error, metric = direct(resnet, preset("w4a8"))
    assert whole.exact == pytest.approx(error, rel=1e-5)
    assert whole.metric == pytest.approx(metric, abs=1e-12)
    for row in found.rows:
        error, metric = direct(resnet, set_layers(preset("w4a8"), {row.layer: preset("w32a32").default}))
        assert row.without == pytest.approx(error, rel=1e-5)
        assert row.gain == pytest.approx(whole.exact - error, rel=1e-4, abs=1e-6 * whole.exact)
        assert row.without_metric == pytest.approx(metric, abs=1e-12)


@pytest.mark.parametrize("name", ["pydoc-gpt", "digits-vit"])
def test_metrics_of_parts_join(name):
    session = qdebug.open(name)
    layer = session.subject.layers[-1].name
    found = None
    sweep = Sweep(session, How())
    todo = [item for item in items(session, Question.of(["w4a8"]), {}, False) if item.layer == layer]
    book = sweep.book(todo, session.metric(Recipe(), session.subject.eval_batches[:1]))
    with sweep.runner() as runner:
        for place in sweep.go(runner, book, sweep.plan(book, 1.0), Work()):
            found = book.metric(place)
    assert found == pytest.approx(session.score(todo[0].recipe).metric.quantized, rel=1e-5)


def test_signal_to_noise_joins_too():
    session = qdebug.open(seeded(Residual), {"images": data_for(Residual, 60)["images"]})
    found = sensitivity(session, Question.of(["w4a8"]), "exact")
    for row in found.rows:
        recipe = set_layers(Recipe(), {row.layer: preset("w4a8").default})
        assert row.metric == pytest.approx(session.score(recipe).metric.quantized, rel=1e-4)


def test_intervals_tighten_to_the_value(resnet, question):
    seen = []
    found = sensitivity(resnet, question, "exact", show=seen.append)
    layer = max(found.rows, key=lambda row: row.exact or 0.0).layer
    rows = [next(row for row in one.rows if row.layer == layer) for one in seen]
    by_count = {row.n: row for row in rows if row.n}
    assert list(by_count) == sorted(by_count) and len(by_count) == 4
    widths = [row.exact_ci95[1] - row.exact_ci95[0] for row in by_count.values()]
    assert widths == sorted(widths, reverse=True) and widths[-1] == 0.0 < widths[0]


def test_parts_are_random_whatever_the_order_of_the_data():
    data = data_for(Residual, 400)
    data = {name: np.asarray(values)[np.argsort(np.asarray(data["labels"]))] for name, values in data.items()}
    samples = Samples(qdebug.open(seeded(Residual), data).subject)
    first = np.concatenate([samples.labels(place).numpy() for place in range(*samples.parts[0])])
    assert samples.ends == (50, 100, 200, 400)
    assert np.bincount(first, minlength=5).min() >= 3  # of 50 samples of five classes


@pytest.mark.parametrize("count", [1, 5, 16, 17, 33, 100])
def test_parts_hold_every_sample_once(count):
    samples = Samples(qdebug.open(seeded(Residual), data_for(Residual, count)).subject)
    assert samples.ends[-1] == count == sum(batch.count for batch in samples.batches)
    assert [one for part in samples.parts for one in range(*part)] == list(range(len(samples.batches)))


def test_the_cost_is_known_before_it_starts(resnet, question):
    seen = []
    sensitivity(resnet, question, "exact", show=seen.append)
    first = next(one for one in seen if one.plan)
    layers = resnet.subject.layers
    assert all(row.exact is None for row in first.rows)
    assert first.plan.items == len(layers) and 0 < first.plan.passes < len(layers) + 1
    head = items(resnet, question, {}, False)[-1]
    assert head.layer == layers[-1].name and head.passes < 0.05


def test_a_settled_order_is_that_of_all_data(resnet, question, plain):
    full = sensitivity(resnet, question, "exact")
    raced = sensitivity(resnet, question, "exact", how=How(until="order"))
    assert raced.order.settled and raced.order.confidence == 0.95
    assert any(row.n < len(resnet.subject.data) for row in raced.rows)
    by_harm = {name: row.exact for name, row in ((row.layer, row) for row in full.rows)}
    order = sorted(raced.rows, key=lambda row: -row.exact)
    ties = {frozenset(tie[1:]) for tie in raced.order.ties}
    for one, two in pairwise(order):
        assert by_harm[one.layer] > by_harm[two.layer] or frozenset((one.layer, two.layer)) in ties


@pytest.mark.parametrize("after", [1, 13, 30])
def test_stopped_and_resumed_it_gives_the_same_bytes(resnet, question, plain, tmp_path, after):
    whole = sensitivity(resnet, question, "exact", how=How(leave_one_out=True))
    work, seen = Work(), []

    def stop(found):
        seen.append(found)
        if sum(1 for one in seen if one.plan) > after:
            work.cancel()

    journal = Journal(tmp_path)
    with pytest.raises(Cancelled):
        sensitivity(resnet, question, "exact", how=How(leave_one_out=True, journal=journal), show=stop, work=work)
    journal.close()
    journal = Journal(tmp_path)
    plans = []
    again = sensitivity(
        resnet, question, "exact", how=How(leave_one_out=True, journal=journal),
        show=lambda found: plans.append(found.plan),
    )  # fmt: skip
    assert plain(again) == plain(whole)
    assert again.plan.kept > 0 and again.plan.kept + again.plan.passes == pytest.approx(whole.plan.passes)


def test_another_model_or_recipe_is_measured_anew(question, tmp_path):
    journal = Journal(tmp_path)
    for seed in (0, 1):
        session = qdebug.open(seeded(Residual, seed), data_for(Residual, 40))
        found = sensitivity(session, question, "exact", how=How(journal=journal))
        assert found.plan.kept == 0
    assert sensitivity(session, question, "exact", how=How(journal=journal)).plan.passes == 0
    assert sensitivity(session, Question.of(["w5a8"]), "exact", how=How(journal=journal)).plan.kept == 0


def test_workers_need_a_model_that_they_can_open(question):
    session = qdebug.open(seeded(Residual), data_for(Residual, 20))
    with pytest.raises(UsageError, match="Workers cannot open"):
        sensitivity(session, question, "exact", how=How(cores=2))


@pytest.mark.parametrize("how", [How(confidence=1.0), How(cores=0), How(confidence=0.1)])
def test_what_makes_no_sense_is_refused(resnet, question, how):
    with pytest.raises(UsageError):
        sensitivity(resnet, question, "exact", how=how)
