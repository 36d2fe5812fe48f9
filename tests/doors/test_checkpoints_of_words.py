"""GPTQ and AWQ checkpoints against a decoder that goes value by value."""

import numpy as np
import pytest
import torch

from qdebug.doors.checkpoints import read_checkpoint
from qdebug.quantize import quantize_weight
from tests.doors import packed_by_hand as hand

GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 16}


def made(bits, groups, rows=32, columns=64):
    """Codes and zero points, of which the first is the smallest and the second the largest, and scales."""
    return (
        hand.codes(rows, columns, bits), hand.codes(rows, max(groups, 2), bits, seed=3)[:, :groups],
        hand.scales(rows, groups),
    )  # fmt: skip


def holds(stored, expected):
    """Weight as expected, and rounding it to the stored grid changes nothing."""
    assert torch.equal(stored.weight, expected)
    rounded, grid = quantize_weight(stored.weight, stored.plan, grid=stored.grid)
    assert grid is stored.grid
    assert torch.equal(rounded, expected)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq(bits, version):
    weight, zeros, scale = made(bits, 4)
    tensors = hand.named("layers.0.q", hand.gptq(weight, zeros, scale, bits, version=version))
    config = GPTQ | {"bits": bits, "checkpoint_format": "gptq" if version == 1 else "gptq_v2"}
    found = read_checkpoint(tensors, config)
    stored = found.linear("layers.0.q")
    holds(stored, hand.affine(weight, zeros, scale, np.arange(64) // 16))
    assert (stored.plan.label, stored.plan.symmetric, stored.plan.range) == (f"int{bits} g16", False, "stored")
    assert stored.plan.scale_format == "fp16"
    assert torch.equal(stored.codes, torch.from_numpy(weight).to(torch.uint8))
    assert list(found.plain()) == []


def test_one_layer_of_gptq_by_hand():
    # one output of interest: codes 0 1 2 … 7, zero point 3 stored as 2, scale 0.5
    words = torch.zeros(1, 8, dtype=torch.int32)
    words[0, 0] = 0x76543210
    parts = {
        "qweight": words, "qzeros": torch.tensor([[0x77777772]], dtype=torch.int32),
        "scales": torch.full((1, 8), 0.5, dtype=torch.float16),
    }  # fmt: skip
    stored = read_checkpoint(hand.named("a", parts), GPTQ | {"group_size": -1}).linear("a")
    assert stored.weight[0].tolist() == [-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
    assert stored.weight[1].tolist() == [-4.0] * 8  # zero point 8 stored as 7
    assert stored.plan.granularity == "channel"


def test_features_that_gptq_sorted_keep_their_groups():
    weight, zeros, scale = made(4, 4)
    order = hand.rng(7).permutation(np.arange(64) // 16)
    tensors = hand.named("a", hand.gptq(weight, zeros, scale, 4, order=order))
    stored = read_checkpoint(tensors, GPTQ | {"desc_act": True}).linear("a")
    holds(stored, hand.affine(weight, zeros, scale, order))
    assert (stored.plan.group_size, stored.grid.group_size) == (16, 1)


def test_layers_of_gptq_with_a_choice_of_their_own():
    first, second = made(4, 4), made(8, 2)
    tensors = hand.named("layers.0.q", hand.gptq(*first, 4)) | hand.named("layers.1.q", hand.gptq(*second, 8))
    dynamic = {"-:.*lm_head": {}, r"+:layers\.1\..*": {"bits": 8, "group_size": 32}}
    found = read_checkpoint(tensors, GPTQ | {"dynamic": dynamic})
    holds(found.linear("layers.0.q"), hand.affine(*first, np.arange(64) // 16))
    holds(found.linear("layers.1.q"), hand.affine(*second, np.arange(64) // 32))


def test_symmetric_codes_come_back_signed():
    weight, zeros, scale = made(4, 4)
    zeros = np.full_like(zeros, 8)
    stored = read_checkpoint(hand.named("a", hand.gptq(weight, zeros, scale, 4)), GPTQ | {"sym": True}).linear("a")
    holds(stored, hand.affine(weight, zeros, scale, np.arange(64) // 16))
    assert stored.plan.symmetric
    assert stored.is_symmetric
    assert (stored.grid.qmin, stored.grid.qmax) == (-8, 7)


def test_a_group_whose_scale_is_zero_is_zero():
    weight, zeros, scale = made(4, 4)
    scale[3, 1] = 0
    stored = read_checkpoint(hand.named("a", hand.gptq(weight, zeros, scale, 4)), GPTQ).linear("a")
    holds(stored, hand.affine(weight, zeros, scale, np.arange(64) // 16))
    assert bool((stored.weight[3, 16:32] == 0).all())
    assert bool((stored.grid.scale > 0).all())


@pytest.mark.parametrize("groups", [1, 4])
def test_awq(groups):
    weight, zeros, scale = made(4, groups)
    size = 64 // groups
    config = {"quant_method": "awq", "bits": 4, "group_size": size, "version": "gemm", "zero_point": True}
    stored = read_checkpoint(hand.named("a.b", hand.awq(weight, zeros, scale)), config).linear("a.b")
    holds(stored, hand.affine(weight, zeros, scale, np.arange(64) // size))
    assert stored.plan.label == ("int4 pc" if groups == 1 else "int4 g16")


def test_one_word_of_awq_by_hand():
    # nibbles of a word from low to high are outputs 0 2 4 6 1 3 5 7
    parts = {
        "qweight": torch.tensor([[0x7531_6420]], dtype=torch.int32), "qzeros": torch.tensor([[0x1111_1111]]).int(),
        "scales": torch.ones(1, 8, dtype=torch.float16),
    }  # fmt: skip
    stored = read_checkpoint(hand.named("a", parts), {"quant_method": "awq", "group_size": 1}).linear("a")
    assert stored.weight.flatten().tolist() == [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_awq_gemv():
    weight, zeros, scale = made(4, 2)
    filled = np.zeros((32, 32), np.int64)  # AutoAWQ fills zero points up to a multiple of words
    filled[:, :2] = zeros
    wide = torch.zeros(32, 32, dtype=torch.float16)
    wide[:, :2] = scale
    parts = {"qweight": hand.nibble_words(weight), "qzeros": hand.nibble_words(filled), "scales": wide}
    config = {"quant_method": "awq", "group_size": 32, "version": "GEMV"}
    holds(
        read_checkpoint(hand.named("a", parts), config).linear("a"),
        hand.affine(weight, zeros, scale, np.arange(64) // 32),
    )
