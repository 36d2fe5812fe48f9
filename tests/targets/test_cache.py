"""Bytes of a token in the caches of attention, against a count by hand."""

import pytest

from qdebug.recipes import AttentionPlan, parse_cache_format
from qdebug.results import AttentionInfo
from qdebug.targets import cache_size

HEADS = AttentionInfo(name="a", keys=4 * 64, values=4 * 64, head=(64, 64), fused=True)


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("fp32", 16 * 64),  # left float: 16 bits, as runtimes keep it
        ("bf16", 16 * 64),
        ("fp8_e4m3fn", 8 * 64),
        ("fp8_e4m3fn-tok", 8 * 64 + 16),
        ("int8-static", 8 * 64),
        ("int8-tok", 8 * 64 + 32),
        ("int8-tok-sym", 8 * 64 + 16),
        ("int4g32", 4 * 64 + 2 * 32),
        ("int4g48", 4 * 64 + 2 * 32),
        ("int4g32-pc", 4 * 64 + 64 * 32 / 32),
        ("int2g64-pc-sym", 2 * 64 + 64 * 16 / 64),
        ("q8_0", 2 * 34 * 8),  # two blocks of 32 codes and a half
        ("q4_0", 2 * 18 * 8),
        ("mxfp4", 4 * 64 + 2 * 8),
    ],
)
def test_bits_of_a_head(text, bits):
    plan = AttentionPlan(keys=parse_cache_format(text, "keys"), values=parse_cache_format(text, "values"))
    size = cache_size([HEADS, HEADS], plan)
    assert size is not None
    assert size.fp16_bytes == 2 * 2 * 256 * 2
    assert size.quantized_bytes == 2 * 2 * 4 * bits / 8
    assert size.bits_per_value == bits / 64


def test_keys_and_values_may_have_heads_of_other_widths():
    one = AttentionInfo(name="a", keys=192, values=128, head=(192, 128), fused=False)
    size = cache_size([one], AttentionPlan(keys=parse_cache_format("int8-tok", "keys"), window=8))
    assert size is not None
    assert (size.quantized_bytes, size.window) == ((192 * 8 + 32 + 128 * 16) / 8, 8)


def test_where_there_is_no_attention_there_is_no_cache():
    assert cache_size([], AttentionPlan(keys=parse_cache_format("int8", "keys"))) is None
