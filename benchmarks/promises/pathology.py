"""Tensors that no quantizer can do well with: each has to be a finding that names it.

Each pathology is put into a weight of a small network, or into its data; the network is then opened and looked at as a
person would, and what is said has to name the pathology at its place. A soak plants the faults of ``benchmarks.faults``
into the samples as well, and asks the diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

import qdebug
from benchmarks.faults import PLANTS, case, judge
from benchmarks.faults.sound import MODELS
from benchmarks.promises.promise import Allowance, Outcome, Promise
from qdebug.errors import DataError, NumericError
from qdebug.recipes import FLOAT, LayerPlan, Recipe, TensorPlan, preset

INF, NAN = float("inf"), float("nan")
SAMPLES = 48


@dataclass(frozen=True)
class Pathology:
    """One tensor.

    Attributes:
        name: what is wrong with it.
        kind: the finding's.
        where: the second layer's weight, or the network's input, which is the first layer's.
        spoil: changes a sound tensor in place, by numbers of its own.
        recipe: how the network is quantized.
    """

    name: str
    kind: str
    where: Literal["weight", "activation"]
    spoil: Callable[[Tensor, np.random.Generator], object]
    recipe: Recipe


class Net(nn.Module):
    """Three linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, 16]`` to ``[N, 4]``."""
        return self.last(torch.relu(self.middle(torch.relu(self.first(x)))))


def one(value: float) -> Callable[[Tensor, np.random.Generator], object]:
    """A value somewhere."""
    return lambda tensor, dice: tensor.view(-1)[int(dice.integers(tensor.numel()))].fill_(value)


def all_(value: float) -> Callable[[Tensor, np.random.Generator], object]:
    """A value everywhere."""
    return lambda tensor, _: tensor.fill_(value)


def channel(axis: int, change: Callable[[Tensor], object], many: int = 1) -> Callable[..., object]:
    """A change of some channels."""
    return lambda tensor, dice: [
        change(tensor.select(axis, int(place))) for place in dice.choice(tensor.shape[axis], many, replace=False)
    ]


def times(factor: float) -> Callable[[Tensor, np.random.Generator], object]:
    """All values by a factor."""
    return lambda tensor, _: tensor.mul_(factor)


W8A8, HALF = preset("w8a8"), preset("w16a16")
BLOCKS = Recipe(default=LayerPlan(weight=TensorPlan(format="q4_0"), activation=FLOAT))
PATHOLOGIES = (
    Pathology("a NaN", "nan", "weight", one(NAN), W8A8),
    Pathology("nothing but NaN", "nan", "weight", all_(NAN), W8A8),
    Pathology("a row of NaN", "nan", "weight", channel(0, lambda row: row.fill_(NAN)), W8A8),
    Pathology("an infinity", "inf", "weight", one(INF), W8A8),
    Pathology("a negative infinity", "inf", "weight", one(-INF), W8A8),
    Pathology("nothing but infinities", "inf", "weight", all_(INF), W8A8),
    Pathology("zeros", "all-zero", "weight", all_(0.0), W8A8),
    Pathology("negative zeros", "all-zero", "weight", all_(-0.0), W8A8),
    Pathology("one positive value throughout", "constant", "weight", all_(0.1), W8A8),
    Pathology("one negative value throughout", "constant", "weight", all_(-3e-5), W8A8),
    Pathology("values below the smallest normal one", "denormal", "weight", times(1e-40), W8A8),
    Pathology("a channel of zeros", "dead-channels", "weight", channel(0, Tensor.zero_), W8A8),
    Pathology("half of the channels zero", "dead-channels", "weight", channel(0, Tensor.zero_, 16), W8A8),
    Pathology("a channel far wider", "outlier-channels", "weight", channel(0, lambda w: w.mul_(1e3)), W8A8),
    Pathology("three wide channels", "outlier-channels", "weight", channel(0, lambda w: w.mul_(99), 3), W8A8),
    Pathology("a mask's constant", "extreme-value", "weight", one(-3.4e38), W8A8),
    Pathology("the largest finite value", "extreme-value", "weight", one(torch.finfo(torch.float32).max), W8A8),
    Pathology("just beyond binary16", "fp16-overflow", "weight", one(65520.0), HALF),
    Pathology("far beyond binary16", "fp16-overflow", "weight", times(1e7), HALF),
    Pathology("a block's scale beyond binary16", "fp16-overflow", "weight", times(1e8), BLOCKS),
    Pathology("a NaN in the data", "nan", "activation", one(NAN), W8A8),
    Pathology("an infinity in the data", "inf", "activation", one(-INF), W8A8),
    Pathology("data of zeros", "all-zero", "activation", all_(0.0), W8A8),
    Pathology("data that are all alike", "constant", "activation", all_(2.5), W8A8),
    Pathology("data below the smallest normal value", "denormal", "activation", times(1e-40), W8A8),
    Pathology("a feature that is always zero", "dead-channels", "activation", channel(1, Tensor.zero_), W8A8),
    Pathology("a wide feature", "outlier-channels", "activation", channel(1, lambda x: x.mul_(500)), W8A8),
    Pathology("a constant that is no signal", "extreme-value", "activation", one(3e38), W8A8),
    Pathology("data beyond binary16", "fp16-overflow", "activation", one(1e5), HALF),
    Pathology("all data beyond binary16", "fp16-overflow", "activation", times(1e6), HALF),
)  # fmt: skip
_REFUSED = {"nan": "NaN", "inf": "Inf"}
"""What no integer stands for is refused, in these words."""


def told(pathology: Pathology, seed: int) -> str:
    """What is wrong with what is said of a pathology; empty where it is named at its place."""
    dice = np.random.default_rng(seed)
    torch.manual_seed(seed)
    module = Net().eval()
    x = torch.from_numpy(dice.normal(size=(SAMPLES, 16)).astype(np.float32))
    with torch.no_grad():
        pathology.spoil(module.middle.weight if pathology.where == "weight" else x, dice)
    layer = "middle" if pathology.where == "weight" else "first"
    try:
        session = qdebug.open(module, {"x": x.numpy()})
    except DataError as error:
        return _refusal(pathology, str(error), "'x'")
    try:
        found = [(one.kind, one.layer, one.tensor) for one in session.findings(pathology.recipe)]
    except NumericError as error:
        causes = [(cause.kind, cause.layer, cause.tensor) for cause in session.diagnose(pathology.recipe).causes]
        named = (pathology.kind, layer, pathology.where) in causes
        return _refusal(pathology, str(error), layer) if named else f"{pathology.name}: diagnosed as {causes}"
    return "" if (pathology.kind, layer, pathology.where) in found else f"{pathology.name}: found {found}"


def _refusal(pathology: Pathology, said: str, place: str) -> str:
    right = _REFUSED.get(pathology.kind, "?") in said and place in said
    return "" if right else f"{pathology.name}: refused by {said!r}"


def faults(allowance: Allowance, many: int) -> Iterator[str]:
    """What the diagnosis says wrongly of networks with a fault planted; empty where it names layer and cause."""
    for place in allowance.rounds():
        if place == many:
            return
        dice = allowance.dice(place)
        made = case(dice.choice(list(PLANTS)), dice.choice(list(MODELS)), dice.randrange(2**31))
        if made is not None:
            outcome = judge(made)
            yield "" if outcome.layer and outcome.kind else f"{outcome.plant} in {outcome.model}: {outcome.found.text}"


def keep(allowance: Allowance) -> Outcome:
    """Every pathology once, and in a soak as many planted faults as there are times left."""
    said = [told(one, allowance.seed) for one in PATHOLOGIES]
    planted = list(faults(allowance, allowance.times - len(said))) if allowance.times > len(said) else []
    missed = sum(map(bool, planted))
    figures = {"planted faults named %": 100 * (1 - missed / len(planted))} if planted else {}
    return Outcome(len(said) + len(planted), tuple(filter(None, said)), figures)


PROMISE = Promise(
    name="pathology",
    says="NaN, Inf, zero ranges and saturation are findings",
    unit="tensors and networks",
    test="tests/promises/test_pathology.py",
    short=len(PATHOLOGIES),
    long=230,
    keep=keep,
)
