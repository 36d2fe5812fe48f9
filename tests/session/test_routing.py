"""Mixtures of experts: who gets which part of the tokens, and who none."""

import numpy as np
import pytest
import torch

from qdebug.session import open as open_model
from tests.doors.huggingface import zoo

IDS = np.random.default_rng(3).integers(4, zoo.TOKENS, (6, 12))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return zoo.save("mixtral", tmp_path_factory.mktemp("mixtral"))


def wanted(ids):
    """The share of tokens that each expert is chosen for, by the library's router."""
    model, shares = zoo.build("mixtral"), []

    def seen(_, given):
        shares.append([float((given[1] == at).any(-1).double().mean()) for at in range(4)])

    for layer in model.model.layers:
        layer.mlp.experts.register_forward_pre_hook(seen)
    with torch.no_grad():
        model(input_ids=torch.from_numpy(ids))
    return [share for block in shares for share in block]


def test_shares_are_those_of_the_router(folder):
    session = open_model(folder, {"input_ids": IDS}, {"input_ids": IDS[:2]})
    found = session.routing()
    assert [one.expert for one in found] == [
        f"model.layers.{block}.mlp.experts.{at}" for block in range(2) for at in range(4)
    ]
    np.testing.assert_allclose([one.evaluation for one in found], wanted(IDS), rtol=1e-12)
    np.testing.assert_allclose([one.calibration for one in found], wanted(IDS[:2]), rtol=1e-12)
    assert session.evaluate("w8a8").experts == found


def test_an_expert_that_was_never_asked_is_named(folder):
    session = open_model(folder, {"input_ids": IDS}, {"input_ids": np.full((2, 12), 5)})
    never = {one.expert for one in session.routing() if one.calibration == 0}
    assert never
    found = [one for one in session.findings("w8a8") if one.kind == "never-routed"]
    assert {one.layer.rpartition(".")[0] for one in found} == never
    assert all("No token of the calibration data is routed to" in one.text for one in found)


def test_other_models_have_none():
    assert open_model("digits-vit").routing() == ()
