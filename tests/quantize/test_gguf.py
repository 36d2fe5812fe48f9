"""llama.cpp's block formats against the package `gguf`, llama.cpp's own in Python.

`gguf` quantizes the four simple formats and dequantizes all six. Where it differs from `ggml-quants.c`, here only in
blocks of zeros some of which are −0.0, the C is what counts, and the test says so.
"""

import tracemalloc

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, quants
from hypothesis import given
from hypothesis import strategies as st

from qdebug.quantize.ggml import search as kquant_search
from qdebug.quantize.ggml.gguf import decode, encode
from tests.quantize.blocks import families
from tests.quantize.tensors import same_bytes

SIMPLE = ["q4_0", "q4_1", "q5_0", "q8_0"]
EVERY = [*SIMPLE, "q4_k", "q6_k"]
BLOCK = {name: 256 if name.endswith("k") else 32 for name in EVERY}
WIDTH = {"q4_0": 18, "q4_1": 20, "q5_0": 22, "q8_0": 34, "q4_k": 144, "q6_k": 210}
HALVES = {"q4_0": [0], "q4_1": [0, 2], "q5_0": [0], "q8_0": [0], "q4_k": [0, 2], "q6_k": [208]}
# numpy leaves what becomes of an infinite product undefined, and so does C.
DEFINED = [name for name in families(1) if name not in ("denormal", "minus zero", "zeros of both signs")]


def oracle(name):
    return GGMLQuantizationType[name.upper()]


def random_bytes(name, rows, columns, seed):
    """Any codes; every stored half is finite."""
    rng = np.random.default_rng(seed)
    packed = rng.integers(0, 256, (rows, columns // BLOCK[name], WIDTH[name]), dtype=np.uint8)
    for place in HALVES[name]:
        bits = rng.integers(0, 0x7C00, packed.shape[:2]) | (rng.integers(0, 2, packed.shape[:2]) << 15)
        packed[..., place], packed[..., place + 1] = bits & 255, bits >> 8
    return torch.from_numpy(packed.reshape(rows, -1))


@pytest.mark.parametrize("family", DEFINED)
@pytest.mark.parametrize("name", SIMPLE)
def test_bytes_are_those_of_the_package(name, family):
    x = families(60, seed=3)[family]
    with np.errstate(all="ignore"):
        expected = quants.quantize(x, oracle(name))
    np.testing.assert_array_equal(encode(torch.from_numpy(x), name).packed.numpy(), expected)


@pytest.mark.parametrize("name", EVERY)
def test_values_are_those_of_the_package(name):
    for x in families(20, seed=4).values():
        blocks = encode(torch.from_numpy(x), name)
        with np.errstate(all="ignore"):
            expected = quants.dequantize(blocks.packed.numpy(), oracle(name))
        assert same_bytes(blocks.values(), torch.from_numpy(expected))


@pytest.mark.parametrize("name", EVERY)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 4), blocks=st.integers(1, 3))
def test_any_bytes_are_read_as_the_package_reads_them(name, seed, rows, blocks):
    packed = random_bytes(name, rows, blocks * BLOCK[name], seed)
    expected = quants.dequantize(packed.numpy(), oracle(name))
    assert same_bytes(decode(packed, name).values(), torch.from_numpy(expected))


ZEROS = {
    "zero": [0.0] * 32,
    "minus zero": [-0.0] * 32,
    "zero first": [0.0] + [-0.0] * 31,
    "minus zero first": [-0.0] + [0.0] * 31,
}


@pytest.mark.parametrize("kind", ZEROS)
@pytest.mark.parametrize(("name", "code"), [("q4_0", 0x88), ("q5_0", 0x00)])
def test_the_scale_of_a_block_of_zeros_is_minus_zero(name, code, kind):
    """In C no magnitude exceeds the first guess 0.0, so d = 0.0 / −8; the package divides the −0.0 that it found."""
    packed = encode(torch.tensor([ZEROS[kind]]), name).packed[0]
    assert packed[:2].tolist() == [0x00, 0x80]
    assert set(packed[-16:].tolist()) == {code}


@pytest.mark.parametrize(("kind", "sign"), [("zero", 0), ("minus zero", 0x80), ("zero first", 0),
                                            ("minus zero first", 0x80)])  # fmt: skip
def test_the_first_of_two_zeros_is_the_minimum(kind, sign):
    """In C 0.0 is not below −0.0 nor the other way round; the package takes numpy's minimum, of either sign."""
    assert encode(torch.tensor([ZEROS[kind]]), "q4_1").packed[0].tolist() == [0, 0, 0, sign] + [0] * 16


@pytest.mark.parametrize(("name", "code"), [("q4_0", -8), ("q4_1", 0), ("q5_0", -16), ("q8_0", 0)])
def test_values_too_small_for_a_reciprocal_have_the_lowest_code_of_c_on_x86(name, code):
    """1 / d is infinite; x86 turns the infinite and the NaN product into the integer 0."""
    x = torch.tensor([[1e-41, -1e-41, 0.0, 3e-42] * 8])
    assert encode(x, name).codes.unique().tolist() == [code]


def test_halves_of_q8_0_go_away_from_zero():
    x = torch.tensor([[127.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999997, 126.5] * 4])
    assert encode(x, "q8_0").codes[0, :8].tolist() == [127, 1, -1, 2, 3, -3, 0, 127]


@pytest.mark.parametrize("name", EVERY)
def test_shapes_and_parts(name):
    x = torch.randn(5, 768, generator=torch.Generator().manual_seed(1))
    blocks = encode(x, name)
    groups = 768 // blocks.size
    assert blocks.size == (16 if name == "q6_k" else 32)
    assert (blocks.codes.dtype, blocks.codes.shape) == (torch.int8, (5, 768))
    assert blocks.scale.shape == blocks.offset.shape == (5, groups)
    assert (blocks.packed.dtype, blocks.packed.shape) == (torch.uint8, (5, 768 // BLOCK[name] * WIDTH[name]))
    by_hand = blocks.codes.view(5, groups, -1) * blocks.scale[:, :, None] + blocks.offset[:, :, None]
    torch.testing.assert_close(blocks.values(), by_hand.view(5, 768), rtol=0, atol=0)


@pytest.mark.parametrize("name", EVERY)
def test_bytes_say_everything(name):
    x = torch.randn(7, 512, generator=torch.Generator().manual_seed(2))
    one = encode(x, name)
    two = decode(one.packed, name)
    assert same_bytes(one.values(), two.values())
    assert torch.equal(one.codes, two.codes)
    assert same_bytes(one.scale, two.scale)
    assert same_bytes(one.offset, two.offset)


STEPS = {"q4_0": 1.0, "q4_1": 0.51, "q5_0": 1.0, "q8_0": 0.51, "q4_k": 1.5, "q6_k": 1.5}


@pytest.mark.parametrize("name", EVERY)
def test_values_lie_near_their_codes(name):
    """Simple formats: half a step, or a whole one at the end that has no code. K-quants fit scales by least squares."""
    x = torch.randn(64, 512, generator=torch.Generator().manual_seed(3))
    blocks = encode(x, name)
    error = (blocks.values() - x).abs().view(64, -1, blocks.size)
    assert bool((error <= STEPS[name] * blocks.scale.abs()[:, :, None] + 2e-3).all())


@pytest.mark.parametrize("name", EVERY)
def test_encoding_again_stays_close(name):
    x = torch.randn(32, 512, generator=torch.Generator().manual_seed(4))
    once = encode(x, name).values()
    twice = encode(once, name).values()
    assert (twice - once).norm() < 0.5 * (once - x).norm()


@pytest.mark.parametrize("name", EVERY)
def test_strides_and_long_rows_change_nothing(name):
    x = torch.randn(3, 300_032 // 256 * 256, generator=torch.Generator().manual_seed(5))
    expected = torch.cat([encode(x[i : i + 1, :], name).packed for i in range(3)])
    assert torch.equal(encode(x, name).packed, expected)
    assert torch.equal(encode(x.t().contiguous().t(), name).packed, expected)
    blockwise = encode(x.view(-1, 256), name).packed
    assert torch.equal(blockwise.view(3, -1), expected)


@pytest.mark.parametrize("name", EVERY)
def test_nothing_gives_nothing(name):
    for shape in ((0, 512), (4, 0)):
        blocks = encode(torch.zeros(shape), name)
        assert blocks.values().shape == shape
        assert blocks.packed.numel() == 0


def test_names_are_read_in_either_case():
    x = torch.randn(1, 256, generator=torch.Generator().manual_seed(6))
    assert torch.equal(encode(x, "Q4_K").packed, encode(x, "q4_k").packed)


@pytest.mark.parametrize("name", EVERY)
def test_what_cannot_be_encoded_is_said(name):
    x = torch.zeros(2, 2 * BLOCK[name])
    with pytest.raises(ValueError, match=f"{name} needs rows of a multiple of {BLOCK[name]} values, not"):
        encode(x[:, :-1], name)
    for bad in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(ValueError, match=f"{name} has no codes for NaN and infinity"):
            encode(x.index_fill(1, torch.tensor([3]), bad), name)
    for wrong in (x.double(), x[0]):
        with pytest.raises(ValueError, match=f"{name} encodes a float32 matrix, not"):
            encode(wrong, name)
    with pytest.raises(ValueError, match=f"{name} decodes a uint8 matrix with rows of a multiple of {WIDTH[name]}"):
        decode(torch.zeros(2, WIDTH[name] + 1, dtype=torch.uint8), name)


def test_an_unknown_name_is_said():
    with pytest.raises(ValueError, match="q3_k is not one of the block formats q4_0, q4_1, q5_0, q8_0, q4_k, q6_k"):
        encode(torch.zeros(1, 256), "q3_k")


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", EVERY)
def test_memory_beyond_the_result_does_not_grow_with_the_matrix(name, compiled, monkeypatch):
    """numpy's memory, which is all but the result and one chunk; the result is torch's, and not traced."""
    if not compiled:
        monkeypatch.setattr(kquant_search, "kernels", None)
    x = torch.zeros(1024, 2048)
    encode(x[:1], name)
    tracemalloc.start()
    try:
        encode(x, name)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
