"""Training whole networks: what it trains is what is run, it never ends worse, it repeats itself, it can be ended."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
import torch

from qdebug.engine import Work
from qdebug.errors import Cancelled, MethodError
from qdebug.export import export_file
from qdebug.methods.bench import EndedEarly
from qdebug.methods.registry import METHODS
from qdebug.methods.training.loss import Teaching
from qdebug.methods.training.network import Network
from qdebug.methods.training.qat import train_quantized
from qdebug.recipes import BiasCorrection, Qat, Recipe, parse_fix, parse_plan, preset, set_layers
from qdebug.recipes.fixes import written
from qdebug.recipes.fixes.compose import why_not
from qdebug.session import open as open_model
from qdebug.session.repair import Between, Repaired
from tests.networks import Attention, Residual, data_for, seeded

SHORT = Qat(iterations=40, batch=16, learning_rate=0.01)


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    """A workspace of its own, so that nothing is found there."""
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path))


def opened(kind, **more):
    given = {"data": data_for(kind, 16), "train": data_for(kind, 48, seed=2), "calib": data_for(kind, 16, seed=3)}
    return open_model(seeded(kind), **(given | more))


def bench_of(session, plan, work=None):
    """The bench that training gets under a plan, with all layers that it treats."""
    recipe = Recipe(default=parse_plan(plan.removesuffix("-all").removesuffix("-int32")))
    if plan.endswith("-int32"):
        recipe = msgspec.structs.replace(recipe, bias="int32")
    if plan.endswith("-all"):
        recipe = msgspec.structs.replace(recipe, between=preset(plan).between)
    preparer, work = session.preparer, work or Work()
    overlay = preparer.overlay(recipe, work)
    quants = preparer.quants(recipe, overlay, work)
    points, repairs = preparer.points(recipe, overlay, work), preparer.repairs
    bench = repairs._bench(
        Repaired(overlay, quants), preparer.float_sheet_of(overlay), work, Between(points, bool(points))
    )
    treated = [layer for layer in bench.layers if repairs._refusal(METHODS[Qat], bench, layer) is None]
    return replace(bench, layers=treated)


def output_of(bench, batch):
    sheet = bench.sheet_of(bench.overlay, bench.quants, bench.points)
    return bench.engine.output(sheet, batch, Work(), remember=False)


def trained(session, plan, fix, work=None):
    recipe = Recipe(default=parse_plan(plan), fixes=(fix,))
    return session.preparer.sheet(recipe, work or Work())


def bytes_of(sheet):
    return sheet.keys[sheet.program.output]


def divergence(session, sheet, teaching):
    """What training is to make small, on the evaluation data."""
    engine, plain = session.subject.engine, session.preparer.float_sheet
    batches = session.subject.eval_batches
    pairs = [[engine.output(one, batch) for one in (sheet, plain)] for batch in batches]
    return sum(float(teaching(*pair, None)) for pair in pairs) / len(batches)


class Gated(torch.nn.Module):
    """A cell whose matrices run in every step."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(11, 16)
        self.long = torch.nn.LSTM(16, 12, batch_first=True, bidirectional=True)
        self.head = torch.nn.Linear(24, 11)

    def forward(self, tokens):
        return self.head(self.long(self.embed(tokens))[0])


PLANS = ["w4a8", "w3a4-pc", "w4g4a8-dyn", "w4a16", "w8a8-tok", "w8a8-pc-all", "w2a2-pc-int32"]


@pytest.mark.parametrize("kind", [Residual, Attention, Gated])
@pytest.mark.parametrize("plan", PLANS)
def test_before_training_the_network_computes_what_its_sheet_does(kind, plan):
    bench = bench_of(opened(kind), plan)
    network = Network(bench, Qat(start="range"))
    for batch in bench.batches:
        with torch.no_grad():
            assert torch.allclose(network.output(batch), output_of(bench, batch), atol=1e-5)


def test_gradients_of_a_cell_s_weights_are_those_of_the_rounded_cell():
    """Straight through: what torch says of the same cell with the rounded weights in it."""
    bench = bench_of(opened(Gated), "w4a32-pc")
    network = Network(bench, Qat(start="range", weight_steps=False))
    (batch,) = bench.batches
    output = network.output(batch)
    cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(4))
    output.backward(cotangent)
    module = seeded(Gated).eval()
    sheet = bench.sheet_of(bench.overlay, bench.quants, bench.points)
    layers = {layer.name: layer for layer in bench.layers}
    with torch.no_grad():
        for name, weight in module.named_parameters():
            layer = layers.get(name) or layers.get(name.removesuffix(".weight"))
            if layer is not None:
                weight.copy_(sheet.weight(layer, bench.engine.cache))
    module(next(iter(batch.inputs.values()))).backward(cotangent)
    for name in ("long.weight_ih_l0", "long.weight_hh_l0", "long.weight_hh_l0_reverse"):
        expected = dict(module.named_parameters())[name].grad
        torch.testing.assert_close(network.weights[layers[name].weight].grad, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("learned", [True, False])
def test_biases_of_32_bits_are_rounded_in_training_with_a_gradient_to_themselves(learned):
    """At 2 bits their steps are coarse: what training computes is what is run, and not what float biases give."""
    session = opened(Residual)
    outputs = []
    for plan in ("w2a2-pc-int32", "w2a2-pc"):
        bench = bench_of(session, plan)
        network = Network(bench, Qat(start="range", weight_steps=learned, input_steps=learned))
        outputs.append(network.output(bench.batches[0]))
        assert torch.allclose(outputs[-1].detach(), output_of(bench, bench.batches[0]), atol=1e-5)
        outputs[-1].square().sum().backward()
        assert network.biases and all(bool((bias.grad != 0).any()) for bias in network.biases.values())
    assert float((outputs[0] - outputs[1]).detach().abs().max()) > 0.01


class Tied(torch.nn.Module):
    """A weight that an embedding and a linear layer share."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(11, 16)
        self.up = torch.nn.Linear(16, 16)

    def forward(self, tokens):
        return torch.relu(self.up(self.embed(tokens))) @ self.embed.weight.T


@pytest.mark.parametrize("kind", [Residual, Attention, Tied, Gated])
@pytest.mark.parametrize("plan", PLANS)
def test_what_was_trained_is_what_is_run_afterwards(kind, plan):
    bench = bench_of(opened(kind), plan)
    network = Network(bench, SHORT)
    dice = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for leaf in network.leaves:
            leaf.mul_(1 + 0.1 * torch.rand(leaf.shape, generator=dice))
        wanted = [network.output(batch) for batch in bench.batches]
    done = network.bench([leaf.detach().clone() for leaf in network.leaves])
    for batch, one in zip(bench.batches, wanted, strict=True):
        assert torch.allclose(output_of(done, batch), one, atol=1e-5)
    assert all(one.is_on_grid for one in done.overlay.rounded.values())
    assert bool(done.overlay.rounded) != plan.startswith("w4g4")


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("plan", ["w2a8", "w2a8-pc"])
def test_it_brings_the_outputs_back(kind, plan):
    session, teaching = opened(kind), Teaching(-1)
    before = divergence(session, session.preparer.sheet(Recipe(default=parse_plan(plan)), Work()), teaching)
    after = divergence(session, trained(session, plan, SHORT), teaching)
    assert after < 0.5 * before


def test_layers_that_read_the_same_share_a_step():
    session = opened(Attention)
    sheet = trained(session, "w2a8", SHORT)
    plain = session.preparer.sheet(Recipe(default=parse_plan("w2a8")), Work())
    q, k, v, up = (sheet.quants[session.subject.layer(name).step].activation.scale for name in ("q", "k", "v", "up"))
    assert torch.equal(q, k) and torch.equal(q, v) and not torch.equal(q, up)
    assert not torch.equal(q, plain.quants[session.subject.layer("q").step].activation.scale)


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_equal_seeds_give_equal_bytes_and_the_workspace_gives_them_back(kind, tmp_path, monkeypatch):
    first = bytes_of(trained(opened(kind), "w2a8", SHORT))
    files = list((tmp_path / "fixes").iterdir())
    assert len(files) == 1
    content = files[0].read_bytes()
    assert bytes_of(trained(opened(kind), "w2a8", SHORT)) == first
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path / "other"))
    assert bytes_of(trained(opened(kind), "w2a8", SHORT)) == first
    assert [one.read_bytes() for one in (tmp_path / "other" / "fixes").iterdir()] == [content]
    assert bytes_of(trained(opened(kind), "w2a8", msgspec.structs.replace(SHORT, seed=1))) != first


def test_evaluation_data_have_no_part_in_it():
    sheets = [trained(opened(Residual, data=data_for(Residual, 16, seed=seed)), "w2a8", SHORT) for seed in (5, 6)]
    assert bytes_of(sheets[0]) == bytes_of(sheets[1])


def test_training_data_have():
    sheets = [trained(opened(Residual, train=data_for(Residual, 48, seed=seed)), "w2a8", SHORT) for seed in (5, 6)]
    assert bytes_of(sheets[0]) != bytes_of(sheets[1])


def test_calibration_data_serve_where_no_others_are_given():
    assert opened(Residual, train=None).subject.training is not None
    assert bytes_of(trained(opened(Residual, train=None), "w2a8", SHORT)) != bytes_of(
        trained(opened(Residual), "w2a8", SHORT)
    )


def test_without_any_but_evaluation_data_it_is_refused():
    session = opened(Residual, train=None, calib=None)
    card = next(one for one in session.fixes(preset("w4a8")) if one.method == "qat")
    assert all("no data to train on" in (site.refused or "") for site in card.sites)
    with pytest.raises(MethodError, match="no data to train on"):
        trained(session, "w4a8", SHORT)


def test_a_training_that_helps_nothing_leaves_the_model_as_it_was():
    session = opened(Residual)
    wild = msgspec.structs.replace(SHORT, learning_rate=1e6, iterations=3)
    plain = session.preparer.sheet(Recipe(default=parse_plan("w8a8")), Work())
    assert bytes_of(trained(session, "w8a8", wild)) == bytes_of(plain)


@pytest.mark.parametrize("plan", ["w8a8", "w2a8"])
def test_on_held_out_samples_it_never_ends_above_where_it_began(plan):
    for seed in range(3):
        said = []
        work = Work(lambda progress, said=said: said.append(progress.text))
        train_quantized(bench_of(opened(Residual), plan, work), msgspec.structs.replace(SHORT, seed=seed))
        best = [float(text.partition("held out ")[2].partition(" ")[0]) for text in said if "held out" in text]
        assert len(best) >= 20 and best == sorted(best, reverse=True)
        assert all("samples from the training data given" in text for text in said if "held out" in text)


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_ended_early_it_is_the_fix_that_stops_there(kind):
    session = opened(kind)
    work = Work()

    def report(progress):
        if progress.done >= 6:
            work.finish()

    work._report = report
    recipe = Recipe(default=parse_plan("w2a8"), fixes=(SHORT,))
    done = session.worked_out(recipe, work)
    (fix,) = done.fixes
    assert 0 < fix.stop < SHORT.iterations
    assert msgspec.structs.replace(fix, stop=0) == SHORT
    kept = bytes_of(session.preparer.sheet(done, Work()))
    fresh = opened(kind)
    assert bytes_of(trained(fresh, "w2a8", fix)) == kept
    assert bytes_of(trained(fresh, "w2a8", SHORT)) != kept


def test_what_was_ended_early_is_found_in_the_workspace(tmp_path, monkeypatch):
    session, work = opened(Residual), Work()
    work._report = lambda progress: work.finish()
    done = session.worked_out(Recipe(default=parse_plan("w2a8"), fixes=(SHORT,)), work)
    monkeypatch.setattr(Network, "output", None)  # training again would fail
    assert opened(Residual).preparer.sheet(done, Work()).overlay.tensors


def test_a_trial_says_what_it_was_ended_as():
    session, work = opened(Residual), Work()
    work._report = lambda progress: work.finish() if "training" in progress.text else None
    trial = session.try_fix(Recipe(default=parse_plan("w2a8")), SHORT, work)
    fix = parse_fix(trial.ended)
    assert fix.stop > 0 and written(fix) == trial.ended
    assert trial.after is not None and len(trial.course) > 1
    assert trial.losses[0].step == 0 and trial.losses[0].training is None
    assert trial.losses[-1].step == fix.stop and trial.losses[-1].training is not None
    assert session.try_fix(Recipe(default=parse_plan("w2a8")), SHORT).ended == ""


def test_it_can_be_cancelled_too():
    session, work = opened(Residual), Work()
    work._report = lambda progress: work.cancel() if "training" in progress.text else None
    with pytest.raises(Cancelled, match="Cancelled"):
        session.worked_out(Recipe(default=parse_plan("w2a8"), fixes=(SHORT,)), work)


def test_enough_before_anything_was_reached_waits_for_the_first_look():
    work = Work()
    work.finish()
    with pytest.raises(EndedEarly) as early, work.takes_less():
        train_quantized(bench_of(opened(Residual), "w2a8", work), SHORT)
    assert early.value.fix.stop == SHORT.iterations // 20


def test_work_says_when_it_can_be_ended():
    work = Work()
    with work.ends_when_enough():
        assert not work.can_finish  # nobody there who could do with less
    with work.takes_less():
        assert not work.can_finish
        with work.ends_when_enough():
            assert work.can_finish
            work.finish()
            assert not work.can_finish
        assert work.is_enough
    assert not work.is_enough


def test_who_asks_for_a_score_gets_that_of_all_of_it():
    """Only whoever can go on with another recipe is given one."""
    session, work = opened(Residual), Work()
    work._report = lambda progress: work.finish()
    recipe = Recipe(default=parse_plan("w2a8"), fixes=(SHORT,))
    assert session.score(recipe, work).metric == opened(Residual).score(recipe).metric


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_labels_can_count(share):
    session = opened(Residual)
    with_labels = trained(session, "w2a8", msgspec.structs.replace(SHORT, labels=share))
    assert bytes_of(with_labels) != bytes_of(trained(session, "w2a8", SHORT))


def test_labels_that_are_not_there_cannot():
    train = data_for(Residual, 48, seed=2)
    del train["labels"]
    fix = msgspec.structs.replace(SHORT, labels=0.5)
    with pytest.raises(MethodError, match="no labels"):
        trained(opened(Residual, train=train), "w2a8", fix)
    unlabelled = {name: {"images": data_for(Residual, 16, seed=4)["images"]} for name in ("data", "train", "calib")}
    with pytest.raises(MethodError, match="scores of classes"):
        trained(opened(Residual, **unlabelled), "w2a8", fix)


def test_outputs_without_labels_are_trained_by_their_squares():
    unlabelled = {name: {"images": data_for(Residual, 32, seed=4)["images"]} for name in ("data", "train", "calib")}
    session = opened(Residual, **unlabelled)
    plain = session.preparer.sheet(Recipe(default=parse_plan("w2a8")), Work())
    after, before = (divergence(session, one, Teaching(None)) for one in (trained(session, "w2a8", SHORT), plain))
    assert after < 0.5 * before


def test_layers_in_float_are_left_alone():
    session = opened(Attention)
    recipe = set_layers(Recipe(default=parse_plan("w2a8"), fixes=(SHORT,)), {"head": parse_plan("w32a32")})
    sheet = session.preparer.sheet(recipe, Work())
    head, up = session.subject.layer("head"), session.subject.layer("up")
    assert head.weight not in sheet.overlay.tensors and up.weight in sheet.overlay.tensors
    card = next(one for one in session.fixes(recipe) if one.method == "qat")
    assert {site.layers[0] for site in card.sites if site.refused} == {"head", "embed"}


def test_the_float_metric_stays_the_models_own():
    session = opened(Residual)
    recipe = Recipe(default=parse_plan("w2a8"), fixes=(SHORT, BiasCorrection()))
    plain, fixed = session.score(Recipe(default=parse_plan("w2a8"))), session.score(recipe)
    assert plain.metric.float_ == fixed.metric.float_
    assert session.evaluate(recipe).layers


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_the_exported_file_computes_what_was_trained(kind, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    session = opened(kind)
    fix = msgspec.structs.replace(SHORT, start="range", iterations=100, learning_rate=0.003)
    recipe = Recipe(default=parse_plan("w4a8"), fixes=(fix,))
    export_file(session, recipe, "onnx", tmp_path / "net.onnx")
    assert session.preparer.sheet(recipe, Work()).overlay.rounded
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    run = runtime.InferenceSession(str(tmp_path / "net.onnx"), options)
    batch = session.subject.eval_batches[0]
    (found,) = run.run(None, {name: value.numpy() for name, value in batch.inputs.items()})
    wanted = session.output(recipe, batch)
    assert torch.allclose(torch.from_numpy(found)[: batch.count], wanted, atol=1e-4 * float(wanted.abs().max()))


def test_training_goes_with_equalization_and_correction_and_with_no_other_rounding():
    for text in ("cle", "smoothquant", "awq", "bias-correction"):
        assert why_not(Qat(), parse_fix(text)) is None
    for text in ("gptq", "adaround", "hqq", "hadamard", "low-rank"):
        assert "Training changes the weights" in (why_not(Qat(), parse_fix(text)) or "")


def test_a_fix_is_written_as_it_is_read():
    fix = Qat(iterations=30, weight_steps=False, schedule="two-stage", labels=0.25)
    assert written(fix) == "qat:iterations=30:schedule=two-stage:weight_steps=false:labels=0.25"
    assert parse_fix(written(fix)) == fix
    assert written(Qat()) == "qat"
