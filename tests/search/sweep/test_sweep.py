"""Exact sweeps: the numbers, the parts, leaving one out, stopping and going on."""

from itertools import pairwise

import numpy as np
import pytest

import qdebug
from qdebug.engine import Work
from qdebug.errors import Cancelled, RecipeError, UsageError
from qdebug.recipes import Recipe, preset, set_layers
from qdebug.search.predict.projector import Projector
from qdebug.search.sensitivity import Question, outlook, predicted, sensitivity
from qdebug.search.sweep.bench import Bench, Task
from qdebug.search.sweep.foretold import Foretold
from qdebug.search.sweep.items import items
from qdebug.search.sweep.journal import Journal
from qdebug.search.sweep.plan import How
from qdebug.search.sweep.run import Sweep
from qdebug.search.sweep.runners import Here
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


@pytest.mark.parametrize("count", [1, 5, 16, 17, 33, 100, 540, 700])
def test_parts_hold_every_sample_once(count):
    samples = Samples(qdebug.open(seeded(Residual), data_for(Residual, count)).subject)
    sizes = [batch.count for batch in samples.batches]
    assert samples.ends[-1] == count == sum(sizes)
    assert [one for part in samples.parts for one in range(*part)] == list(range(len(samples.batches)))
    assert [sum(sizes[:last]) for _, last in samples.parts] == list(samples.ends)
    assert [len(samples.labels(place)) for place in range(len(sizes))] == sizes
    assert samples.part_of(*samples.parts[-1]) == pytest.approx(sum(sizes[slice(*samples.parts[-1])]) / count)


def test_batches_grow_with_the_parts():
    """Small batches are for small parts alone: each costs the same calls."""
    samples = Samples(qdebug.open(seeded(Residual), data_for(Residual, 540)).subject)
    assert [batch.count for batch in samples.batches] == [68, 68, 136, 268]


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


@pytest.mark.parametrize("how", [How(confidence=1.0), How(cores=0), How(worst=-1), How(confidence=0.1)])
def test_what_makes_no_sense_is_refused(resnet, question, how):
    with pytest.raises(UsageError):
        sensitivity(resnet, question, "exact", how=how)


def test_each_sample_is_told_its_own_prediction(resnet, question):
    """Predictions come in the data's own order, a sweep looks at samples in a random one."""
    samples = Samples(resnet.subject)
    (plan,) = (plan for _, plan in question.formats)
    projector = Projector(resnet, question.recipe, (plan.weight,), (plan.activation,), turns=4)
    found = projector.project(projector.parts())
    foretold = Foretold(found, question.formats, samples.order)
    bench = Bench(resnet, samples)
    for item in items(resnet, question, {}, False)[:4]:
        errors = bench.measure(Task(0, item.recipe, item.base, 0, len(samples.batches)), Work()).values[2:]
        predicted = foretold.of(item.layer, item.format)
        assert np.corrcoef(errors, predicted)[0, 1] > 0.4 > abs(np.corrcoef(errors, predicted[samples.order])[0, 1])
    assert foretold.of("no such layer", "w4a8") is None


def tasks_of(session, question, samples):
    """All items on all data, in batches."""
    whole = len(samples.batches)
    return [
        Task(place, item.recipe, item.base, 0, whole) for place, item in enumerate(items(session, question, {}, True))
    ]


@pytest.mark.parametrize("held", [0, 1 << 18])  # looked at batch by batch, and when all have run
def test_measured_together_they_are_the_same_bytes(resnet, question, held, monkeypatch):
    samples = Samples(resnet.subject)
    tasks = tasks_of(resnet, question, samples)
    alone = [Bench(resnet, samples).measure(task, Work()) for task in tasks]
    monkeypatch.setattr("qdebug.search.sweep.bench._HELD", held)
    monkeypatch.setattr("qdebug.search.sweep.bench._TOGETHER", 60.0)
    found = Bench(resnet, samples).measure_some(tasks, Work())
    assert [(one.number, one.numbers) for one in found] == [(one.number, one.numbers) for one in alone]


def test_a_sweep_keeps_how_the_outputs_change(tmp_path):
    """A few outputs are kept as they are, sample by sample in the sweep's order, on disk as in memory."""
    session = qdebug.open(seeded(Residual), data_for(Residual, 60))
    journal, float_ = Journal(tmp_path), session.metric(Recipe(), session.subject.eval_batches[:1])
    todo = items(session, Question.of(["w4a8"]), {}, leave_one_out=True)
    for _ in range(2):  # the second recalls
        sweep = Sweep(session, How(journal=journal, leave_one_out=True))
        book = sweep.book(todo, float_)
        with sweep.runner() as runner:
            for _ in sweep.go(runner, book, sweep.plan(book, 1.0), Work()):
                pass
    for place, item in enumerate(todo):
        change = [
            (session.output(item.recipe, batch) - session.output(Recipe(), batch)).numpy()
            for batch in session.subject.eval_batches
        ]
        expected = np.concatenate(change)[sweep.samples.order].ravel() if item.kind == "alone" else np.zeros(0)
        assert book.change(place).shape == expected.shape
        np.testing.assert_allclose(book.change(place), expected, atol=1e-5)
    other = sweep.book(todo, float_, "kl")
    assert {other.task(place, 0).sums for place in range(len(todo))} == {0}


def test_so_many_are_measured_together_as_little_time_allows(resnet, question, monkeypatch):
    samples = Samples(resnet.subject)
    tasks = tasks_of(resnet, question, samples)
    monkeypatch.setattr("qdebug.search.sweep.bench._TOGETHER", 0.0)
    assert [one.number for one in Bench(resnet, samples).measure_some(tasks, Work())] == [0]
    found = Here(Bench(resnet, samples)).run(tasks, Work())
    assert [one.number for one in found] == [task.number for task in tasks]


def test_what_fails_does_not_take_what_was_measured_before_along(resnet, question, monkeypatch):
    samples = Samples(resnet.subject)
    first, second, *_ = tasks_of(resnet, question, samples)
    monkeypatch.setattr("qdebug.search.sweep.bench._TOGETHER", 60.0)
    wrong = Task(7, set_layers(Recipe(), {"no such layer": preset("w4a8").default}), Recipe(), 0, 1)
    seen = []
    with pytest.raises(RecipeError, match="no such layer"):
        for answer in Here(Bench(resnet, samples)).run([first, second, wrong], Work()):
            seen.append(answer.number)
    assert seen == [first.number, second.number]
    stopped = Work()
    stopped.cancel()
    with pytest.raises(Cancelled):
        Bench(resnet, samples).measure_some([first, second], stopped)


def test_what_is_still_to_come_is_told_until_all_is_measured(resnet, question):
    seen = []
    found = sensitivity(resnet, question, "exact", show=seen.append)
    layer = found.rows[0].layer
    rows = [next(row for row in one.rows if row.layer == layer) for one in seen]
    by_count = {row.n: row for row in rows}
    shares = [row.unseen for n, row in sorted(by_count.items()) if n]
    assert shares[-1] is None and all(0 < later <= before for before, later in pairwise(shares[:-1]))
    assert all(row.exact == row.exact_ci95[0] for row in found.rows)


def test_only_the_worst_of_each_format_where_no_more_is_asked_for(resnet):
    question = Question.of(["w4a8", "w8a8"])
    found = sensitivity(resnet, question, "exact", how=How(worst=2, leave_one_out=True))
    for name in found.formats:
        rows = sorted(found.of_format(name), key=lambda row: -row.predicted)
        assert [row.exact is not None for row in rows] == [True] * 2 + [False] * (len(rows) - 2)
        assert [row.gain is not None for row in rows] == [True] * 2 + [False] * (len(rows) - 2)
    whole = next(one for one in found.whole if one.format == "w4a8")
    assert whole.exact == pytest.approx(direct(resnet, preset("w4a8"))[0], rel=1e-5)  # all layers, not the worst two
    assert found.plan.items == 2 * 2 + 2 + 2 * 2


def test_an_outlook_tells_cost_and_journal_and_measures_nothing(resnet, question, tmp_path, monkeypatch):
    foretold = predicted(resnet, question)
    journal = Journal(tmp_path)
    before = outlook(resnet, question, How(journal=journal), foretold)
    assert before.rows == foretold.table.rows and before.plan.kept == 0 and before.plan.passes > 0
    measured = sensitivity(resnet, question, "exact", how=How(journal=journal, worst=3), foretold=foretold)
    for name in ("measure", "measure_some"):
        monkeypatch.setattr(f"qdebug.search.sweep.bench.Bench.{name}", None)
    found = outlook(resnet, question, How(journal=journal, worst=1), foretold, forward=0.25)
    assert [row.exact for row in found.rows] == [row.exact for row in measured.rows]
    assert sum(row.exact is not None for row in found.rows) == 3
    assert (found.plan.items, found.plan.passes, found.plan.seconds) == (1, 0.0, 0.0)
    rest = outlook(resnet, question, How(journal=journal), foretold, forward=0.25)
    assert rest.plan.kept + rest.plan.passes == pytest.approx(before.plan.passes)
    assert rest.plan.seconds == pytest.approx(0.25 * rest.plan.passes)


def test_an_outlook_shows_what_a_killed_sweep_left_half_done(resnet, question, tmp_path):
    foretold, work, journal = predicted(resnet, question), Work(), Journal(tmp_path)

    def stop(found):
        if sum(row.n for row in found.rows) and all(row.n for row in found.rows):
            work.cancel()

    with pytest.raises(Cancelled):
        sensitivity(resnet, question, "exact", how=How(journal=journal), foretold=foretold, show=stop, work=work)
    found = outlook(resnet, question, How(journal=journal), foretold)
    assert all(0 < row.n < found.of for row in found.rows)
    assert all(row.exact_ci95[0] < row.exact < row.exact_ci95[1] for row in found.rows)


def test_measuring_starts_from_predictions_that_were_made_before(resnet, question, plain, monkeypatch):
    whole, foretold = sensitivity(resnet, question, "exact"), predicted(resnet, question)
    monkeypatch.setattr("qdebug.search.sensitivity._projected", None)
    assert plain(sensitivity(resnet, question, "exact", foretold=foretold)) == plain(whole)


def test_answers_may_come_in_any_order(resnet, question, plain, monkeypatch):
    """Workers may have measured all layers but one before all layers."""
    how = How(until="order", leave_one_out=True)
    expected = sensitivity(resnet, question, "exact", how=how)

    class Backwards(Here):
        def run(self, tasks, work):
            yield from super().run(tasks[::-1], work)

    monkeypatch.setattr("qdebug.search.sweep.run.Here", Backwards)
    assert plain(sensitivity(resnet, question, "exact", how=how)) == plain(expected)


def test_what_was_shown_is_in_the_journal_when_whoever_looked_failed(resnet, question, tmp_path):
    foretold, journal, seen = predicted(resnet, question), Journal(tmp_path), []

    def fail(found):
        seen.append(sum(row.exact is not None for row in found.rows))
        if seen[-1] == 3:
            raise KeyError

    with pytest.raises(KeyError):
        sensitivity(resnet, question, "exact", how=How(journal=journal), foretold=foretold, show=fail)
    again = outlook(resnet, question, How(journal=Journal(tmp_path)), foretold)
    assert sum(row.exact is not None for row in again.rows) == 3
