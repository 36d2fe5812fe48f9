"""Keys and values on the grids of a cache, against slow loops in float64."""

import numpy as np
import pytest
import torch

from qdebug.quantize import choose_grid
from qdebug.quantize.cache import quantize_cache
from qdebug.recipes import parse_cache_format

NOTATIONS = ["int8", "int4-pc", "int3g5-pc", "int4-tok", "int2g4", "int4g8-sym", "int8-tok-sym", "int4g7-pc-sym"]


def tokens(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random keys whose channels differ in size and lie off zero, as those of real models do."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator)
    return x * torch.logspace(-1, 1, shape[-1]) + 3 * torch.randn(shape[-1], generator=generator)


def one_group(values: np.ndarray, bits: int, *, symmetric: bool) -> np.ndarray:
    """Values that share a scale, in float64: KIVI's ``code · scale + minimum``, or codes about zero."""
    if symmetric:
        most = 2 ** (bits - 1) - 1
        scale = np.float64(np.float32(np.abs(values).max() / most))
        return np.clip(np.round(values / scale), -most - 1, most) * scale
    low = values.min()
    if values.max() == low:
        return values
    scale = np.float64(np.float32((values.max() - low) / (2**bits - 1)))
    return np.clip(np.round((values - low) / scale), 0, 2**bits - 1) * scale + low


def slowly(x: torch.Tensor, notation: str) -> np.ndarray:
    """Every sample, head, and group in loops."""
    plan = parse_cache_format(notation, "values")
    bits = int(plan.format.removeprefix("int"))
    result = x.double().numpy().copy()
    samples, heads, count, width = result.shape
    for sample, head in np.ndindex(samples, heads):
        part = result[sample, head]
        if plan.granularity == "channel":
            for channel in range(width):
                for start in range(0, count, plan.group_size):
                    place = slice(start, start + plan.group_size)
                    part[place, channel] = one_group(part[place, channel], bits, symmetric=plan.symmetric)
        else:
            size = plan.group_size or width
            for token in range(count):
                for start in range(0, width, size):
                    place = slice(start, start + size)
                    part[token, place] = one_group(part[token, place], bits, symmetric=plan.symmetric)
    return result


@pytest.mark.parametrize("notation", NOTATIONS)
def test_scales_lie_where_the_plan_says(notation):
    x = tokens(2, 3, 11, 8)
    found = quantize_cache(x, parse_cache_format(notation, "values"))
    assert found.shape == x.shape
    np.testing.assert_allclose(found.double().numpy(), slowly(x, notation), rtol=2e-6, atol=2e-6)


def test_a_transposed_cache_is_the_same():
    x = tokens(2, 3, 8, 11).transpose(-1, -2)
    plan = parse_cache_format("int4", "keys")
    assert torch.equal(quantize_cache(x, plan), quantize_cache(x.contiguous(), plan))


def test_a_minimum_far_from_zero_costs_nothing():
    """A zero point would have to make zero a number of the grid; the keys' large means are why KIVI does not."""
    x = tokens(1, 1, 32, 4)
    plan = parse_cache_format("int4", "keys")
    near, far = quantize_cache(x, plan) - x, quantize_cache(x + 1000, plan) - (x + 1000)
    assert far.square().mean() < 1.1 * near.square().mean()


def test_small_floats_have_one_calibrated_scale():
    x = tokens(2, 3, 11, 8)
    plan = parse_cache_format("fp8_e4m3fn", "keys")
    limit = float(x.abs().max())
    found = quantize_cache(x, plan, choose_grid(-limit, limit, plan))
    scale = torch.tensor(limit / 448)
    assert torch.equal(found, (x / scale).to(torch.float8_e4m3fn).float() * scale)


def test_llama_cpp_s_blocks_lie_along_a_token():
    x = tokens(1, 2, 5, 64)
    found = quantize_cache(x, parse_cache_format("q8_0", "keys"))
    blocks = x.reshape(-1, 32)
    scale = blocks.abs().amax(1, keepdim=True) / 127
    wanted = torch.round(blocks / scale) * scale.half().float()
    assert torch.allclose(found, wanted.view(x.shape), atol=1e-6)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_what_is_not_finite_sets_no_range(notation):
    x = tokens(1, 1, 6, 8)
    plan = parse_cache_format(notation, "values")
    broken = x.clone()
    broken[0, 0, 0, 0] = torch.nan
    found = quantize_cache(broken, plan)
    assert found[0, 0, 0, 0].isnan() and found.isnan().sum() == 1


def test_nothing_and_float_stay():
    assert quantize_cache(torch.empty(0, 2, 3, 4), parse_cache_format("int4", "keys")).shape == (0, 2, 3, 4)
    x = tokens(1, 1, 2, 4)
    assert quantize_cache(x, parse_cache_format("fp32", "keys")) is x
    assert torch.equal(quantize_cache(x, parse_cache_format("bf16", "keys")), x.bfloat16().float())
