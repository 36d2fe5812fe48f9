"""Bits of a quantized matrix, counted by hand."""

import pytest

from qdebug.formats import FORMATS, Gguf
from qdebug.recipes import TensorPlan, parse_activation_format, parse_weight_format
from qdebug.targets import stored_bits

# 6 rows of 70 columns: three groups of 32 a row (32 + 32 + 6), five of 16, two runs of 4 rows and 3 of 32 columns.
ROWS, COLUMNS = 6, 70
VALUES = ROWS * COLUMNS


@pytest.mark.parametrize(("notation", "bits"), [
    ("int8", 8 * VALUES + 32),
    ("int3", 3 * VALUES + 32),
    ("int8-affine", 8 * VALUES + 32 + 8),
    ("int8-pc", 8 * VALUES + 32 * ROWS),
    ("int4-pc-affine", 4 * VALUES + ROWS * (32 + 4)),
    ("int4g32", 4 * VALUES + 16 * ROWS * 3),
    ("int4g32-affine", 4 * VALUES + (16 + 4) * ROWS * 3),
    ("int4b4x32", 4 * VALUES + 16 * 2 * 3),
    ("int4g32-fp16", 4 * VALUES + 16 * ROWS * 3),
    ("int8-pc-bf16", 8 * VALUES + 16 * ROWS),
    ("int8-fp16", 8 * VALUES + 16),
    ("int4g32-e8m0", 4 * VALUES + 8 * ROWS * 3),
    ("int4g32-dq", 4 * VALUES + 8 * ROWS * 3 + 32 + 32),  # 18 scales of 8 bits, one block of 256 of them, their mean
    ("fp16", 16 * VALUES), ("bf16", 16 * VALUES), ("fp32", 32 * VALUES), ("tf32", 32 * VALUES),
    ("fp8_e4m3fn", 8 * VALUES + 32), ("fp6_e2m3-pc", 6 * VALUES + 32 * ROWS), ("fp4g32", 4 * VALUES + 16 * ROWS * 3),
    ("mxfp4", 4 * VALUES + 8 * ROWS * 3), ("mxfp6_e3m2", 6 * VALUES + 8 * ROWS * 3),
    ("mxint8", 8 * VALUES + 8 * ROWS * 3),
    ("nvfp4", 4 * VALUES + 8 * ROWS * 5 + 32), ("nvint4", 4 * VALUES + 8 * ROWS * 5 + 32),
    ("nf4", 4 * VALUES + 32 * ROWS * 2), ("nf4g32", 4 * VALUES + 32 * ROWS * 3),
    ("nf4-dq", 4 * VALUES + 8 * ROWS * 2 + 32 + 32),
    ("apot4-pc", 4 * VALUES + 32 * ROWS), ("log2_3", 3 * VALUES + 32),
    ("ternary-pc", 672 + 32 * ROWS), ("ternary_twn", 672 + 32),  # 1.6 bits each
    ("ternary_3_4-pc", 525 + 32 * ROWS),  # 1.25 bits each
    ("binary", VALUES + 32),
    ("kmeans4", 4 * VALUES + 16 * 16 + 8), ("kmeans2-pc", 2 * VALUES + ROWS * (4 * 16 + 8)),
    ("vq2_16", ROWS * 35 * 4 + 16 * 2 * 16 + 8),
    ("vq4_256", ROWS * 18 * 8 + 256 * 4 * 16 + 8),  # the last word of a row is half full
    ("q8_0", ROWS * 3 * 34 * 8), ("q4_0", ROWS * 3 * 18 * 8), ("q4_1", ROWS * 3 * 20 * 8),
])  # fmt: skip
def test_a_matrix_of_6_by_70(notation, bits):
    assert stored_bits(ROWS, COLUMNS, parse_weight_format(notation)) == bits


@pytest.mark.parametrize(("notation", "columns", "bits"), [
    ("q4_k", 256, 144 * 8),
    ("q4_k", 160, 32 + 5 * 140),  # two float16, five of eight runs of 32 codes with 12 bits of scale and minimum
    ("q4_k", 512, 2 * 144 * 8),
    ("q6_k", 256, 210 * 8),
    ("q6_k", 160, 16 + 10 * 104),  # one float16, ten of sixteen runs of 16 codes with 8 bits of scale
    ("q6_k", 161, 16 + 11 * 104),
])  # fmt: skip
def test_rows_of_llama_cpp(notation, columns, bits):
    assert stored_bits(3, columns, parse_weight_format(notation)) == 3 * bits


@pytest.mark.parametrize(("notation", "bits"), [
    ("int8", 8 * VALUES + 32 + 8), ("int8-sym", 8 * VALUES + 32), ("int8-tok", 8 * VALUES + ROWS * (32 + 8)),
    ("fp8_e4m3fn-tok", 8 * VALUES + ROWS * 32), ("mxfp8_e5m2", 8 * VALUES + 8 * ROWS * 3),
])  # fmt: skip
def test_activations(notation, bits):
    assert stored_bits(ROWS, COLUMNS, parse_activation_format(notation)) == bits


def test_double_quantization_has_a_scale_for_256_scales():
    plan = parse_weight_format("int4g32-dq")
    assert stored_bits(256, 32, plan) == 4 * 256 * 32 + 8 * 256 + 32 + 32
    assert stored_bits(257, 32, plan) == 4 * 257 * 32 + 8 * 257 + 2 * 32 + 32


def test_nothing_takes_no_codes():
    assert stored_bits(0, 8, parse_weight_format("int4g32")) == 0
    assert stored_bits(0, 8, parse_weight_format("mxfp4")) == 0


@pytest.mark.parametrize("name", FORMATS)
def test_large_matrices_approach_what_the_card_says(name):
    """Scales and codebooks of a whole tensor weigh nothing on 2^26 values; nf4's are float32, as its card counts."""
    form = FORMATS[name]
    plan = TensorPlan(name, "group", form.group, scale_format="fp32") if name == "nf4" else TensorPlan(name)
    side = 1 << 13
    assert stored_bits(side, side, plan) / side**2 == pytest.approx(form.bits_per_weight, abs=1e-3)


def test_the_parts_of_a_block_add_up():
    for name in ("q4_0", "q4_1", "q5_0", "q8_0", "q4_k", "q6_k"):
        form = FORMATS[name]
        assert isinstance(form, Gguf)
        assert form.row_bits(form.size) == 8 * form.block_bytes
        parts = [form.row_bits(columns) for columns in range(1, form.size + 1)]
        assert parts == sorted(parts)
        assert parts[-1] == 8 * form.block_bytes
