"""A recipe written as a checkpoint: what is read from the folder again is what the recipe computes with."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import qdebug
from qdebug.doors.checkpoints import Shards, read_checkpoint
from qdebug.errors import RecipeError, UsageError
from qdebug.export.checkpoints import KINDS, write_checkpoint
from qdebug.quantize import quantize_weight
from qdebug.recipes import (
    BiasCorrection,
    LayerPlan,
    Recipe,
    SmoothQuant,
    TensorPlan,
    parse_activation_format,
    parse_plan,
    set_layers,
)

PLAN = TensorPlan("int4", "group", 32, symmetric=False, scale_format="fp16")
FLOAT = parse_plan("w32a32")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.LayerNorm(64)
        self.up, self.down, self.head = nn.Linear(64, 128), nn.Linear(128, 64), nn.Linear(64, 32, bias=False)

    def forward(self, x):
        return self.head(self.down(torch.relu(self.up(self.norm(x)))))


@pytest.fixture(scope="module")
def session():
    return qdebug.open(Net(), {"x": np.random.default_rng(0).standard_normal((64, 64)).astype("f4")})


@pytest.fixture
def original(tmp_path):
    folder = tmp_path / "float"
    folder.mkdir()
    save_file(Net().state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder


def written(session, recipe, original, kind=KINDS[0]):
    done = write_checkpoint(session.decided(recipe), original, original.parent / "new", kind)
    config = json.loads((original.parent / "new" / "config.json").read_text())["quantization_config"]
    return done, read_checkpoint(Shards(done.path), config)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_those_of_the_recipe(session, original, kind):
    recipe = set_layers(Recipe(default=LayerPlan(PLAN)), {"head": FLOAT})
    done, found = written(session, recipe, original, kind)
    assert found.modules == ("down", "up")
    state = Net().state_dict()
    floats = dict(found.floats())
    assert set(floats) == set(state)
    for name, tensor in state.items():
        expected = quantize_weight(tensor, PLAN)[0] if name in ("up.weight", "down.weight") else tensor
        assert torch.equal(floats[name], expected), name
    assert "head" in json.dumps(found.config)
    assert done.unsaid == ()
    assert done.bytes < 0.5 * sum(one.numel() * 4 for one in state.values())


def test_what_fixes_changed_is_in_the_folder(session, original):
    plan = LayerPlan(TensorPlan("int8", "channel"), parse_activation_format("int8-tok-sym"))
    recipe = Recipe(default=plan, fixes=(SmoothQuant(), BiasCorrection()))
    decided = session.decided(recipe)
    _, found = written(session, recipe, original)
    changed = {name for name in decided.replaced if not name.endswith(("up.weight", "down.weight", "head.weight"))}
    assert {"norm.weight", "up.bias", "down.bias"} <= changed
    floats = dict(found.floats())
    for name in changed:
        assert torch.equal(floats[name], decided.replaced[name])
    up = next(layer for layer in decided.layers if layer.layer.name == "up")
    assert torch.equal(floats["up.weight"], quantize_weight(up.values, plan.weight)[0])
    assert not torch.equal(floats["up.weight"], quantize_weight(Net().up.weight.data, plan.weight)[0])


def test_layers_that_cannot_be_stored_are_said(session, original):
    recipe = set_layers(Recipe(default=LayerPlan(PLAN)), {"up": LayerPlan(TensorPlan("nf4", "group", 64))})
    done, found = written(session, recipe, original)
    assert "up" not in found.modules
    assert any("up: the weight stays float" in text for text in done.unsaid)
    assert "up" in found.config["ignore"]


def test_a_recipe_of_which_nothing_can_be_stored_is_refused(session, original):
    for plan in (LayerPlan(TensorPlan("nf4", "group", 64)), FLOAT):
        with pytest.raises(RecipeError):
            write_checkpoint(session.decided(Recipe(default=plan)), original, original.parent / "new")
        assert not (original.parent / "new").exists()


def test_another_models_folder_is_refused(session, original):
    save_file({"other.weight": torch.zeros(2, 2)}, original / "model.safetensors")
    with pytest.raises(RecipeError, match="no weight of its name"):
        write_checkpoint(session.decided(Recipe(default=LayerPlan(PLAN))), original, original.parent / "new")


def test_an_unknown_kind_lists_near_ones(session, original):
    with pytest.raises(UsageError, match="gptq"):
        write_checkpoint(session.decided(Recipe(default=LayerPlan(PLAN))), original, original.parent / "new", "gptqq")
