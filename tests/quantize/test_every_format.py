"""What holds for every format, at every granularity and rounding that a recipe may name, on whatever comes in.

What does not hold, and why:

- finite stays finite: not for a cast (IEEE 754 says Inf, and a finding says so), nor for llama.cpp's formats beyond
  what their float16 scales reach, where ggml stores an infinite scale.
- quantizing what is quantized changes nothing *on the same grid*. A grid made anew from quantized values may differ:
  absmax, rounded to float32, moves by an ulp; a ternary scale is a mean, and zeros have changed it; codewords are
  rounded. MX formats alone, whose scale is the power of two below absmax, find the same grid again.
- the error is at most half the local step for formats that take the nearest level; the ternary rules have thresholds
  of their own, vectors are near as vectors, and llama.cpp rounds before it stores the scale.
"""

import functools
import math

import pytest
import torch

from qdebug.errors import NumericError, RecipeError
from qdebug.formats import FORMATS, Block, Codebook, Gguf, Table, find
from qdebug.quantize import (
    QParams,
    choose_grid,
    fake_quantize,
    fake_quantize_activation,
    flat,
    is_static,
    quantize_weight,
)
from qdebug.recipes import TensorPlan
from qdebug.recipes.check import check_tensor_plan
from tests.quantize.paths import without_kernels
from tests.quantize.tensors import LARGEST, same_bytes

ROUNDINGS = ("half_even", "half_away", "floor", "stochastic")
WEIGHT = ({}, {"granularity": "channel"}, {"granularity": "group", "group_size": 4},
          {"granularity": "block", "block": (2, 3)})  # fmt: skip
ACTIVATION = ({}, {"dynamic": True}, {"granularity": "token"})


@functools.cache
def plans(name, side):
    """All that a recipe may say of a format for a weight or an activation, but for how ranges are found."""
    found = []
    for symmetric in (True, False):
        for sharing in WEIGHT if side == "weight" else ACTIVATION:
            for rounding in ROUNDINGS:
                plan = TensorPlan(name, symmetric=symmetric, rounding=rounding, **sharing)
                try:
                    check_tensor_plan(plan, side, "here")
                except RecipeError:
                    continue
                found.append(plan)
    return tuple(found)


def with_values(*values):
    x = GAUSS.clone()
    x.view(-1)[[3, 17, 42, 55][: len(values)]] = torch.tensor(values)
    return x


GAUSS = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
INPUTS = {
    "plain": GAUSS, "all zero": torch.zeros(6, 10), "constant": torch.full((6, 10), -0.3), "one value": GAUSS[:1, :1],
    "no rows": GAUSS[:0], "no columns": torch.empty(6, 0), "denormal": GAUSS * 1e-41,
    "tiny": torch.full((6, 10), 2.0**-149), "huge": torch.where(GAUSS > 0, LARGEST, -LARGEST),
    "a huge one": with_values(LARGEST, -LARGEST), "with NaN": with_values(math.nan, math.nan),
    "with Inf": with_values(math.inf, -math.inf, math.nan), "transposed": GAUSS.t().contiguous().t(),
    "not dense": torch.cat([GAUSS, GAUSS], 1)[:, ::2], "half": GAUSS.half(),
}  # fmt: skip
ALIKE = ("one value", "all zero", "constant", "tiny", "transposed", "half")
"""What roundings other than half to even see no differently from the rest; they are tested in ``test_modes``, too."""
NAMES = tuple(FORMATS)


def inputs(plan):
    return ((kind, x) for kind, x in INPUTS.items() if plan.rounding == "half_even" or kind not in ALIKE)


def assert_sound(x, got, form, what):
    """Shape, dtype, strides; NaN where there was one and nowhere else; finite where it was."""
    assert (got.shape, got.dtype) == (x.shape, x.dtype), what
    assert got.stride() == x.stride() or flat(x) is None, what
    assert torch.equal(torch.isnan(got), torch.isnan(x)) or may_overflow(x, form), what
    assert not torch.isinf(got).any() or may_overflow(x, form), what


def may_overflow(x, form):
    most = x[~torch.isnan(x)].abs().max().item() if x.numel() else 0.0
    if isinstance(form, Gguf):
        return 1e30 < most < math.inf
    return form.is_cast and most > form.largest


def spread(part, like, size):
    """One scale or limit for every value of a matrix."""
    if not part.dim():
        return part.double().expand(like.shape)
    return part.double().repeat_interleave(size or like.shape[1], 1)[:, : like.shape[1]].expand(like.shape)


def nearest(x, grid):
    """The nearest real of the grid to each value, in float64, and as the float32 that it is."""
    scale = spread(grid.scale, x, grid.group_size)
    if isinstance(grid, QParams):
        zero = spread(grid.zero_point, x, grid.group_size)
        return torch.minimum(torch.maximum(torch.round(x / scale), grid.qmin - zero), grid.qmax - zero) * scale
    levels = grid.levels.double()
    levels = levels.view(1, 1, -1) if levels.dim() == 1 else levels.unsqueeze(1)
    offset = 0.0 if grid.offset is None else spread(grid.offset, x, grid.group_size).unsqueeze(2)
    reals = levels * scale.unsqueeze(2) + offset
    return reals.gather(2, (reals - x.unsqueeze(2)).abs().argmin(2, keepdim=True)).squeeze(2)


def assert_on_grid(x, got, grid, plan, what):
    form = find(plan.format)
    if plan.granularity == "tensor" and isinstance(form, (Codebook, Table)) and not isinstance(form, Gguf):
        x, got = x.reshape(1, -1), got.reshape(1, -1)  # a codebook or rule for the whole tensor has one row
    ok = torch.isfinite(x)
    reals = nearest(torch.where(ok, got, 0.0).double(), grid)
    assert torch.equal(reals.float()[ok], got[ok]), what
    if not isinstance(form, Gguf):  # whose grids have an offset
        again = fake_quantize(got.contiguous(), grid, rounding=plan.rounding)
        assert same_bytes(again, got.contiguous() + 0.0), what
    own_rule = isinstance(form, (Gguf, Table)) and getattr(form, "rule", "") not in ("absmax", "mean")
    if plan.rounding == "half_even" and not own_rule and getattr(form, "dimension", 1) == 1:
        value, quantized = torch.where(ok, x, 0.0).double(), torch.where(ok, got, 0.0).double()
        slack = 2.0**-22 * torch.maximum(value.abs(), quantized.abs()) + 2.0**-148
        assert ((quantized - value).abs() <= (nearest(value, grid) - value).abs() + slack).all(), what


@pytest.mark.parametrize("name", NAMES)
def test_weights(name):
    form = find(name)
    assert plans(name, "weight")
    for plan in plans(name, "weight"):
        for kind, x in inputs(plan):
            what = f"{plan.label}, {plan.rounding}, {'symmetric' if plan.symmetric else 'affine'}: {kind}"
            got, grid = quantize_weight(x, plan)
            assert_sound(x, got, form, what)
            if plan.rounding == "half_even":
                with without_kernels():
                    assert same_bytes(quantize_weight(x, plan)[0].float(), got.float()), what
            if grid is None:
                assert same_bytes(quantize_weight(got, plan)[0].float(), got.float()), what
            elif x.numel() and x.dtype == torch.float32 and not may_overflow(x, form):
                assert_on_grid(x, got, grid, plan, what)


@pytest.mark.parametrize("name", [name for name in NAMES if find(name).for_activations])
def test_activations(name):
    form = find(name)
    assert plans(name, "activation")
    for plan in plans(name, "activation"):
        grid = choose_grid(-1.0, 1.0, plan) if is_static(plan) else None
        for kind, x in inputs(plan):
            what = f"{plan.label}, {plan.rounding}, {'static' if grid else 'dynamic'}: {kind}"
            got = fake_quantize_activation(x, plan, grid)
            assert_sound(x, got, form, what)
            if plan.rounding == "half_even":
                with without_kernels():
                    assert same_bytes(fake_quantize_activation(x, plan, grid).float(), got.float()), what
            if grid is not None and x.numel() and x.dtype == torch.float32:
                assert_on_grid(x.reshape(1, -1), got.reshape(1, -1), grid, plan, what)


@pytest.mark.parametrize("name", [name for name in NAMES if not find(name).is_cast])
def test_nothing_finite_is_the_one_error(name):
    for value in (math.nan, math.inf):
        with pytest.raises(NumericError, match="No value of the weight is finite"):
            quantize_weight(torch.full((2, 8), value), TensorPlan(name))


@pytest.mark.parametrize(
    "name", [name for name in NAMES if isinstance(find(name), Block) and find(name).scale == "e8m0"]
)
def test_mx_formats_find_their_grid_again(name):
    x = torch.randn(20, 96) * torch.logspace(-3, 3, 20).view(-1, 1)
    got, grid = quantize_weight(x, TensorPlan(name))
    again, other = quantize_weight(got, TensorPlan(name))
    assert torch.equal(grid.scale, other.scale)
    assert same_bytes(again, got)


@pytest.mark.parametrize("name", NAMES)
def test_other_axes_are_the_same_matrix(name):
    """A transposed convolution has its outputs along axis 1; a matrix product along the last one."""
    w = torch.randn(5, 6, 2, 2)
    for plan in plans(name, "weight"):
        if plan.rounding != "half_even" or not plan.symmetric:
            continue
        got, _ = quantize_weight(w, plan, 1)
        expected, _ = quantize_weight(w.movedim(1, 0).reshape(6, -1), plan)
        assert same_bytes(got, expected.view(6, 5, 2, 2).movedim(0, 1)), plan.label
        assert got.stride() == w.stride()
