"""compressed-tensors checkpoints against arithmetic from the format's description."""

import numpy as np
import pytest
import torch

from qdebug.doors.checkpoints import read_checkpoint
from qdebug.doors.checkpoints.schemes import scheme_of
from qdebug.errors import ModelError
from qdebug.formats.floats import FP4
from qdebug.quantize import quantize_weight
from qdebug.recipes import FLOAT, TensorPlan
from tests.doors import packed_by_hand as hand

INT8 = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False}


def config(weights, inputs=None, form="int-quantized", targets=("Linear",)):
    scheme = {"targets": list(targets), "weights": weights, "input_activations": inputs}
    return {
        "quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed",
        "config_groups": {"group_0": scheme}, "ignore": ["lm_head"],
    }  # fmt: skip


def opened(parts, *said, **words):
    stored = read_checkpoint(hand.named("a", parts), config(*said, **words)).linear("a")
    rounded, _ = quantize_weight(stored.weight, stored.plan, grid=stored.grid)
    assert torch.equal(rounded, stored.weight)
    return stored


def test_int8_by_channel_with_inputs_by_token():
    weight = torch.tensor([[-128, 3], [127, 0]], dtype=torch.int8)
    parts = {"weight": weight, "weight_scale": torch.tensor([[0.5], [0.25]], dtype=torch.bfloat16)}
    inputs = INT8 | {"strategy": "token", "dynamic": True}
    stored = opened(parts, INT8, inputs)
    assert stored.weight.tolist() == [[-64.0, 1.5], [31.75, 0.0]]
    assert stored.plan == TensorPlan("int8", "channel", range="stored", scale_format="bf16")
    assert stored.activation == TensorPlan("int8", "token", dynamic=True)
    assert stored.activation_grid is None


def test_int8_with_a_fixed_affine_input():
    parts = {
        "weight": torch.tensor([[-8, 8]], dtype=torch.int8), "weight_scale": torch.tensor([2.0]),
        "weight_zero_point": torch.tensor([4], dtype=torch.int8), "input_scale": torch.tensor([0.125]),
        "input_zero_point": torch.tensor([-5], dtype=torch.int8),
    }  # fmt: skip
    affine = INT8 | {"strategy": "tensor", "symmetric": False}
    stored = opened(parts, affine, affine)
    assert stored.weight.tolist() == [[-24.0, 8.0]]
    assert not stored.plan.symmetric
    grid = stored.activation_grid
    assert (grid.scale.item(), grid.zero_point.item(), grid.qmin, grid.qmax) == (0.125, -5.0, -128, 127)
    assert stored.activation.range == "stored"


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("symmetric", [True, False])
def test_packed_groups(bits, symmetric):
    weight, zeros = hand.codes(6, 48, bits), hand.codes(6, 3, bits, seed=2)
    scale = hand.scales(6, 3, torch.bfloat16)
    if symmetric:
        zeros = np.full_like(zeros, 1 << (bits - 1))
    parts = {
        "weight_packed": hand.rows_of(weight, bits), "weight_shape": torch.tensor([6, 48]), "weight_scale": scale,
    }  # fmt: skip
    if not symmetric:
        parts["weight_zero_point"] = hand.rows_of(zeros.T, bits).T.contiguous()
    said = {"num_bits": bits, "symmetric": symmetric, "strategy": "group", "group_size": 16}
    stored = opened(parts, said, form="pack-quantized")
    assert torch.equal(stored.weight, hand.affine(weight, zeros, scale, np.arange(48) // 16))
    assert stored.plan.label == f"int{bits} g16"
    assert stored.plan.symmetric == symmetric
    assert stored.activation == FLOAT


def test_sorted_features_keep_their_groups():
    weight, zeros, scale = hand.codes(4, 32, 4), np.full((4, 2), 8), hand.scales(4, 2)
    order = hand.rng(5).permutation(np.arange(32) // 16)
    parts = {
        "weight_packed": hand.rows_of(weight, 4), "weight_shape": torch.tensor([4, 32]), "weight_scale": scale,
        "weight_g_idx": torch.from_numpy(order.astype(np.int32)),
    }  # fmt: skip
    said = {"num_bits": 4, "strategy": "group", "group_size": 16, "actorder": "group"}
    stored = opened(parts, said, form="pack-quantized")
    assert torch.equal(stored.weight, hand.affine(weight, zeros, scale, order))
    assert stored.plan.group_size == 16


def test_float8_by_tensor_with_a_fixed_input():
    weight = torch.tensor([[448.0, -1.5], [0.0, 2.0**-9]]).to(torch.float8_e4m3fn)
    parts = {"weight": weight, "weight_scale": torch.tensor(0.5), "input_scale": torch.tensor(0.25)}
    fp8 = {"num_bits": 8, "type": "float", "strategy": "tensor"}
    stored = opened(parts, fp8, fp8, form="float-quantized")
    assert stored.weight.tolist() == [[224.0, -0.75], [0.0, 2.0**-10]]
    assert stored.plan.format == stored.activation.format == "fp8_e4m3fn"
    assert stored.activation_grid.clip_max.item() == 112.0


def test_float8_by_tiles():
    weight = hand.scales(5, 7, torch.float32).mul(1000).to(torch.float8_e4m3fn)
    scale = hand.scales(3, 3, torch.float32)
    said = {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [2, 3]}
    stored = opened({"weight": weight, "weight_scale": scale}, said, form="float-quantized")
    for row in range(5):
        for column in range(7):
            product = weight[row, column].float() * scale[row // 2, column // 3]
            assert stored.weight[row, column] == product
    assert stored.plan.block == (2, 3)


def test_nvfp4():
    drawn = hand.codes(2, 32, 4)
    parts = {
        "weight_packed": torch.from_numpy(drawn[:, ::2] + 16 * drawn[:, 1::2]).to(torch.uint8),
        "weight_scale": torch.tensor([[1.0, 2.0], [448.0, 0.5]]).to(torch.float8_e4m3fn),
        "weight_global_scale": torch.tensor([3.0]),
    }  # fmt: skip
    said = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
    inputs = said | {"dynamic": "local"}
    stored = opened(parts, said, inputs, form="nvfp4-pack-quantized")
    steps = parts["weight_scale"].float() / torch.tensor(3.0)
    expected = torch.from_numpy(FP4.decode(drawn)).float() * steps.repeat_interleave(16, 1)
    assert torch.equal(stored.weight, expected)
    assert stored.plan == TensorPlan("nvfp4", range="stored")
    assert stored.activation == TensorPlan("nvfp4")
    assert len(stored.unsaid) == 1


def test_mxfp4():
    drawn = hand.codes(2, 32, 4)
    parts = {
        "weight_packed": torch.from_numpy(drawn[:, ::2] + 16 * drawn[:, 1::2]).to(torch.uint8),
        "weight_scale": torch.tensor([[127], [120]], dtype=torch.uint8),
    }  # fmt: skip
    said = {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32}
    stored = opened(parts, said, form="mxfp4-pack-quantized")
    expected = torch.from_numpy(FP4.decode(drawn)) * torch.tensor([[1.0], [2.0**-7]])
    assert torch.equal(stored.weight, expected.float())


def test_mxfp8():
    weight = torch.tensor([[448.0] * 16 + [-0.5] * 20]).to(torch.float8_e4m3fn)
    parts = {"weight": weight, "weight_scale": torch.tensor([[130, 126]], dtype=torch.uint8)}
    said = {"num_bits": 8, "type": "float", "strategy": "group", "group_size": 32, "scale_dtype": "torch.uint8"}
    stored = opened(parts, said, said | {"dynamic": True}, form="mxfp8-quantized")
    assert stored.weight[0].tolist() == [448.0 * 8] * 16 + [-4.0] * 16 + [-0.25] * 4
    assert (stored.plan.format, stored.activation.format) == ("mxfp8_e4m3", "mxfp8_e4m3")


def test_a_name_goes_before_a_pattern_and_a_pattern_before_a_class():
    groups = {
        "c": {"targets": ["Linear"]}, "b": {"targets": ["re:.*down_proj"]},
        "a": {"targets": ["layers.1.mlp.down_proj"]},
    }  # fmt: skip
    said = {"config_groups": groups, "ignore": ["lm_head", "re:vision.*"]}
    assert scheme_of("layers.1.mlp.down_proj", said) is groups["a"]
    assert scheme_of("layers.2.mlp.down_proj", said) is groups["b"]
    assert scheme_of("layers.2.mlp.up_proj", said) is groups["c"]
    assert scheme_of("lm_head", said) is None
    assert scheme_of("vision.layers.2.mlp.down_proj", said) is None


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"format": "marlin-24"}, "marlin-24"),
        ({"quantization_status": "frozen"}, "frozen"),
        ({"sparsity_config": {"format": "sparse-24-bitmask"}}, "sparse"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(said, word):
    parts = {"weight": torch.zeros(2, 2, dtype=torch.int8), "weight_scale": torch.ones(2, 1)}
    with pytest.raises(ModelError, match=word):
        read_checkpoint(hand.named("a", parts), config(INT8) | said)
