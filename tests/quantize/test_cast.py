import math

import numpy as np
import torch
from hypothesis import given

from qdebug.formats import BF16, FP16, FP32
from qdebug.quantize import cast
from tests.quantize.tensors import anything, tensors


@given(tensors(anything))
def test_fp16_is_numpys_half(x):
    with np.errstate(over="ignore"):
        expected = x.numpy().astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(cast(x, FP16).numpy(), expected)


@given(tensors(anything))
def test_bf16_is_the_upper_half_of_float32_rounded_to_even(x):
    bits = x.numpy().view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    expected = np.where(np.isnan(x.numpy()), np.nan, rounded)
    np.testing.assert_array_equal(cast(x, BF16).numpy(), expected)


def test_fp16_overflows_to_infinity():
    assert cast(torch.tensor([65504.0, 65519.0, 65520.0, -7e4]), FP16).tolist() == [
        65504.0,
        65504.0,
        math.inf,
        -math.inf,
    ]


def test_fp32_is_the_tensor_itself():
    x = torch.randn(3)
    assert cast(x, FP32) is x


def test_strides_and_dtype_stay():
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    for fmt in (FP16, BF16):
        assert cast(x, fmt).stride() == x.stride()
        assert cast(x.double(), fmt).dtype == torch.float64
