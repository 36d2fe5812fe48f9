"""llama.cpp's formats that are only read, and the types of its files, against the package `gguf`."""

import numpy as np
import pytest
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

from qdebug.doors.stored import GGML
from qdebug.quantize.ggml import dequantize
from tests.quantize.tensors import same_bytes

HALVES = {
    "q4_0": [0], "q8_0": [0], "q4_k": [0, 2], "q6_k": [208], "q5_1": [0, 2], "q2_k": [80, 82], "q3_k": [108],
    "q5_k": [0, 2], "iq4_nl": [0], "iq4_xs": [0], "mxfp4": [],
}  # fmt: skip


@pytest.mark.parametrize("name", HALVES)
def test_values_of_any_bytes_are_those_of_the_package(name):
    kind = GGMLQuantizationType[name.upper()]
    block, width = GGML_QUANT_SIZES[kind]
    rng = np.random.default_rng(7)
    packed = rng.integers(0, 256, (37, 3, width), dtype=np.uint8)
    for place in HALVES[name]:  # every stored half is finite
        bits = rng.integers(0, 0x7C00, packed.shape[:2]) | (rng.integers(0, 2, packed.shape[:2]) << 15)
        packed[..., place], packed[..., place + 1] = bits & 255, bits >> 8
    packed = packed.reshape(37, -1)
    with np.errstate(all="ignore"):
        expected = quants.dequantize(packed, kind)
    assert expected.shape == (37, 3 * block)
    assert same_bytes(dequantize(torch.from_numpy(packed), name), torch.from_numpy(expected))


def test_sizes_are_those_of_the_package():
    ours = {number: (kind.block, kind.width) for number, kind in GGML.items()}
    theirs = {int(kind): size for kind, size in GGML_QUANT_SIZES.items() if int(kind) in ours}
    assert ours == theirs
    assert {kind.title for kind in GGML.values()} == {GGMLQuantizationType(number).name for number in ours}


def test_a_row_of_part_of_a_block_is_refused():
    with pytest.raises(ValueError, match="176 bytes"):
        dequantize(torch.zeros(2, 175, dtype=torch.uint8), "q5_k")
