"""Bias correction without data: the mean of a clipped normal, the means that follow from batch normalizations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from qdebug.doors import load_sample
from qdebug.engine import Work
from qdebug.methods.absorption import through
from qdebug.methods.clipped_normal import clipped_mean, leaky_mean
from qdebug.recipes import BiasCorrection, CrossLayerEqualization, Gptq, Recipe, parse_plan, preset, with_fix
from qdebug.session import open as open_model
from tests.methods.test_bias_correction import channel_means

ANALYTIC = BiasCorrection(means="batch-norm")


@pytest.mark.parametrize(("low", "high"), [(0.0, math.inf), (0.0, 6.0), (-1.0, 1.0), (-math.inf, 2.0)])
def test_the_clipped_normal_is_that_of_a_monte_carlo(low, high):
    random = torch.Generator().manual_seed(0)
    mean, deviation = torch.linspace(-7, 7, 29).double(), torch.linspace(0.1, 4, 29).double()
    count = 400_000
    drawn = mean + deviation * torch.randn(count, 29, generator=random, dtype=torch.float64)
    clipped = drawn.clamp(low, high)
    error = (clipped_mean(mean, deviation, low, high) - clipped.mean(0)).abs()
    assert bool((error <= 5 * clipped.std(0) / math.sqrt(count) + 1e-5).all())


def test_tails_and_channels_that_do_not_vary():
    mean, deviation = torch.tensor([-30.0, 30.0, -2.0, 3.0]).double(), torch.tensor([1.0, 1.0, 0.0, 0.0]).double()
    assert clipped_mean(mean, deviation).tolist() == pytest.approx([0.0, 30.0, 0.0, 3.0], abs=1e-12)
    assert clipped_mean(mean, deviation, 0.0, 2.0).tolist() == pytest.approx([0.0, 2.0, 0.0, 2.0], abs=1e-12)
    # E[relu(x)] far below zero is φ(z)/z² but for a term of 1/z² of it: it does not vanish, and has no wrong sign
    far = float(clipped_mean(torch.tensor(-10.0).double(), torch.tensor(1.0).double()))
    assert far == pytest.approx(math.exp(-50) / math.sqrt(2 * math.pi) / 100, rel=0.04)


def test_a_leaky_relu_by_monte_carlo():
    random = torch.Generator().manual_seed(1)
    mean, deviation = torch.tensor([-1.0, 0.0, 2.0]).double(), torch.tensor([0.5, 1.0, 3.0]).double()
    slopes = torch.tensor([0.1, 0.3, -0.2]).double()
    drawn = mean + deviation * torch.randn(400_000, 3, generator=random, dtype=torch.float64)
    expected = torch.where(drawn > 0, drawn, slopes * drawn).mean(0)
    torch.testing.assert_close(leaky_mean(mean, deviation, slopes), expected, atol=0.02, rtol=0)


class Normed(nn.Module):
    """What β and γ say is true: inputs, and every layer's outputs, are normal and independent but for mixing."""

    def __init__(self, activation=None, *, pool=False):
        super().__init__()
        self.first, self.norm = nn.Conv2d(6, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.second, self.after = nn.Conv2d(8, 8, 3, groups=2), nn.BatchNorm2d(8)
        self.third, self.head = nn.Conv2d(8, 8, 1), nn.Linear(8, 4)
        self.activation, self.pool = activation or nn.ReLU(), nn.MaxPool2d(2, 1) if pool else nn.Identity()

    def forward(self, x):
        x = self.pool(self.activation(self.norm(self.first(x))))
        y = self.after(self.second(x))
        return self.head((y + self.third(torch.relu(y))).mean((2, 3)))


def opened(**how):
    torch.manual_seed(2)
    model = Normed(**how)
    with torch.no_grad():
        for norm in (model.norm, model.after):
            norm.weight.uniform_(-2, 2)
            norm.bias.uniform_(-1, 2)
    random = torch.Generator().manual_seed(3)
    x = torch.randn(512, 6, 6, 6, generator=random)
    model.train()
    for momentum in (1.0, 1.0):
        model.norm.momentum = model.after.momentum = momentum
        model(x)
    return open_model(model.eval(), {"x": x[:256], "labels": torch.zeros(256).long()}, calib={"x": x[256:]})


def expected(session, recipe=None):
    sheet = session._preparer.float_with_fixes(recipe or Recipe(), Work())
    means, reasons = session._preparer.repairs.expected(sheet)
    name = {layer.step: layer.name for layer in session._subject.layers}
    return {name[step]: one for step, one in means.items()}, {name[step]: why for step, why in reasons.items()}


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.3), nn.PReLU(8), nn.ReLU6(), nn.Identity()])
def test_the_means_of_layers_inputs_are_those_of_the_data(activation):
    session = opened(activation=activation)
    for recipe in (Recipe(), Recipe(fixes=(CrossLayerEqualization(),))):
        means, reasons = expected(session, recipe)
        assert set(means) == {"second", "third"}
        sheet = session._preparer.float_with_fixes(recipe, Work())
        for name, mean in means.items():
            layer = session._subject.layer(name)
            rows = torch.cat([
                session._subject.engine.values(sheet, batch, (layer.x,))[layer.x].double().movedim(1, 0).flatten(1)
                for batch in session._subject.calib_batches
            ], 1)  # fmt: skip
            torch.testing.assert_close(mean, rows.mean(1), atol=0.12 * float(rows.std()), rtol=0)
        assert reasons["first"] == "nothing is known of the model's input without data"
        assert "has no batch normalization" in reasons["head"]


def test_equalization_takes_the_normalizations_statistics_along():
    session = opened()
    norms, state = session._subject.program.norms, session._subject.program.state
    overlay = session._preparer.overlay(Recipe(fixes=(CrossLayerEqualization(absorb=False),)), Work())
    first = session._subject.layers[0]
    scale = state[first.bias] / overlay.tensors[first.bias]
    for index in norms[first.step]:
        torch.testing.assert_close(state[index] / overlay.tensors[index], scale, rtol=1e-4, atol=0)
    assert float(scale.std()) > 0.1


def test_what_stands_in_between_may_say_nothing():
    _, reasons = expected(opened(pool=True))
    assert "largest values" in reasons["second"]


def test_it_is_the_papers_equation_and_nearly_the_empirical_correction():
    session = opened()
    bare = Recipe(default=parse_plan("w4a32"))
    sheet, fixed = (session._preparer.sheet(one, Work()) for one in (bare, with_fix(bare, ANALYTIC)))
    empirical = session._preparer.sheet(with_fix(bare, BiasCorrection()), Work())
    means, _ = expected(session)
    subject, cache = session._subject, session._subject.engine.cache
    for name in ("second", "third"):
        layer = subject.layer(name)
        off = sheet.weight(layer, cache).double() - subject.program.state[layer.weight].double()
        each = len(off) // layer.groups
        by_hand = torch.stack([
            sum(off[out, i].sum() * means[name][(out // each) * off.shape[1] + i] for i in range(off.shape[1]))
            for out in range(len(off))
        ])  # fmt: skip
        bias = subject.program.state[layer.bias].double()
        taken = bias - fixed.constant(layer.bias, cache).double()
        torch.testing.assert_close(taken, by_hand, rtol=1e-4, atol=1e-5)
        measured = bias - empirical.constant(layer.bias, cache).double()
        if name == "second":  # the third layer's empirical one also corrects what the second's rounding left
            assert float((taken - measured).norm() / measured.norm()) < 0.15
    for name in ("first", "head"):
        assert subject.layer(name).bias not in fixed.overlay.tensors
    reference = session._preparer.float_sheet
    for layer in (subject.layer("second"), subject.layer("third")):
        meant = channel_means(session, reference, layer)
        wrong, left = ((channel_means(session, one, layer) - meant).norm() for one in (sheet, fixed))
        assert left < wrong


def test_it_follows_what_another_fix_rounded():
    session = opened()
    recipe = with_fix(with_fix(Recipe(default=parse_plan("w4a32")), Gptq()), ANALYTIC)
    sheet = session._preparer.sheet(recipe, Work())
    layer = session._subject.layer("third")
    means, _ = expected(session)
    off = sheet.overlay.rounded[layer.step].values.double() - session._subject.program.state[layer.weight].double()
    taken = session._subject.program.state[layer.bias] - sheet.overlay.tensors[layer.bias]
    torch.testing.assert_close(taken.double(), off.flatten(1) @ means["third"], rtol=1e-4, atol=1e-5)


def test_a_network_whose_normalizations_are_gone_says_so():
    session = open_model("digits-mobilenet")
    recipe = with_fix(preset("w8a8"), ANALYTIC)
    (card,) = (card for card in session.fixes(recipe) if card.method == "bias-correction")
    reasons = {site.layers[0]: site.refused for site in card.sites}
    assert reasons["stem.conv"] == "nothing is known of the model's input without data"
    assert "folded before the model was opened, β and γ are gone" in reasons["blocks.0.dw"]
    assert all(reasons.values())
    assert not session._preparer.sheet(recipe, Work()).overlay.tensors


class Restored(nn.Conv2d):
    """A convolution with a batch normalization behind it that changes nothing, and knows what passes through it."""

    def __init__(self, conv):
        super().__init__(
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, groups=conv.groups
        )
        self.load_state_dict(conv.state_dict())
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x):
        return self.norm(super().forward(x))


@pytest.fixture(scope="module")
def restored():
    sample = load_sample("digits-mobilenet")
    module = with_normalizations(sample.module, torch.as_tensor(sample.calib["images"]))
    return open_model(module, sample.data, calib=sample.calib)


@torch.no_grad()
def with_normalizations(module, images):
    """The network with normalizations as they were while it was trained: β and γ are the outputs' on these images."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Conv2d:
                setattr(parent, name, Restored(child))
    hooks = [one.norm.register_forward_pre_hook(_take) for one in module.modules() if isinstance(one, Restored)]
    module.eval()(images)
    for hook in hooks:
        hook.remove()
    return module


def _take(norm, inputs):
    rows = inputs[0].movedim(1, 0).flatten(1)
    variance, mean = torch.var_mean(rows, 1, correction=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.bias.copy_(mean)
    norm.weight.copy_((variance + norm.eps).sqrt())


@pytest.mark.parametrize("fixes", [(), (CrossLayerEqualization(),)])
def test_against_the_empirical_correction_on_mobilenet(restored, fixes):
    """Each layer's shift on float inputs, held against what the data say; borders count where there are any."""
    session, base = restored, Recipe(default=parse_plan("w8a32"), fixes=fixes)
    subject, prepared = session._subject, session._preparer
    means, reasons = expected(session, base)
    assert set(reasons) == {"stem.conv"}
    sheet, reference = prepared.sheet(base, Work()), prepared.float_with_fixes(base, Work())
    fixed = prepared.sheet(with_fix(base, ANALYTIC), Work())
    for layer in subject.layers[1:]:
        alone = prepared.sheet_of(reference.overlay, {layer.step: sheet.quants[layer.step]})
        wanted = channel_means(session, alone, layer) - channel_means(session, reference, layer)
        cache = subject.engine.cache
        shift = (reference.constant(layer.bias, cache) - fixed.constant(layer.bias, cache)).double()
        assert float((shift - wanted).norm() / wanted.norm()) < 0.35
        if layer.is_depthwise:
            off = sheet.weight(layer, cache).double() - reference.constant(layer.weight, cache).double()
            endless = through(layer, off, means[layer.name])
            assert float((shift - wanted).norm()) < 0.75 * float((endless - wanted).norm())


def test_on_mobilenet_it_helps_behind_equalization(restored):
    def wrong(*fixes):
        sheet = restored._preparer.sheet(Recipe(default=preset("w8a8").default, fixes=fixes), Work())
        engine, off = restored._subject.engine, 0.0
        for batch in restored._subject.eval_batches:
            one, two = (engine.output(each, batch).double() for each in (restored._preparer.float_sheet, sheet))
            off += float((one - two).square().sum())
        return off

    pairs = CrossLayerEqualization(residual=False)
    nothing, equalized, analytic, data = wrong(), wrong(pairs), wrong(pairs, ANALYTIC), wrong(pairs, BiasCorrection())
    assert data < analytic < equalized < nothing
