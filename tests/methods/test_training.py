"""What training is made of: gradients through rounding against the papers' formulas, losses, schedules, samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from qdebug.methods.training.data import parted, turns
from qdebug.methods.training.descent import BITNET_DECAY, Descent, pace_at
from qdebug.methods.training.loss import Teaching
from qdebug.methods.training.quantizers import Step, WeightRounder
from qdebug.methods.training.steps import first_step, gain_of, round_with_step, straight_through
from qdebug.quantize import QParams, fake_quantize, quantize_weight, weight_grid
from qdebug.recipes import parse_weight_format

LIMITS = [(-7, 7), (-2, 1), (0, 15), (-3, 12)]


def some(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def limits(low, high):
    return torch.tensor(float(low)), torch.tensor(float(high))


@pytest.mark.parametrize(("low", "high"), LIMITS)
def test_gradients_of_a_learned_step_are_the_papers(low, high):
    """Equations 3 and 5, value by value, by hand in float64."""
    v, up = some(400, seed=1) * 2, some(400, seed=2)
    step = torch.tensor(0.31)
    leaf, size = v.clone().requires_grad_(), step.clone().requires_grad_()
    round_with_step(leaf, size, *limits(low, high), 0.25).backward(up)
    at_v, at_step = [], 0.0
    for one, slope in zip((v / step).double().tolist(), up.double().tolist(), strict=True):
        at_v.append(slope if low < one < high else 0.0)
        at_step += slope * (low if one <= low else high if one >= high else round(one) - one)
    assert torch.equal(leaf.grad.double(), torch.tensor(at_v, dtype=torch.float64))
    assert float(size.grad) == pytest.approx(0.25 * at_step, rel=1e-5)


@pytest.mark.parametrize(("low", "high"), LIMITS)
def test_gradients_are_those_of_the_surrogate(low, high):
    """Finite differences of the rounding in which what rounding adds to each value is held fast."""
    v, up = some(300, seed=3).double() * 2, some(300, seed=4).double()
    step = 0.37
    inside = ((v / step) > low) & ((v / step) < high)
    added = (v / step).round() - v / step

    def surrogate(values, size):
        kept = size * (values / size + added)
        return torch.where(inside, kept, (values / step).clamp(low, high).round() * size)

    tiny = 1e-6
    at_step = float(((surrogate(v, step + tiny) - surrogate(v, step - tiny)) * up).sum() / (2 * tiny))
    at_v = (surrogate(v + tiny, step) - surrogate(v - tiny, step)) / (2 * tiny) * up
    leaf, size = v.clone().requires_grad_(), torch.tensor(step, dtype=torch.float64, requires_grad=True)
    round_with_step(leaf, size, *limits(low, high), 1.0).backward(up)
    assert float(size.grad) == pytest.approx(at_step, rel=1e-5)
    assert torch.allclose(leaf.grad[inside], at_v[inside], rtol=1e-5)
    assert not leaf.grad[~inside].any()


def test_each_channels_step_has_a_gradient_of_its_own():
    weight, up = some(4, 3, 2, seed=5), some(4, 3, 2, seed=6)
    steps = torch.tensor([0.1, 0.2, 0.3, 0.4]).view(4, 1, 1).requires_grad_()
    round_with_step(weight, steps, *limits(-7, 7), 1.0).backward(up)
    for row in range(4):
        alone = steps.detach()[row].clone().requires_grad_()
        round_with_step(weight[row], alone, *limits(-7, 7), 1.0).backward(up[row])
        assert torch.allclose(steps.grad[row], alone.grad)


def test_the_factor_and_the_first_step_are_the_papers():
    assert gain_of(576, 7) == pytest.approx(1 / math.sqrt(576 * 7))
    weight = some(8, 50, seed=7)
    wanted = 2 * weight.abs().mean(1) / math.sqrt(7)
    assert torch.allclose(first_step(weight, torch.full((8, 1), 7.0))[:, 0], wanted)
    assert float(first_step(weight.flatten(), torch.tensor(7.0))) == pytest.approx(
        float(2 * weight.abs().mean()) / math.sqrt(7)
    )


def test_straight_through_hands_the_gradient_on_where_nothing_is_clipped():
    x, up = some(20, seed=8).requires_grad_(), some(20, seed=9)
    rounded = x.detach().round()
    found = straight_through(x, rounded)
    assert torch.equal(found, rounded)
    found.backward(up)
    assert torch.equal(x.grad, up)
    x.grad = None
    straight_through(x, rounded, x.detach().abs() < 1).backward(up)
    assert torch.equal(x.grad, torch.where(x.detach().abs() < 1, up, 0.0))


@pytest.mark.parametrize("size", [None, 0.05])
def test_a_step_begins_at_its_grid_and_stays_positive(size):
    grid = QParams(torch.tensor([[0.1], [0.4]]), torch.zeros(2, 1), -7, 7)
    step, v = Step(grid, 10, size), some(2, 10, seed=10)
    assert torch.allclose(step.now().scale, grid.scale)
    assert torch.allclose(step.round(v), fake_quantize(v, grid), atol=1e-6)
    with torch.no_grad():
        step.value.sub_(1.0)
    step.keep_positive()
    assert bool((step.now().scale > 0).all())
    assert bool(torch.isfinite(step.round(v)).all())


def test_learned_in_relation_to_weights_a_step_changes_by_as_large_a_part_as_they_do():
    """Adam moves every number by its rate: an average weight and a step by the same part of themselves."""
    weight = some(400, seed=11) * 0.05
    size = float(weight.square().mean().sqrt())
    step = Step(QParams(torch.tensor(0.013), torch.tensor(0.0), -7, 7), 400, size)
    before = float(step.now().scale)
    Descent([step.value], 0, "adam", 0.001).step((step.round(weight) - 1).square().sum(), 0.001, 0.0)
    change = abs(float(step.now().scale) / before - 1)
    assert change == pytest.approx(0.001 / size, rel=1e-3)


class Plain:
    """A layer, as far as a rounder looks at it."""

    out_axis, name = 0, "net"


@pytest.mark.parametrize("text", ["int4", "int3-pc", "int4g8", "nf4g8", "mxfp4", "ternary", "ternary-pc", "fp16"])
def test_weights_round_while_they_are_trained_as_they_will_be_rounded(text):
    plan, weight = parse_weight_format(text), some(6, 32, seed=12).requires_grad_()
    rounder = WeightRounder(Plain(), plan, weight.detach(), learn=False, relative=False, start="range")
    found = rounder(weight)
    assert torch.equal(found, quantize_weight(weight.detach(), plan)[0])
    assert rounder.rounded(weight.detach()) is None
    found.sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))


def test_weights_beyond_a_chosen_range_get_no_gradient():
    plan = parse_weight_format("int4")
    cut = type(plan)(**{name: getattr(plan, name) for name in plan.__struct_fields__} | {"clip": (-1.0, 1.0)})
    weight = some(6, 32, seed=13).requires_grad_()
    WeightRounder(Plain(), cut, weight.detach(), learn=True, relative=True, start="paper")(weight).sum().backward()
    inside = (weight.detach() > -8.5 / 7) & (weight.detach() < 7.5 / 7)  # codes −8 to 7, and half a step beyond
    assert torch.equal(weight.grad, inside.float())


@pytest.mark.parametrize("start", ["paper", "range"])
def test_where_learned_steps_begin(start):
    plan, weight = parse_weight_format("int4-pc"), some(6, 32, seed=14)
    rounder = WeightRounder(Plain(), plan, weight, learn=True, relative=True, start=start)
    paper = 2 * weight.abs().mean(1, keepdim=True) / math.sqrt(7)
    wanted = paper if start == "paper" else weight_grid(weight, plan).scale
    assert torch.allclose(rounder.step.now().scale, wanted)
    values, grid = rounder.rounded(weight)
    assert torch.equal(values, fake_quantize(weight, grid))
    assert torch.allclose(values, rounder(weight).detach(), atol=1e-6)


def test_the_divergence_is_that_of_the_softmax():
    found, wanted = some(5, 7, seed=15), some(5, 7, seed=16)
    one, two = (torch.softmax(scores.double() / 3, 1) for scores in (wanted, found))
    by_hand = 9 * (one * (one / two).log()).sum(1).mean()
    assert float(Teaching(1, temperature=3.0)(found, wanted, None)) == pytest.approx(float(by_hand), rel=1e-5)
    assert float(Teaching(1)(wanted, wanted, None)) == pytest.approx(0.0, abs=1e-6)


def test_what_no_class_can_have_adds_nothing():
    found, wanted = some(5, 7, seed=17).requires_grad_(), some(5, 7, seed=18)
    wanted[:, 2] = -torch.inf
    loss = Teaching(1)(found, wanted, None)
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert bool(torch.isfinite(found.grad).all())


def test_outputs_that_are_no_scores_are_compared_by_their_squares():
    found, wanted = some(5, 7, seed=19), some(5, 7, seed=20)
    expected = float((found - wanted).square().mean()) / 4
    assert float(Teaching(None, scale=4.0)(found, wanted, None)) == pytest.approx(expected)


def test_labels_count_as_much_as_is_said():
    found, wanted = some(6, 4, 3, seed=21), some(6, 4, 3, seed=22)
    labels = torch.randint(0, 4, (6, 3), generator=torch.Generator().manual_seed(0))
    labels[0, 0] = 255
    picked = torch.log_softmax(found.double(), 1).gather(1, labels.clamp(max=3).unsqueeze(1))[:, 0]
    cross = -picked[labels != 255].mean()
    alone = float(Teaching(1)(found, wanted, None))
    both = float(Teaching(1, labels=0.3, ignored=(255,))(found, wanted, labels))
    assert both == pytest.approx(0.7 * alone + 0.3 * float(cross), rel=1e-5)


def test_the_rate_falls_along_a_cosine():
    rates = [pace_at(turn, 100, "cosine", 0.1, 0.01) for turn in range(101)]
    assert rates[0] == (0.1, 0.01)
    assert rates[50] == pytest.approx((0.05, 0.01))
    assert rates[100][0] == pytest.approx(0.0)


def test_the_two_stages_are_two_lines_and_decay_ends_with_the_first():
    """1.5e-3 falls towards 0 and has reached 0.75e-3 half-way, where 0.5e-3 takes over and falls to 0."""
    rates = [pace_at(turn, 1000, "two-stage", 1.5e-3, 0.0) for turn in range(1001)]
    assert rates[100] == pytest.approx((1.35e-3, BITNET_DECAY))
    assert rates[499][0] == pytest.approx(0.7515e-3)
    assert rates[500] == pytest.approx((0.5e-3, 0.0))
    assert rates[750] == pytest.approx((0.25e-3, 0.0))
    assert rates[1000][0] == 0
    assert [one[0] for one in rates[:50]] == sorted(one[0] for one in rates[:50])
    assert pace_at(100, 1000, "two-stage", 1.5e-3, 0.05)[1] == 0.05


def test_momentum_is_plain_gradient_descent_on_what_the_gradients_have_been():
    leaf = torch.tensor([1.0, -2.0], requires_grad=True)
    by_hand, speed = leaf.detach().double().clone(), torch.zeros(2, dtype=torch.float64)
    descent = Descent([leaf], 1, "sgd", 0.1)
    for _ in range(3):
        descent.step((leaf * leaf).sum(), 0.1, 0.5)
        speed = 0.9 * speed + 2 * by_hand
        by_hand = by_hand * (1 - 0.1 * 0.5) - 0.1 * speed
    assert torch.allclose(leaf.detach().double(), by_hand, atol=1e-6)


@pytest.mark.parametrize(("count", "share", "wanted"), [(100, 0.1, 10), (3, 0.01, 1), (2, 0.9, 1), (20000, 0.5, 512)])
def test_held_out_samples_are_not_trained_on(count, share, wanted):
    train, held_out = parted(count, share, 0)
    assert len(held_out) == wanted
    assert sorted([*train, *held_out]) == list(range(count))


def test_no_more_are_held_out_than_is_said():
    train, held_out = parted(1000, 0.1, 0, most=64)
    assert len(held_out) == 64
    assert sorted([*train, *held_out]) == list(range(1000))


def test_without_any_to_hold_out_all_are_looked_at():
    for count, share in ((1, 0.5), (10, 0.0)):
        train, looked_at = parted(count, share, 0)
        assert list(train) == list(looked_at) == list(range(count))


def test_every_sample_has_its_turn_once_an_epoch_and_other_seeds_have_other_orders():
    places = np.arange(3, 43)
    found = turns(places, 10, 12, 0)
    assert len(found) == 12
    for epoch in range(3):
        assert sorted(np.concatenate(found[4 * epoch : 4 * epoch + 4])) == sorted(places)
    assert any(not np.array_equal(one, two) for one, two in zip(found, turns(places, 10, 12, 1), strict=True))
    assert [len(one) for one in turns(places[:4], 10, 3, 0)] == [4, 4, 4]
