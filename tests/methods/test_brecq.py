"""BRECQ against every rounding of a small block, autograd and rounding to nearest, and on whole models."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from qdebug.engine import Work
from qdebug.errors import Cancelled
from qdebug.methods.blocks import blocks_of
from qdebug.methods.fisher import curvature
from qdebug.methods.learned_steps import LearnedStep
from qdebug.methods.replay import Given, Replay
from qdebug.quantize import QParams, fake_quantize, rows
from qdebug.quantize.neighbours import neighbours
from qdebug.recipes import AdaRound, Brecq, Hadamard, Recipe, parse_plan, parse_weight_format
from qdebug.recipes.plan import LayerPlan, TensorPlan
from qdebug.session import open as open_model
from qdebug.session.repair import Repaired
from tests.networks import Attention, Residual, data_for, seeded


def recipe_of(plan, *fixes):
    return Recipe(default=parse_plan(plan), fixes=fixes)


def bench_of(session, recipe):
    preparer = session.preparer
    sheet = preparer.sheet(Recipe(default=recipe.default), Work())
    state = Repaired(sheet.overlay, sheet.quants)
    return preparer.repairs._bench(state, preparer.float_sheet, Work())


class Branch(nn.Module):
    """A residual branch of two small layers."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(3, 2), nn.Linear(2, 3)

    def forward(self, x):
        """``[N, 3]`` to ``[N, 3]``."""
        return x + self.down(torch.relu(self.up(x)))


def branch(seed):
    torch.manual_seed(seed)
    mixing = torch.randn(3, 3)
    model, x = Branch().eval(), torch.randn(64, 3) @ mixing
    return open_model(model, {"x": x, "labels": torch.arange(64) % 3}), x


def block_error(session, x, recipe):
    sheet, layers = session.preparer.sheet(recipe, Work()), session.subject.by_name
    cache = session.subject.engine.cache
    up, down = (sheet.weight(layers[name], cache).double() for name in ("up", "down"))
    return _squared(session, x, up, down)


def _squared(session, x, up, down):
    state = {
        name: session.preparer.float_sheet.constant(part, session.subject.engine.cache).double()
        for layer in session.subject.layers
        for name, part in ((f"{layer.name}.w", layer.weight), (f"{layer.name}.b", layer.bias))
    }

    def out(first, second):
        hidden = (x.double() @ first.transpose(-1, -2) + state["up.b"]).relu()
        return hidden @ second.transpose(-1, -2)

    wanted = out(state["up.w"], state["down.w"])
    return (out(up, down) - wanted).square().sum((-1, -2)) / len(x)


def every_rounding(session, x, recipe):
    """The error of each of the 4,096 roundings up or down of both layers."""
    bench = bench_of(session, recipe)
    choices = []
    for layer in session.subject.layers:
        problem = bench.problem(layer)
        below, above = neighbours(problem.weight, problem.grid)
        ups = torch.tensor(list(itertools.product([False, True], repeat=6))).view(-1, *below.shape)
        choices.append(torch.where(ups, above, below).double())
    up, down = choices
    return torch.stack([_squared(session, x, one.expand(len(down), 2, 3), down) for one in up]).flatten()


def test_it_comes_close_to_the_best_of_all_roundings_of_a_block():
    close = better = 0
    plan, fix = "w3a16", Brecq(iterations=1000, batch=64)
    for seed in range(4):
        session, x = branch(seed)
        every = every_rounding(session, x, recipe_of(plan))
        nearest, found, layerwise = (
            float(block_error(session, x, recipe_of(plan, *fixes))) for fixes in ((), (fix,), (AdaRound(),))
        )
        best = float(every.min())
        assert best <= found * (1 + 1e-6) <= nearest * (1 + 1e-5)
        close += found - best <= 0.1 * (nearest - best) + 1e-9
        better += found <= layerwise * (1 + 1e-6)
    assert close >= 3
    assert better >= 3


def test_a_replayed_block_computes_what_the_engine_does():
    for kind in (Residual, Attention):
        session = open_model(seeded(kind), data_for(kind))
        bench = bench_of(session, recipe_of("w4a8"))
        engine = bench.engine
        for block in blocks_of(engine.program, bench.layers, engine.layers):
            for batch in bench.batches_of(8):
                values = engine.values(bench.sheet, batch, (*block.reads, block.target))
                given = Given(batch, {step: values[step] for step in block.reads})
                found = Replay(bench, bench.sheet, block.steps).values(given)[block.target]
                assert torch.allclose(found, values[block.target], rtol=1e-5, atol=1e-6)


def test_the_weighting_is_the_diagonal_of_the_fisher_information():
    session = open_model(seeded(Residual), data_for(Residual))
    bench = bench_of(session, recipe_of("w4a16"))
    block = blocks_of(bench.engine.program, bench.layers, bench.engine.layers)[1]
    (batch,) = bench.batches_of(24)
    found = curvature(bench, block.target, batch, seed=0, draws=4000)
    model = seeded(Residual)
    pooled = bench.engine.values(bench.reference, batch, (block.target,))[block.target].double().requires_grad_()
    p = (pooled @ model.head.weight.double().T + model.head.bias.double()).softmax(1)
    exact = torch.zeros_like(pooled)
    for label in range(5):
        (slope,) = torch.autograd.grad(p[:, label].log().sum(), pooled, retain_graph=True)
        exact += p[:, label : label + 1].detach() * slope.square()
    assert torch.allclose(found.double(), exact / exact.mean(), rtol=0.15)


def test_outputs_that_are_no_class_scores_count_by_their_squares():
    data = data_for(Residual)
    session = open_model(seeded(Residual), {"images": data["images"]})
    bench = bench_of(session, recipe_of("w4a16"))
    assert bench.class_axis is None
    (batch,) = bench.batches_of(24)
    assert torch.equal(curvature(bench, bench.engine.program.output, batch, seed=0), torch.ones(24, 5))


@pytest.mark.parametrize("zero", [0.0, 3.0])
def test_a_steps_slope_is_that_of_lsq(zero):
    grid = QParams(torch.tensor(0.1), torch.tensor(zero), 0, 15)
    x = torch.linspace(-1.013, 2, 31).requires_grad_()
    step = LearnedStep(grid)
    found = step(x)
    assert torch.equal(found, fake_quantize(x.detach(), grid))
    slope = torch.linspace(-1, 2, 31)
    found.backward(slope)
    v = x.detach().double() / 0.1
    low, high = -zero, 15 - zero
    each = torch.where(v < low, low, torch.where(v > high, high, v.round() - v))
    assert torch.allclose(step.stretch.grad.double(), 0.1 * (slope * each).sum(), atol=1e-5)
    assert torch.equal(x.grad, torch.where((v >= low) & (v <= high), slope.double(), 0.0).float())


@pytest.mark.parametrize("weighting", ["none", "fisher", "damped"])
@pytest.mark.parametrize(
    ("kind", "weight", "activation"),
    [(Residual, "int3", "w4a8"), (Residual, "int4g4-affine", "w4a16"), (Attention, "nf4g16", "w4a8-tok")],
)
def test_a_models_layers_are_on_their_grids_and_squares_fall_where_they_count(kind, weight, activation, weighting):
    session = open_model(seeded(kind), data_for(kind))
    plan = LayerPlan(parse_weight_format(weight), parse_plan(activation).activation)
    errors = []
    work = _Heard(errors)
    sheet = session.preparer.sheet(
        Recipe(default=plan, fixes=(Brecq(iterations=60, batch=8, weighting=weighting),)), work
    )
    for layer in session.subject.layers:
        if layer.kind == "embedding":
            continue
        rounded = sheet.rounded(layer.step)
        assert rounded is not None
        lying = rows(rounded.values, layer.out_axis).contiguous()
        assert torch.equal(fake_quantize(lying, rounded.grid), lying)
        given = rows(sheet.constant(layer.weight, session.subject.engine.cache), layer.out_axis).contiguous()
        below, above = neighbours(given, rounded.grid)
        assert bool(((lying == below) | (lying == above)).all())
    if weighting == "none":  # the others do not aim at squares of the model's output
        assert errors[-1] < errors[0]


class _Heard(Work):
    def __init__(self, errors):
        super().__init__()
        self._errors = errors

    def error(self, value):
        self._errors.append(value())


def test_steps_of_static_inputs_are_learned_where_nothing_else_hangs_on_them():
    session = open_model(seeded(Residual), data_for(Residual))
    fix = Brecq(iterations=40, batch=8)

    def scales(recipe):
        quants = session.preparer.sheet(recipe, Work()).quants
        return [float(quants[layer.step].activation.scale) for layer in session.subject.layers]

    plain = scales(recipe_of("w4a4"))
    assert scales(recipe_of("w4a4", fix)) != plain
    assert scales(recipe_of("w4a4", Brecq(iterations=40, batch=8, steps=False))) == plain
    held = Recipe(default=parse_plan("w4a4"), between=TensorPlan("int8", symmetric=False), fixes=(fix,))
    assert scales(held) == scales(Recipe(default=held.default, between=held.between))


def test_a_block_reads_what_rounded_blocks_give_or_what_float_ones_do():
    def chosen(**options):
        session = open_model(seeded(Residual), data_for(Residual))
        sheet = session.preparer.sheet(recipe_of("w2a16", Brecq(iterations=60, batch=8, **options)), Work())
        return [sheet.rounded(layer.step).values for layer in session.subject.layers]

    one, two = chosen(), chosen(sequential=False)
    assert torch.equal(one[0], two[0])  # the first block reads the inputs
    assert not all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_the_same_seed_gives_the_same_rounding_on_any_number_of_threads():
    def chosen(threads, seed):
        usual = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            session = open_model(seeded(Residual), data_for(Residual))
            fix = Brecq(iterations=40, batch=4, seed=seed)
            sheet = session.preparer.sheet(recipe_of("w2a8", fix), Work())
            return [sheet.rounded(layer.step).values for layer in session.subject.layers]
        finally:
            torch.set_num_threads(usual)

    once, again = chosen(1, 0), chosen(2, 0)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


def test_it_can_be_stopped_and_says_what_it_rounds():
    seen = []
    work = Work(lambda progress: (seen.append(progress.text), work.cancel() if "BRECQ" in progress.text else None))
    session = open_model(seeded(Residual), data_for(Residual))
    with pytest.raises(Cancelled):
        session.preparer.sheet(recipe_of("w3a16", Brecq()), work)
    assert seen[-1].startswith("rounding stem by itself by BRECQ")


def test_weights_in_a_turned_basis_are_rounded_there():
    session = open_model(seeded(Attention), data_for(Attention))
    fixes = (Hadamard(), Brecq(iterations=40, batch=8))
    sheet = session.preparer.sheet(recipe_of("w3a16", *fixes), Work())
    for name in ("q", "up", "down"):
        layer = session.subject.by_name[name]
        rounded = sheet.rounded(layer.step)
        assert rounded is not None and rounded.basis is not None
        turned = rounded.basis.into(rows(rounded.values, layer.out_axis).contiguous())
        assert torch.allclose(fake_quantize(turned, rounded.grid), turned, atol=1e-5)


def test_layers_that_share_a_learned_step_are_kept_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path))
    recipe = recipe_of("w4a8", Brecq(iterations=20, batch=8))
    once, again = (open_model(seeded(Attention), data_for(Attention)) for _ in range(2))
    one, two = once.preparer.sheet(recipe, Work()), again.preparer.sheet(recipe, Work(_no_brecq))
    q, k = (one.quants[once.subject.by_name[name].step].activation for name in ("q", "k"))
    assert float(q.scale) == float(k.scale)
    assert one.keys == two.keys


def _no_brecq(progress):
    assert "BRECQ" not in progress.text
