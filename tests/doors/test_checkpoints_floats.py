"""FP8, ModelOpt and bitsandbytes checkpoints against arithmetic from each format's description."""

import json

import pytest
import torch

from qdebug.doors.checkpoints import read_checkpoint
from qdebug.formats import find
from qdebug.formats.floats import FP4
from qdebug.quantize import quantize_weight
from qdebug.recipes import TensorPlan
from tests.doors import packed_by_hand as hand


def opened(parts, config):
    stored = read_checkpoint(hand.named("a", parts), config).linear("a")
    rounded, _ = quantize_weight(stored.weight, stored.plan, grid=stored.grid)
    assert torch.equal(rounded, stored.weight)
    return stored


def fp8(rows, columns):
    return torch.from_numpy(hand.rng(4).uniform(-448, 448, (rows, columns))).to(torch.float8_e4m3fn)


def test_tiles_of_deepseek():
    weight, scale = fp8(130, 200), hand.scales(2, 2, torch.float32)
    config = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
    stored = opened({"weight": weight, "weight_scale_inv": scale}, config)
    for rows in (slice(0, 128), slice(128, 130)):
        for columns in (slice(0, 128), slice(128, 200)):
            step = scale[rows.start // 128, columns.start // 128]
            assert torch.equal(stored.weight[rows, columns], weight[rows, columns].float() * step)
    assert stored.plan == TensorPlan("fp8_e4m3fn", "block", block=(128, 128), range="stored", scale_format="fp32")
    assert stored.activation == TensorPlan("fp8_e4m3fn", "token", dynamic=True)
    assert "128 features" in stored.unsaid[0]


def test_one_scale_with_a_fixed_input():
    parts = {"weight": fp8(3, 4), "weight_scale": torch.tensor(0.5), "input_scale": torch.tensor([2.0])}
    stored = opened(parts, {"quant_method": "fp8", "activation_scheme": "static"})
    assert torch.equal(stored.weight, parts["weight"].float() * 0.5)
    assert stored.activation_grid.clip_max.item() == 896.0


def test_rows_of_fbgemm():
    parts = {"weight": fp8(3, 4), "weight_scale": torch.tensor([[1.0], [0.5], [0.25]])}
    stored = opened(parts, {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0})
    assert torch.equal(stored.weight, parts["weight"].float() * parts["weight_scale"])
    assert (stored.plan.granularity, stored.activation.granularity) == ("channel", "token")


def test_modelopt_fp8():
    parts = {"weight": fp8(3, 4), "weight_scale": torch.tensor(0.5), "input_scale": torch.tensor(2.0)}
    stored = opened(parts, {"quant_method": "modelopt", "quant_algo": "FP8"})
    assert torch.equal(stored.weight, parts["weight"].float() * 0.5)
    assert stored.activation.range == "stored"


def test_modelopt_nvfp4():
    drawn = hand.codes(2, 16, 4)
    parts = {
        "weight": torch.from_numpy(drawn[:, ::2] + 16 * drawn[:, 1::2]).to(torch.uint8),
        "weight_scale": torch.tensor([[2.0], [16.0]]).to(torch.float8_e4m3fn), "weight_scale_2": torch.tensor(0.3),
        "input_scale": torch.tensor(1.0),
    }  # fmt: skip
    stored = opened(parts, {"quant_method": "modelopt", "quant_algo": "NVFP4"})
    steps = torch.tensor([[2.0], [16.0]]) * torch.tensor(0.3)
    assert torch.equal(stored.weight, torch.from_numpy(FP4.decode(drawn)).float() * steps)
    assert stored.activation == TensorPlan("nvfp4")


def nf4(rows, columns, block, double=False):
    """Tensors as bitsandbytes saves them, and the weight they stand for."""
    drawn = hand.codes(rows, columns, 4)
    flat = drawn.reshape(-1)
    blocks = -(-len(flat) // block)
    levels = torch.tensor(find("nf4").levels)
    state = {"quant_type": "nf4", "blocksize": block, "dtype": "bfloat16", "shape": [rows, columns]}
    parts = {
        "weight": torch.from_numpy(16 * flat[::2] + flat[1::2]).to(torch.uint8).view(-1, 1), "weight.quant_map": levels,
        "weight.absmax": hand.scales(blocks, 1, torch.float32).view(-1),
    }  # fmt: skip
    absmax = parts["weight.absmax"]
    if double:
        table = torch.linspace(-1, 1, 256)
        parts |= {
            "weight.absmax": torch.from_numpy(hand.rng(8).integers(0, 256, blocks)).to(torch.uint8),
            "weight.nested_quant_map": table, "weight.nested_absmax": torch.tensor([0.01, 0.02])[: -(-blocks // 4)],
        }  # fmt: skip
        state |= {"nested_blocksize": 4, "nested_offset": 0.05, "nested_dtype": "float32"}
        absmax = torch.stack([
            table[int(code)] * parts["weight.nested_absmax"][at // 4] + torch.tensor(0.05)
            for at, code in enumerate(parts["weight.absmax"])
        ])  # fmt: skip
    text = json.dumps(state).encode()
    parts["weight.quant_state.bitsandbytes__nf4"] = torch.tensor(list(text), dtype=torch.uint8)
    expected = torch.stack([levels[code] * absmax[at // block] for at, code in enumerate(flat.tolist())])
    return parts, expected.view(rows, columns)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(4, 16), (4, 10)])
def test_nf4(rows, columns, double):
    parts, expected = nf4(rows, columns, 8, double)
    stored = opened(parts, {"quant_method": "bitsandbytes", "load_in_4bit": True})
    assert torch.equal(stored.weight, expected)
    assert stored.plan.label == "nf4 g8"
    assert stored.plan.scale_format == ("double" if double else "fp32")
    assert stored.grid.group_size == (8 if columns == 16 else 1)


def test_llm_int8():
    parts = {
        "weight": torch.tensor([[127, -64], [1, 0]], dtype=torch.int8), "SCB": torch.tensor([127.0, 254.0]),
        "weight_format": torch.tensor(0, dtype=torch.uint8),
    }  # fmt: skip
    stored = opened(parts, {"load_in_8bit": True, "llm_int8_threshold": 6.0})
    assert stored.weight.tolist() == [[127.0, -64.0], [2.0, 0.0]]
    assert stored.plan == TensorPlan("int8", "channel", range="stored", scale_format="fp32")
    assert stored.activation == TensorPlan("int8", "token", dynamic=True)
    assert "6.0" in stored.unsaid[0]
