"""A fix says whether it looks at calibration data, and the lab's curve has steps for those that do."""

import pytest
import torch
from msgspec.structs import replace
from torch import nn

from qdebug.recipes import Recipe, parse_fix, parse_format, with_fix
from qdebug.session import open as open_model

FREE = ("bias-correction:means=batch-norm", "hqq", "hadamard", "low-rank")
BOUND = ("bias-correction", "smoothquant", "awq", "gptq", "gpfq", "low-rank:weighted=true")


@pytest.fixture(scope="module")
def sessions():
    """The same network on the same evaluation data, calibrated on other data."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.LayerNorm(12), nn.Linear(12, 5)).eval()
    images = torch.randn(16, 8)
    data = {"input": images, "labels": model(images).argmax(1).detach()}
    scales = torch.tensor([1.0, 0.1, 3.0, 1.0, 0.5, 1.0, 5.0, 1.0])
    return [open_model(model, data, {"input": torch.randn(24, 8) * scale}) for scale in (1.0, scales)]


def recipe(fix):
    plain = Recipe(default=parse_format("w3a16"))
    affine = replace(plain.default.weight, symmetric=False)  # HQQ moves zero points
    return with_fix(replace(plain, default=replace(plain.default, weight=affine)), parse_fix(fix))


def weights(session, fix):
    """The quantized weight and the bias of every layer."""
    found = session.decided(recipe(fix))
    parts = [part for layer in found.layers for part in (layer.values, layer.bias_values, layer.rounded)]
    tensors = [part if isinstance(part, torch.Tensor) else part.values for part in parts if part is not None]
    return torch.cat([tensor.flatten() for tensor in tensors])


@pytest.mark.parametrize("fix", FREE)
def test_what_looks_at_no_data_finds_the_same_on_any(sessions, fix):
    assert not parse_fix(fix).looks_at_data
    first, second = (weights(session, fix) for session in sessions)
    assert torch.equal(first, second)
    assert len(sessions[0].calibration_curve(recipe(fix), subsets=1).points) == 1


@pytest.mark.parametrize("fix", BOUND)
def test_what_looks_at_data_finds_something_else(sessions, fix):
    assert parse_fix(fix).looks_at_data
    first, second = (weights(session, fix) for session in sessions)
    assert not torch.equal(first, second)
    assert len(sessions[0].calibration_curve(recipe(fix), subsets=1).points) > 1
