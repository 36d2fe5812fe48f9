"""A projection is what a layer's error does to the output along a direction: held against running the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import qdebug
from qdebug.recipes import Recipe, TensorPlan, parse_activation_format, parse_weight_format
from qdebug.search.predict import activations, weights
from qdebug.search.predict.cotangents import draw
from qdebug.search.predict.projector import Projector

WEIGHTS = tuple(map(parse_weight_format, ("int8", "int4-pc", "int3", "fp8_e4m3fn", "int2-pc", "mxfp4")))
INPUTS = tuple(map(parse_activation_format, ("int8", "int4", "int6-sym", "int8-dyn", "fp8_e5m2")))


class Convolutions(nn.Module):
    """Every kind of convolution there is, and nothing that is not linear."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.point = nn.Conv2d(8, 12, 1)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False)
        self.wide = nn.Conv2d(12, 12, 5, padding=2, stride=2, groups=12)
        self.grouped = nn.Conv2d(12, 8, (1, 3), padding=(0, 2), dilation=(1, 2), groups=4)
        self.twice = nn.Conv2d(8, 16, 3, padding=1, groups=8)
        self.up = nn.ConvTranspose2d(16, 6, 2, stride=2, groups=2)
        self.strided = nn.Conv2d(6, 6, 1, stride=2)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (
            self.dense, self.point, self.depthwise, self.wide, self.grouped, self.twice, self.up, self.strided
        ):  # fmt: skip
            x = layer(x)
        return self.head(x.mean((2, 3)))


class Tokens(nn.Module):
    """An embedding and linear layers over tokens, one of them read by two, one with samples and tokens in one axis."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(13, 16)
        self.one, self.two = nn.Linear(16, 24), nn.Linear(16, 24, bias=False)
        self.flat = nn.Linear(24, 8)
        self.first = nn.Linear(8, 8)
        self.conv = nn.Conv1d(8, 5, 3, padding=1)
        self.table = nn.Parameter(torch.randn(5, 3))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = self.one(x) + self.two(x)
        x = self.flat(x.reshape(-1, 24)).view(-1, tokens.shape[1], 8)
        x = self.first(x.transpose(0, 1)).transpose(0, 1)  # samples in the second axis
        return self.conv(x.transpose(1, 2)).transpose(1, 2) @ self.table


class FewPlaces(nn.Module):
    """Layers that read two to four places of a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.wide = nn.Conv2d(16, 12, (1, 2))
        self.tokens = nn.Linear(12, 10)
        self.rows = nn.Linear(10, 24)
        self.table = nn.Parameter(torch.randn(24, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.wide(self.second(self.first(x[..., :4, :4]))).flatten(2).transpose(1, 2)
        x = self.rows(self.tokens(x).reshape(-1, 10)).view(-1, 2, 24)
        return x @ self.table


def opened(kind: type[nn.Module], count: int = 11):
    torch.manual_seed(0)
    if kind is Tokens:
        return qdebug.open(kind().eval(), {"tokens": np.random.default_rng(0).integers(0, 13, (count, 7))})
    return qdebug.open(kind().eval(), {"x": np.random.default_rng(0).normal(size=(count, 3, 16, 16)).astype("f4")})


def really(session, recipe_of, batches, dice_of, turns):
    """⟨z with one thing quantized − z, c⟩ for every direction and sample, by running the model."""
    found = []
    for batch in batches:
        plain = session.output(Recipe(), batch)
        change = session.output(recipe_of, batch).double() - plain.double()
        dice = dice_of(batch)
        rows = [(change * draw(plain, "squared", dice).double()).reshape(batch.count, -1).sum(1) for _ in range(turns)]
        found.append(torch.stack(rows))
    return torch.cat(found, 1).numpy()


def dice_of(batch):
    return torch.Generator().manual_seed(int.from_bytes(batch.key[:7], "little"))


def alone(layer, **plan):
    return Recipe(layers=((layer, qdebug.recipes.LayerPlan(**plan)),))


@pytest.mark.parametrize("kind", [Convolutions, Tokens, FewPlaces])
@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("count", [2, 6])  # few formats are run, many have the weight's gradient
def test_of_a_linear_network_they_are_exact(kind, turns, count):
    session = opened(kind)
    projector = Projector(session, Recipe(), WEIGHTS[:count], INPUTS, turns=turns)
    batches = projector.parts()
    found = projector.project(batches)
    assert found.samples == 11
    assert found.reached.all()
    for layer in session.subject.layers:
        # where samples do not lie along the first axis only their sum is known
        mixed = kind is Tokens and layer.name == "first"
        for plan in WEIGHTS[:count]:
            exact = really(session, alone(layer.name, weight=plan), batches, dice_of, turns)
            compare(found.of(layer.name, plan, TensorPlan()), exact, mixed)
        for plan in INPUTS if layer.kind != "embedding" else ():
            exact = really(session, alone(layer.name, activation=plan), batches, dice_of, turns)
            compare(found.of(layer.name, TensorPlan(), plan), exact, mixed)


def compare(one, two, mixed):
    if mixed:
        one, two = one.sum(1), two.sum(1)
    # the change is a difference of two outputs of about one, in float32
    np.testing.assert_allclose(one, two, rtol=2e-3, atol=2e-4 * float(np.abs(two).max()) + 1e-6)


@pytest.mark.parametrize("kind", [Convolutions, Tokens, FewPlaces])
def test_compiled_loops_and_torch_agree(kind, monkeypatch):
    session = opened(kind)

    def projected():
        projector = Projector(session, Recipe(), WEIGHTS, INPUTS, turns=2)
        return projector.project(projector.parts())

    one = projected()
    monkeypatch.setattr(weights, "kernels", None)
    monkeypatch.setattr(activations, "kernels", None)
    two = projected()
    for a, b in ((one.weight, two.weight), (one.activation, two.activation)):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * float(np.abs(b).max()))


@pytest.mark.parametrize("kind", [Convolutions, Tokens])
def test_both_ways_to_a_weight_s_projections_agree(kind, monkeypatch):
    session = opened(kind)
    found = []
    for is_cheaper in (False, True):
        monkeypatch.setattr(
            weights.WeightChanges, "_is_cheaper_by_gradient", lambda *_, answer=is_cheaper: answer
        )  # whatever they cost
        projector = Projector(session, Recipe(), WEIGHTS, (), turns=2)
        found.append(projector.project(projector.parts()).weight)
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-4 * float(np.abs(found[0]).max()))


@pytest.mark.parametrize("count", [1, 3, 8, 13])  # three and six formats are multiplied at once, and what is left
@pytest.mark.parametrize("near", [3, 5])
def test_gradients_of_few_places_need_not_be_written_down(count, near, monkeypatch):
    pytest.importorskip("numba")
    session, plain, taken = opened(FewPlaces), weights.WeightChanges._by_few, set()
    forms = ("int8", "int7", "int6", "int5", "int4", "int3", "int2")
    plans = [parse_weight_format(f"{form}{rows}") for rows in ("", "-pc") for form in forms][:count]
    monkeypatch.setattr(weights, "_near", lambda width: near)
    monkeypatch.setattr(weights, "_IN_CACHE", 0)  # changes are far away
    found = []
    for least in (0.0, torch.inf):
        monkeypatch.setattr(weights, "_FEW", least)  # always, and never

        def by_few(changes, *given, least=least):
            taken.add((least, changes.layer.name))
            return plain(changes, *given)

        monkeypatch.setattr(weights.WeightChanges, "_by_few", by_few)
        projector = Projector(session, Recipe(), plans, (), turns=2)
        found.append(projector.project(projector.parts()).weight)
    assert taken == {(0.0, layer.name) for layer in session.subject.layers}
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-4 * float(np.abs(found[0]).max()))


def test_batches_make_no_difference_but_in_the_directions():
    session = opened(Convolutions, 8)
    projector = Projector(session, Recipe(), WEIGHTS[:1], (), turns=1)
    batches = session.subject.batches(session.subject.data, 4)
    whole = projector.project(batches)
    parts = [projector.project([batch]) for batch in batches]
    assert np.array_equal(whole.weight, np.concatenate([part.weight for part in parts], -1))


def test_a_format_that_a_layer_cannot_have_is_no_number():
    session = opened(Convolutions)
    token = parse_activation_format("int8-tok")
    projector = Projector(session, Recipe(), (), (token,), turns=1)
    found = projector.project(projector.parts())
    assert np.isnan(found.of("dense", TensorPlan(), token)).all()
    assert np.isfinite(found.of("head", TensorPlan(), token)).all()
