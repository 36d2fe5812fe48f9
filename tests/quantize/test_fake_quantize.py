import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.formats import INT4, INT8, find
from qdebug.quantize import QParams, choose_qparams, dequantize, fake_quantize, quantize
from tests.quantize import reference
from tests.quantize.tensors import anything, bits, finite, same_bytes, tensors

pairs = st.tuples(st.floats(-100, 0), st.floats(0, 100))


def grid(limits, width, symmetric):
    return choose_qparams(*limits, find(f"int{width}"), symmetric)


def observed(x, width, symmetric):
    return choose_qparams(x.min(), x.max(), find(f"int{width}"), symmetric)


# ------------------------------------------------------------------------------------------------ against others


@given(tensors(), bits, st.booleans(), pairs)
def test_against_float64(x, width, symmetric, limits):
    scale, zero_point, qmin, qmax = reference.qparams(*limits, width, symmetric)
    got = fake_quantize(x, grid(limits, width, symmetric)).double().numpy()
    expected = reference.fake_quantize(x.numpy(), scale, zero_point, qmin, qmax)
    allowed = np.where(reference.near_tie(x.numpy(), scale), scale, 0.0) + 2.0**-23 * np.abs(expected)
    assert (np.abs(got - expected) <= allowed).all()


def test_against_float32_of_numpy(path):
    """The exact value, ties included: a float32 quotient, rounded half to even."""
    x = torch.cat([torch.randn(10_000) * 3, torch.arange(-300, 300) * 0.05])
    for symmetric in (True, False):
        qparams = grid((-8.0, 11.0), 8, symmetric)
        scale, zero_point = qparams.scale.numpy(), qparams.zero_point.numpy()
        codes = np.clip(np.rint(x.numpy() / scale) + zero_point, qparams.qmin, qparams.qmax)
        assert same_bytes(fake_quantize(x, qparams), torch.from_numpy((codes - zero_point) * scale))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("width", [2, 4, 8])
def test_against_torch_per_tensor(width, symmetric):
    """Equal except near ties: torch multiplies by the inverse of the scale and adds the zero point before rounding."""
    x = torch.cat([torch.randn(50_000) * 2, torch.arange(-600, 600) * 0.01])
    qparams = grid((-5.1, 6.3), width, symmetric)
    args = qparams.scale.item(), int(qparams.zero_point.item()), qparams.qmin, qparams.qmax
    got, torchs = fake_quantize(x, qparams), torch.fake_quantize_per_tensor_affine(x, *args)
    differ = got != torchs
    assert reference.near_tie(x[differ].numpy(), args[0]).all()
    assert ((got - torchs).abs() <= args[0] * 1.0001).all()
    assert differ.float().mean() < 0.01


def test_torch_differs_from_division_on_ties():
    """Why the comparison above has to make an exception, and why this room divides."""
    scale = np.float32(0.7 / 127)
    ties = (np.arange(-127, 127) + np.float32(0.5)).astype(np.float32) * scale
    by_division, by_inverse = np.rint(ties / scale), np.rint(ties * (np.float32(1) / scale))
    assert (by_division != by_inverse).any()
    qparams = QParams(torch.tensor(scale), torch.tensor(0.0), -128, 127)
    assert torch.equal(quantize(torch.from_numpy(ties), qparams), torch.from_numpy(by_division).int())


@pytest.mark.parametrize("symmetric", [True, False])
def test_against_torch_per_channel(symmetric):
    x = torch.randn(16, 400) * torch.logspace(-3, 3, 16).view(-1, 1)
    qparams = choose_qparams(x.amin(1, keepdim=True), x.amax(1, keepdim=True), INT4, symmetric)
    scale, zero_point = qparams.scale.view(-1), qparams.zero_point.view(-1).int()
    torchs = torch.fake_quantize_per_channel_affine(x, scale, zero_point, 0, qparams.qmin, qparams.qmax)
    differ = fake_quantize(x, qparams) != torchs
    assert reference.near_tie(x.numpy(), qparams.scale.numpy())[differ.numpy()].all()
    assert differ.float().mean() < 0.01


# --------------------------------------------------------------------------------------------------- properties


@given(tensors(), bits, st.booleans())
def test_idempotent(x, width, symmetric):
    qparams = observed(x, width, symmetric)
    once = fake_quantize(x, qparams)
    assert same_bytes(fake_quantize(once, qparams), once)


@given(tensors(), bits, st.booleans(), pairs)
def test_monotone(x, width, symmetric, limits):
    quantized = fake_quantize(x.sort().values, grid(limits, width, symmetric))
    assert (quantized[1:] >= quantized[:-1]).all()


@given(tensors(), bits, st.booleans(), pairs)
def test_error_inside_the_range_is_at_most_half_a_step(x, width, symmetric, limits):
    qparams = grid(limits, width, symmetric)
    inside = x[(x >= qparams.clip_min) & (x <= qparams.clip_max)].double()
    error = (fake_quantize(inside.float(), qparams).double() - inside).abs()
    # the quotient and the product are each rounded to float32
    assert (error <= qparams.scale.double() / 2 * (1 + 1e-5) + inside.abs() * 2.0**-23).all()


@given(tensors(), bits, st.booleans(), pairs)
def test_values_outside_go_to_the_nearest_limit(x, width, symmetric, limits):
    qparams = grid(limits, width, symmetric)
    quantized = fake_quantize(x, qparams)
    assert (quantized[x <= qparams.clip_min] == qparams.clip_min.float()).all()
    assert (quantized[x >= qparams.clip_max] == qparams.clip_max.float()).all()


@given(bits, st.booleans(), st.tuples(finite, finite).map(sorted))
def test_zero_is_exact_and_positive(width, symmetric, limits):
    zeros = fake_quantize(torch.tensor([0.0, -0.0]), grid(limits, width, symmetric))
    assert torch.equal(zeros.view(torch.int32), torch.zeros(2, dtype=torch.int32))


@given(st.data(), tensors(), bits, st.booleans())
def test_permutation_equivariant_per_tensor(data, x, width, symmetric):
    order = torch.tensor(data.draw(st.permutations(range(len(x)))))
    permuted = fake_quantize(x[order], observed(x[order], width, symmetric))
    assert same_bytes(permuted, fake_quantize(x, observed(x, width, symmetric))[order])


@given(tensors(), bits, st.booleans())
def test_uses_only_codes_of_the_format(x, width, symmetric):
    qparams = observed(x, width, symmetric)
    codes = quantize(x, qparams)
    assert codes.dtype == torch.int32
    assert qparams.qmin <= codes.min()
    assert codes.max() <= qparams.qmax
    assert same_bytes(dequantize(codes, qparams), fake_quantize(x, qparams))


@given(tensors(anything), bits, st.booleans(), pairs)
def test_nan_stays_nan_and_infinities_are_clipped(x, width, symmetric, limits):
    qparams = grid(limits, width, symmetric)
    quantized = fake_quantize(x, qparams)
    assert torch.equal(torch.isnan(quantized), torch.isnan(x))
    assert not torch.isinf(quantized).any()
    assert (quantized[x == math.inf] == qparams.clip_max.float()).all()
    assert (quantized[x == -math.inf] == qparams.clip_min.float()).all()


# ------------------------------------------------------------------------------------------------- odd tensors


def test_single_and_empty(path):
    qparams = choose_qparams(-1.0, 1.0, INT8, True)
    assert fake_quantize(torch.empty(0, 3), qparams).shape == (0, 3)
    assert fake_quantize(torch.tensor(0.3), qparams).shape == ()
    rows = choose_qparams(torch.zeros(0, 1), torch.zeros(0, 1), INT8, True)
    assert fake_quantize(torch.empty(0, 7), rows).shape == (0, 7)


@pytest.mark.parametrize("value", [0.7, -0.7, 1e-45, 1e-38, 3.4e38])
@pytest.mark.parametrize("symmetric", [True, False])
def test_constant_tensors_survive(path, value, symmetric):
    x = torch.full((5,), value)
    qparams = observed(x, 8, symmetric)
    error = (fake_quantize(x, qparams).double() - x.double()).abs()
    # floored scales round to zero, cut ones clip: a hundredth at most of a value at the edge of float32
    assert (error <= max(qparams.scale.item() / 2, 0.01 * abs(value) if abs(value) > 1e38 else 0.0)).all()
    if 1e-30 < abs(value) < 1e30:
        assert torch.allclose(fake_quantize(x, qparams), x, rtol=1e-6, atol=0)


def test_dtypes_other_than_float32(path):
    x = torch.randn(100)
    qparams = choose_qparams(-2.0, 2.0, INT4, False)
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        got = fake_quantize(x.to(dtype), qparams)
        assert got.dtype == dtype
        assert torch.equal(got, fake_quantize(x.to(dtype).float(), qparams).to(dtype))


def test_no_gradient_is_recorded_and_inputs_stay_as_they_are(path):
    x = torch.randn(20, requires_grad=True)
    before = x.detach().clone()
    assert not fake_quantize(x, choose_qparams(-1.0, 1.0, INT4, True)).requires_grad
    assert torch.equal(x.detach(), before)
