import math

import pytest
import torch

from qdebug.formats import INT8, find
from qdebug.quantize import choose_qparams, dynamic_grid, fake_quantize, fake_quantize_activation, is_dynamic
from qdebug.recipes import TensorPlan
from tests.quantize.tensors import same_bytes

DYNAMIC = TensorPlan("int8", symmetric=False, dynamic=True)
TOKEN = TensorPlan("int8", "token", symmetric=False, dynamic=True)
SHAPES = [(5, 7), (5, 4, 7), (5, 3, 4, 7)]


def one_by_one(x, plan):
    """A runtime at batch size one: a range from the values at hand, per sample or per token."""
    parts = x.reshape(-1, x.shape[-1]) if plan.granularity == "token" else list(x)
    done = [
        fake_quantize(part, choose_qparams(part.min(), part.max(), find(plan.format), plan.symmetric)) for part in parts
    ]
    return torch.stack(done).view(x.shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("plan", [DYNAMIC, TOKEN, TensorPlan("int4", dynamic=True), TensorPlan("int4", "token")])
def test_dynamic_ranges_are_those_of_a_runtime_at_batch_size_one(path, shape, plan):
    x = torch.randn(shape) * torch.logspace(-2, 2, 5).view(-1, *[1] * (len(shape) - 1))
    assert same_bytes(fake_quantize_activation(x, plan), one_by_one(x, plan))


@pytest.mark.parametrize("plan", [DYNAMIC, TOKEN])
def test_results_do_not_depend_on_batching(path, plan):
    x = torch.randn(6, 3, 8) * torch.logspace(-2, 2, 6).view(-1, 1, 1)
    whole = fake_quantize_activation(x, plan)
    assert same_bytes(whole, torch.cat([fake_quantize_activation(part, plan) for part in x.split([1, 3, 2])]))


def test_channels_last_is_the_same_and_stays_so(path):
    x = torch.randn(3, 4, 5, 6)
    last = x.contiguous(memory_format=torch.channels_last)
    for plan in (DYNAMIC, TOKEN):
        got = fake_quantize_activation(last, plan)
        assert same_bytes(got, fake_quantize_activation(x, plan))
        assert got.stride() == last.stride()


@pytest.mark.parametrize("plan", [DYNAMIC, TOKEN])
def test_samples_that_interleave_in_memory(path, plan):
    x = torch.randn(4, 3, 8) * torch.logspace(-2, 2, 3).view(1, 3, 1)
    assert same_bytes(
        fake_quantize_activation(x.transpose(0, 1), plan), one_by_one(x.transpose(0, 1).contiguous(), plan)
    )
    assert same_bytes(fake_quantize_activation(x[:, ::2], plan), one_by_one(x[:, ::2].contiguous(), plan))


def test_static(path):
    x = torch.randn(4, 9)
    qparams = choose_qparams(-1.0, 2.0, INT8, False)
    plan = TensorPlan("int8", symmetric=False)
    assert same_bytes(fake_quantize_activation(x, plan, qparams), fake_quantize(x, qparams))
    with pytest.raises(ValueError, match="calibration"):
        fake_quantize_activation(x, plan)


def test_floats_ignore_qparams():
    x = torch.randn(4, 9)
    assert fake_quantize_activation(x, TensorPlan("fp32")) is x
    assert torch.equal(fake_quantize_activation(x, TensorPlan("fp16")), x.half().float())


@pytest.mark.parametrize("plan", [DYNAMIC, TOKEN])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_inf_set_no_range(path, plan, bad):
    x = torch.randn(2, 3, 8)
    x[1, 2, :3] = 0.0
    expected = dynamic_grid(x, plan)
    x[1, 2, 0] = bad
    x[0] = 0.0
    x[0, 0, 0] = bad
    qparams = dynamic_grid(x, plan)
    assert qparams.scale[-1] == expected.scale[-1]
    assert qparams.scale[0] == 1.0, "a row without a finite value but zero"
    got = fake_quantize_activation(x, plan)
    assert torch.equal(torch.isnan(got), torch.isnan(x))
    assert not torch.isinf(got).any()


@pytest.mark.parametrize("plan", [DYNAMIC, TOKEN])
def test_empty_and_zero(path, plan):
    assert fake_quantize_activation(torch.empty(0, 3, 4), plan).shape == (0, 3, 4)
    assert torch.equal(fake_quantize_activation(torch.zeros(2, 3), plan), torch.zeros(2, 3))


def test_which_plans_are_dynamic():
    assert is_dynamic(DYNAMIC)
    assert is_dynamic(TensorPlan("int8", "token"))
    assert not is_dynamic(TensorPlan("int8"))
    assert not is_dynamic(TensorPlan("fp16", dynamic=True))
