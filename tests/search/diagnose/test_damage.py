"""Which tensors carry the loss: predictions say where to measure, and say it rightly."""

import math

import msgspec
import numpy as np
import pytest
import torch

import qdebug
from qdebug.engine import Work
from qdebug.recipes import Recipe, TensorPlan, parse_plan, set_layers
from qdebug.search.diagnose import damage as room
from qdebug.search.diagnose import diagnose
from qdebug.search.diagnose.damage import damage, predicted
from qdebug.search.diagnose.places import Bench

BETWEEN = TensorPlan("int8", symmetric=False)


@pytest.fixture(scope="module")
def session():
    return qdebug.open("digits-resnet")


class Deep(torch.nn.Module):
    """Sixty residual layers."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(16, 16) for _ in range(60))

    def forward(self, x):
        for layer in self.layers:
            x = x + 0.2 * torch.tanh(layer(x))
        return x


class Rounded(torch.nn.Module):
    """Layers whose output has no gradient."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(6))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return torch.round(x * 8).detach() / 8


def bench_of(session, recipe):
    return Bench(session, recipe, Work())


def test_predictions_rank_as_measuring_does(session):
    """Each tensor in its own format: weights, inputs and values between layers."""
    recipe = set_layers(qdebug.preset("w8a8-pc"), {"blocks.1.conv1": parse_plan("w4a8"), "fc": parse_plan("w8a4")})
    bench = bench_of(session, msgspec.structs.replace(recipe, between=BETWEEN))
    places = bench.places()
    exact = np.array([bench.alone(place) for place in places])
    expected = np.array(predicted(bench, places))
    assert {place.side for place in places} == {"weight", "activation", "output"}
    ranks = [np.argsort(np.argsort(values)) for values in (exact, expected)]
    assert np.corrcoef(*ranks)[0, 1] > 0.95
    assert np.median(np.abs(expected / exact - 1)) < 0.3


def test_what_is_left_float_does_no_damage(session):
    recipe = set_layers(Recipe(), {"fc": parse_plan("w4a32")})
    assert [(one.place.name, one.place.side) for one in damage(bench_of(session, recipe))] == [("fc", "weight")]


def test_only_what_carries_the_damage_is_measured(session):
    recipe = set_layers(qdebug.preset("w8a8-pc"), {"blocks.2.conv1": parse_plan("w2a8")})
    some, every = (damage(bench_of(session, recipe), every=every) for every in (False, True))
    measured = [one for one in some if one.is_measured]
    assert all(one.is_measured for one in every)
    assert len(measured) < 4 < len(some) == len(every)
    assert some[0].place == every[0].place
    assert some[0].error == every[0].error
    assert some[0].share == pytest.approx(every[0].share, abs=0.03)
    assert sum(one.share for one in some) == pytest.approx(1)


def test_never_more_than_the_bound_is_measured(session, monkeypatch):
    monkeypatch.setattr(room, "_MOST", 5)
    found = damage(bench_of(session, qdebug.preset("w4a4")))
    assert sum(one.is_measured for one in found) == 5


def test_the_number_of_passes_does_not_grow_with_the_depth():
    """Of sixty layers, two of which carry the damage, a few are quantized alone."""
    torch.manual_seed(0)
    session = qdebug.open(Deep().eval(), {"x": torch.randn(64, 16)})
    names = [layer.name for layer in session.subject.layers]
    recipe = set_layers(qdebug.preset("w8a8-pc"), {names[7]: parse_plan("w2a8"), names[50]: parse_plan("w8a2")})
    found = diagnose(session, recipe)
    assert found.tensors == 120
    assert found.measured <= 10
    assert {cause.layer for cause in found.causes[:2]} == {names[7], names[50]}


def test_where_no_gradient_comes_back_all_is_measured():
    torch.manual_seed(0)
    session = qdebug.open(Rounded().eval(), {"x": torch.randn(32, 8)})
    found = damage(bench_of(session, qdebug.preset("w3a3")))
    assert [one.is_measured for one in found] == [True] * 12


def test_a_tensor_that_overflows_shares_all_of_the_damage(session):
    bench = bench_of(session, qdebug.preset("w8a8-pc"))
    places = bench.places()[:3]
    assert [one.share for one in room.ranked(places, [1.0, math.inf, 2.0])] == [1.0, 0.0, 0.0]
