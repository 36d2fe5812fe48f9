"""Damaged configs and tensors: each is read, or refused with one clear error; nothing else is raised."""

import copy
import json

import numpy as np
import pytest
import torch

from qdebug.doors.checkpoints import read_checkpoint
from qdebug.errors import QDebugError
from qdebug.export.checkpoints import awq, compressed_tensors, gptq, linear_of
from qdebug.formats import find
from qdebug.quantize import weight_grid
from qdebug.recipes import TensorPlan, parse_activation_format
from tests.doors import packed_by_hand as hand

VALUES = [
    None, True, -1, 0, 3, 7, (1 << 31) - 1, 1 << 40, 0.5, "", "int", "group", [], [1], ["a", 2], {}, {"a": None},
    float("nan"),
]  # fmt: skip


class Described(dict):
    """Tensors with the metadata of their file."""

    metadata: dict


def written(write, plan, inputs="fp32"):
    torch.manual_seed(0)
    values = torch.randn(32, 64)
    made = write([linear_of("a", values, plan, weight_grid(values, plan), parse_activation_format(inputs))])
    return dict(made.tensors), dict(made.config)


def nf4():
    state = {"blocksize": 8, "shape": [4, 16], "nested_blocksize": 4, "nested_offset": 0.5}
    return {
        "a.weight": torch.zeros(32, 1, dtype=torch.uint8), "a.weight.absmax": torch.zeros(8, dtype=torch.uint8),
        "a.weight.quant_map": torch.tensor(find("nf4").levels),
        "a.weight.nested_absmax": torch.ones(2), "a.weight.nested_quant_map": torch.zeros(256),
        "a.weight.quant_state.bitsandbytes__nf4": torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8),
    }, {"quant_method": "bitsandbytes"}  # fmt: skip


def torchao():
    said = {"_type": "IntxUnpackedToInt8Tensor", "_data": {
        "target_dtype": {"_type": "torch.dtype", "_data": "int4"}, "block_size": [1, 8],
        "activation_quantization": "int8_asym_per_token",
    }}  # fmt: skip
    parts = {
        "a._weight_qdata": torch.zeros(4, 16, dtype=torch.int8), "a._weight_scale": torch.ones(4, 2),
        "a._weight_zero_point": torch.zeros(4, 2, dtype=torch.int8),
    }  # fmt: skip
    return parts, {"quant_method": "torchao", "said": said}


def tiles():
    parts = {"weight": torch.zeros(4, 8).to(torch.float8_e4m3fn), "weight_scale_inv": torch.ones(2, 2)}
    return hand.named("a", parts), {"quant_method": "fp8", "weight_block_size": [2, 4]}


GROUPS = TensorPlan("int3", "group", 16, symmetric=False, scale_format="fp16")
FOUR = TensorPlan("int4", "group", 16, symmetric=False, scale_format="fp16")
BASES = {
    "packed": lambda: written(compressed_tensors, GROUPS),
    "int8": lambda: written(compressed_tensors, TensorPlan("int8", "channel"), "int8-tok"),
    "fp8": lambda: written(compressed_tensors, TensorPlan("fp8_e4m3fn", "block", block=(16, 16)), "fp8-tok"),
    "nvfp4": lambda: written(compressed_tensors, TensorPlan("nvfp4")),
    "gptq": lambda: written(gptq, TensorPlan("int3", "group", 32, symmetric=False, scale_format="fp16")),
    "awq": lambda: written(awq, FOUR),
    "nf4": nf4,
    "torchao": torchao,
    "tiles": tiles,
}


def places(value, path=()):
    """Every place in a config."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def spoiled(config, rng):
    found = [one for one in places(config) if one]
    *way, last = found[rng.integers(len(found))]
    at = config
    for key in way:
        at = at[key]
    value = VALUES[rng.integers(len(VALUES))]
    if isinstance(at, dict) and rng.random() < 0.2:
        del at[last]
    else:
        at[last] = copy.deepcopy(value)


def damaged(tensors, rng):
    name = list(tensors)[rng.integers(len(tensors))]
    tensor = tensors[name]
    changes = [
        lambda: tensors.pop(name), lambda: tensor[:1], lambda: tensor[:0], lambda: tensor.reshape(-1), lambda: tensor.T,
        lambda: tensor[None], tensor.float, lambda: tensor.float().int(), lambda: tensor.view(torch.uint8),
        lambda: torch.full_like(tensor, 100), lambda: tensor.reshape(-1)[0],
        lambda: torch.full(tensor.shape, torch.nan, dtype=torch.float32),
    ]  # fmt: skip
    changed = changes[rng.integers(len(changes))]()
    if name in tensors:
        tensors[name] = changed


@pytest.mark.filterwarnings("ignore:The use of `x.T` on tensors")
@pytest.mark.parametrize("base", BASES)
def test_what_is_damaged_is_read_or_refused(base):
    first, said = BASES[base]()
    refused = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        tensors, config = Described(first), copy.deepcopy(said)
        (spoiled if rng.random() < 0.6 else lambda _, rng, t=tensors: damaged(t, rng))(config, rng)
        tensors.metadata = {"a.weight": json.dumps(config.get("said"))}
        try:
            found = read_checkpoint(tensors, config)
            for module in found.modules:
                assert found.linear(module).weight.dim() == 2
        except QDebugError as error:
            refused += 1
            assert len(str(error)) < 600
    assert refused > 20
