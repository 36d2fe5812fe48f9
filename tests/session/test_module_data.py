"""A module opens on tensors, loaders and iterables as it does on arrays by name, whole or in part."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from qdebug.errors import DataError, ModelError, UsageError
from qdebug.session import open as open_model
from tests.doors.uncapturable import Branch
from tests.networks import Residual, seeded

X = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(40) % 5


@pytest.fixture(scope="module")
def by_name():
    return open_model(seeded(Residual), {"images": X, "labels": Y})


@pytest.mark.parametrize(
    "given", [(X, Y), DataLoader(TensorDataset(X, Y), batch_size=7), (X.double().numpy(), Y.numpy())],
    ids=["tuple", "loader", "float64"],
)  # fmt: skip
def test_the_same_data_given_otherwise_are_the_same_session(by_name, given):
    session = open_model(seeded(Residual), given)
    assert session.info().digest == by_name.info().digest
    assert session.evaluate("w4a8").metric == by_name.evaluate("w4a8").metric


def test_calibration_and_training_data_come_in_these_ways_too(by_name):
    session = open_model(seeded(Residual), (X, Y), [X[:10], X[10:20]], train=TensorDataset(X, Y))
    named = open_model(seeded(Residual), {"images": X, "labels": Y}, {"images": X[:20]})
    assert session.info().n_calib == 20
    assert "the calibration data given" in session.info().calibration
    assert session.evaluate("w8a8").metric == named.evaluate("w8a8").metric
    assert len(session.subject.training) == 40


def test_example_inputs_are_what_is_captured_on(by_name):
    session = open_model(seeded(Residual), (X, Y), inputs=(X[:1],))
    assert session.info().digest == by_name.info().digest
    with pytest.raises(ModelError, match="itself fails"):
        open_model(seeded(Residual), (X, Y), inputs=X[:, :2])
    only = open_model(seeded(Residual), inputs=X)
    assert only.info().task == "unlabelled" and only.info().n_eval == 40


def test_fewer_samples_where_that_is_asked_for(by_name, tmp_path):
    np.savez(tmp_path / "data.npz", images=X, labels=Y)
    for given in ((X, Y), tmp_path / "data.npz", iter([(X, Y)])):
        assert open_model(seeded(Residual), given, samples=12).info().n_eval == 12


@pytest.mark.parametrize("option", [{"samples": 3}, {"part": "stem"}, {"inputs": X}])
def test_these_are_for_modules(option):
    with pytest.raises(UsageError, match="is for modules"):
        open_model("digits-resnet", **option)


def test_no_data_and_no_example_inputs_are_one_clear_error():
    with pytest.raises(DataError, match="A module needs data") as caught:
        open_model(seeded(Residual))
    assert "DataLoader" in caught.value.do


class Net(nn.Module):
    """Layers in lists, in sequences and in modules of modules; one that runs twice; a tied and a bare weight."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)) for _ in range(2)])
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.again = nn.Linear(8, 8)
        self.matrix = nn.Parameter(torch.randn(8, 8))
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = x + block(x)
        x = x + self.attention(x, x, x)[0]
        x = nn.functional.linear(self.again(self.again(x)), self.matrix)
        return self.head(self.lstm(x)[0])


def test_layers_are_called_by_the_paths_of_their_modules():
    torch.manual_seed(0)
    session = open_model(Net().eval(), torch.randint(0, 11, (6, 5)))
    assert [layer.name for layer in session.info().layers] == [
        "embed", "blocks.0.0", "blocks.0.2", "blocks.1.0", "blocks.1.2", "attention", "attention.out_proj", "again",
        "again#2", "matrix", "head",
    ]  # fmt: skip
    left = [line for line in session.info().not_understood if "lstm" in line]
    assert len(left) == 2 and all("stays float" in line for line in left)


class Resists(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 16)))
        self.turn = nn.Linear(16, 8)
        self.branch = Branch()

    def forward(self, x):
        return self.branch(self.turn(self.encoder(x)))


@pytest.fixture
def resists():
    torch.manual_seed(0)
    return Resists().eval()


def test_a_module_that_resists_says_which_parts_do_not(resists):
    with pytest.raises(ModelError, match="it branches on the values of a tensor") as caught:
        open_model(resists, torch.randn(16, 8))
    assert caught.value.where["module"] == "branch (Branch)"
    assert type(caught.value.__cause__).__module__.startswith("torch.")
    assert "part='encoder'; these can be captured: encoder (288 parameters), turn (136" in caught.value.do


def test_a_part_is_evaluated_on_what_reaches_it(resists):
    x = torch.randn(48, 8, generator=torch.Generator().manual_seed(3))
    session = open_model(resists, (x, torch.zeros(48, dtype=torch.int64)), x[:20], part="encoder.2")
    info = session.info()
    assert [layer.name for layer in info.layers] == ["encoder.2.0", "encoder.2.1"]
    assert (info.n_eval, info.n_calib, info.task) == (48, 20, "embedding")
    assert "what encoder.2 receives from" in info.calibration
    with torch.no_grad():
        assert torch.allclose(session.subject.data.inputs["input"], resists.encoder[1](resists.encoder[0](x)))
        expected = resists.encoder(x)
    with torch.no_grad():
        program = session.subject.origin.module()
        assert torch.allclose(program(**session.subject.data.inputs), expected, atol=1e-6)
    assert session.evaluate("w4a8").layers[0].name == "encoder.2.0"


def test_a_layer_is_a_part_too(resists):
    session = open_model(resists, torch.randn(16, 8), part="turn")
    assert [layer.name for layer in session.info().layers] == ["turn"]


def test_a_part_that_does_not_exist_is_one_clear_error(resists):
    with pytest.raises(ModelError, match="Resists has no part 'encodr'") as caught:
        open_model(resists, torch.randn(16, 8), part="encodr")
    assert "encoder" in caught.value.do
