"""The squared error without the quantized weight, against the quantized weight."""

import numpy as np
import pytest
import torch

from qdebug.quantize import noise, quantize_weight
from qdebug.quantize.noise import weight_noise
from qdebug.recipes import parse_weight_format
from tests.quantize.blocks import families

QUICK = (
    "int8-pc", "int4-pc", "int4g128", "int4g48", "int3g7", "int8_narrow-pc", "nf4", "nf4-pc", "apot3-pc", "apot4g16",
    "log2_4-pc", "fp8_e4m3fn-pc", "fp8_e5m2g24", "fp4g32", "mxfp4", "mxint8", "mxint4", "mxfp6_e3m2", "mxfp6_e2m3",
    "fp4-pc", "mxfp8_e4m3",
)  # fmt: skip
SLOW = (
    "int8-pc-affine", "uint8-pc", "int4g32-fp16", "int4-pc-floor", "nf4-dq", "int4b8x8", "nvfp4", "bf16", "q4_0",
    "kmeans4-pc", "ternary-pc", "apot5-pc", "int8-pc@2:4", "int8",
)  # fmt: skip


def whole(x, notation):
    xq = quantize_weight(x, parse_weight_format(notation))[0]
    return float((xq.double() - x.double()).square().sum())


def matrices():
    """Whatever blocks may look like, put in rows of 100; and rows that are no multiple of anything."""
    for name, x in families(50, seed=1).items():
        flat = np.asarray(x, np.float32).reshape(-1)
        yield name, torch.from_numpy(np.ascontiguousarray(flat[: len(flat) // 100 * 100].reshape(-1, 100)))
    torch.manual_seed(0)
    for exponent in (-44, -38, -30, 0, 30, 37):
        yield f"1e{exponent}", (torch.randn(9, 131).double() * 10.0**exponent).float()


@pytest.mark.parametrize("notation", QUICK)
def test_it_is_that_of_the_quantized_weight(notation):
    for name, x in matrices():
        if bool(torch.isfinite(x).all()):
            found = weight_noise(x, parse_weight_format(notation))
            assert found == pytest.approx(whole(x, notation), rel=1e-12, abs=0.0), name


@pytest.mark.parametrize("columns", [32, 100, 128, 250, 288])
def test_peaks_that_formats_share(columns):
    x = torch.randn(7, columns)
    peaks = noise.Peaks(x.numpy())
    for notation in ("mxfp4", "int8-pc", "int4g128", "nf4", "int4g96", "int4g16", "fp4g32", "int8-pc"):
        assert weight_noise(x, parse_weight_format(notation), None, peaks) == pytest.approx(
            whole(x, notation), rel=1e-12
        )


@pytest.mark.parametrize("notation", ["int8", "int4", "nf4g999", "fp8_e5m2"])
def test_rows_of_a_tensor_with_one_scale(notation):
    x = torch.randn(40, 33)
    plan = parse_weight_format(notation)
    peak = None if plan.granularity != "tensor" else float(x.abs().max())
    parts = [weight_noise(part, plan, peak) for part in x.split(7)]
    assert sum(parts) == pytest.approx(whole(x, notation), rel=1e-12)


@pytest.mark.parametrize("notation", SLOW)
def test_the_rest_is_left_to_others(notation):
    assert weight_noise(torch.randn(8, 64), parse_weight_format(notation)) is None


@pytest.mark.parametrize("odd", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("notation", ["int8-pc", "int4g16", "nf4", "mxfp4", "fp8_e4m3fn-pc"])
def test_what_is_not_finite_is_left_to_others(notation, odd):
    x = torch.randn(8, 64)
    x[3, 5] = odd
    assert weight_noise(x, parse_weight_format(notation)) is None


def test_without_compiled_loops_there_is_none(monkeypatch):
    monkeypatch.setattr(noise, "kernels", None)
    assert weight_noise(torch.randn(8, 64), parse_weight_format("int8-pc")) is None
