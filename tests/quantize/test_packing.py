"""Codes that are there already become llama.cpp's bytes, which its own package reads as the same values."""

import pytest
import torch
from gguf import GGMLQuantizationType, quants

from qdebug.quantize.ggml import dequantize
from qdebug.quantize.ggml.packing import LIMITS, pack_codes, pack_mxfp4


def read(packed, name):
    return torch.from_numpy(quants.dequantize(packed.numpy(), GGMLQuantizationType[name.upper()]))


@pytest.mark.parametrize("name", LIMITS)
def test_every_code_and_scales_of_all_sizes(name):
    low, high = LIMITS[name]
    torch.manual_seed(3)
    codes = torch.randint(low, high + 1, (6, 96))
    codes[0, :64] = torch.arange(64) % (high - low + 1) + low
    scale = (torch.randn(6, 3) * 10.0 ** torch.arange(-6, 0).view(-1, 1)).half().float()
    packed = pack_codes(codes, scale, name)
    values = (codes.view(6, 3, 32) * scale[:, :, None]).view(6, 96)
    assert torch.equal(read(packed, name), values)
    assert torch.equal(dequantize(packed, name), values)


def test_all_codes_and_exponents_of_mxfp4():
    numbers = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
    torch.manual_seed(5)
    codes = torch.randint(0, 16, (8, 64), dtype=torch.uint8)
    codes[0, :16] = torch.arange(16, dtype=torch.uint8)
    exponents = torch.arange(120, 136, dtype=torch.uint8).view(8, 2)
    values = numbers[codes.long()].view(8, 2, 32) * torch.exp2(exponents.float() - 127)[:, :, None]
    packed = pack_mxfp4(codes, exponents)
    assert torch.equal(read(packed, "mxfp4"), values.view(8, 64))
    assert torch.equal(dequantize(packed, "mxfp4"), values.view(8, 64))


@pytest.mark.parametrize(
    ("codes", "scale", "what"),
    [
        (torch.full((1, 32), 8), torch.ones(1, 1), "from -8 to 7"),
        (torch.zeros(1, 32), torch.tensor([[0.1]]), "float16"),
        (torch.zeros(1, 33), torch.ones(1, 1), "shape"),
        (torch.zeros(1, 64), torch.ones(1, 1), "shape"),
    ],
)
def test_what_does_not_fit_is_refused(codes, scale, what):
    with pytest.raises(ValueError, match=what):
        pack_codes(codes, scale, "q4_0")
