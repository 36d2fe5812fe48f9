"""What is wrong with a checkpoint is one clear error that names the tensor and the file."""

import json

import pytest
import torch
from safetensors.torch import save_file

from qdebug.doors.checkpoints import Shards, read_checkpoint
from qdebug.errors import FileError, ModelError, QDebugError
from qdebug.formats import find
from tests.doors import packed_by_hand as hand
from tests.doors.stored_files import entry, safetensors

GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 16}


@pytest.fixture
def parts():
    return hand.gptq(hand.codes(16, 32, 4), hand.codes(16, 2, 4), hand.scales(16, 2), 4)


def saved(folder, parts, module="layers.0.up"):
    save_file({f"{module}.{name}": one.contiguous() for name, one in parts.items()}, folder / "model.safetensors")
    return Shards(folder)


def without(name):
    return lambda parts: parts.pop(name)


def put(name, value):
    return lambda parts: parts.update({name: value(parts[name])})


BAD = {
    "scales missing": (without("scales"), "scales' is missing"),
    "zero points missing": (without("qzeros"), "qzeros' is missing"),
    "scales are integers": (
        put("scales", lambda t: t.int()),
        "holds int32 where float32 or float16 or bfloat16 is due",
    ),
    "scale is no number": (put("scales", lambda t: t / 0), "negative or no number"),
    "scale is negative": (put("scales", lambda t: -t), "negative or no number"),
    "too few groups": (put("scales", lambda t: t[:1]), r"has the shape \[2, 2\] where \[1, 2\] is due"),
    "another width": (put("qweight", lambda t: t[:, :8]), r"has the shape \[4, 8\] where \[·, 16\] is due"),
    "zero points of another width": (put("qzeros", lambda t: t[:, :1]), r"where \[2, 2\] is due"),
    "group out of range": (put("g_idx", lambda t: t + 1), "points to a group"),
    "codes are floats": (put("qweight", lambda t: t.float()), "holds float32 where int32 is due"),
    "order of another length": (put("g_idx", lambda t: t[:5]), r"has the shape \[5\]"),
}


@pytest.mark.parametrize("case", BAD)
def test_tensors_that_contradict_each_other(case, parts, tmp_path):
    change, words = BAD[case]
    change(parts)
    with pytest.raises(FileError, match=words) as caught:
        read_checkpoint(saved(tmp_path, parts), GPTQ).linear("layers.0.up")
    assert "layers.0.up" in caught.value.what
    if "missing" not in case:
        assert caught.value.where["file"].endswith("model.safetensors")


CONFIGS = {
    "no method": ({}, "names no quant_method"),
    "unknown method": ({"quant_method": "aqlm"}, "'aqlm'"),
    "five bits": (GPTQ | {"bits": 5}, "'bits' is 5"),
    "bits in words": (GPTQ | {"bits": "four"}, "no whole number"),
    "unknown layout": (GPTQ | {"checkpoint_format": "marlin"}, "'marlin'"),
    "another method's tensors": ({"quant_method": "bitsandbytes"}, "no layer is stored so"),
    "AWQ of three bits": ({"quant_method": "awq", "bits": 3}, "'bits' is 3"),
    "AWQ of another version": ({"quant_method": "awq", "version": "gemv_fast"}, "gemv_fast"),
    "groups that are none": ({"quant_method": "compressed-tensors", "config_groups": 3}, "no object"),
    "a tile that is none": ({"quant_method": "fp8", "weight_block_size": [128]}, "no layer is stored so"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configs_that_say_nothing(case, parts):
    config, words = CONFIGS[case]
    with pytest.raises(ModelError, match=words):
        read_checkpoint(hand.named("a", parts), config).linear("a")


COMPRESSED = {
    "no scheme for it": ({"targets": ["b"]}, "no group of the quantization_config"),
    "a preset": ("preset", "names a preset"),
    "groups without a size": ({"targets": ["Linear"], "weights": {"strategy": "group"}}, "no group_size"),
    "one bit": ({"targets": ["Linear"], "weights": {"num_bits": 1}}, "'num_bits' is 1"),
    "a pattern that is none": ({"targets": ["re:*"], "weights": {"num_bits": 8}}, "no regular expression"),
    "a strategy that is none": ({"targets": ["Linear"], "weights": {"strategy": "attn"}}, "'attn'"),
    "a tile that is none": (
        {"targets": ["Linear"], "weights": {"strategy": "block", "block_structure": "8"}}, "no two sizes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COMPRESSED)
def test_schemes_that_say_nothing(case):
    scheme, words = COMPRESSED[case]
    parts = {"weight": torch.zeros(2, 4, dtype=torch.int8), "weight_scale": torch.ones(2, 1)}
    config = {"quant_method": "compressed-tensors", "config_groups": {"g": scheme}}
    with pytest.raises(ModelError, match=words):
        read_checkpoint(hand.named("a", parts), config).linear("a")


def packed(**changed):
    parts = {
        "weight_packed": torch.zeros(2, 4, dtype=torch.int32), "weight_shape": torch.tensor([2, 32]),
        "weight_scale": torch.ones(2, 2),
    }  # fmt: skip
    return parts | changed


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (packed(weight_shape=torch.tensor([2, 64])), "weight_packed' has 4 words"),
        (packed(weight_shape=torch.tensor([3, 32])), r"where \[3, ·\] is due"),
        (packed(weight_shape=torch.tensor([2, -32])), "weight_shape' says"),
        (packed(weight_scale=torch.ones(2, 3)), r"where \[2, 2\] is due"),
        (packed(weight_g_idx=torch.full((32,), 2).int()), "points to a group"),
    ],
)
def test_shapes_that_lie(parts, words):
    scheme = {"targets": ["Linear"], "weights": {"num_bits": 4, "strategy": "group", "group_size": 16}}
    config = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"g": scheme}}
    with pytest.raises(FileError, match=words):
        read_checkpoint(hand.named("a", parts), config).linear("a")


def nf4(text=None, **changed):
    said = (text or json.dumps({"blocksize": 8, "shape": [2, 8]} | changed)).encode()
    return {
        "weight": torch.zeros(8, 1, dtype=torch.uint8), "weight.absmax": torch.ones(2),
        "weight.quant_map": torch.ones(16),
        "weight.quant_state.bitsandbytes__nf4": torch.tensor(list(said), dtype=torch.uint8),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (nf4("{"), "no JSON object"),
        (nf4("[]"), "no JSON object"),
        (nf4("[" * 100_000), "no JSON object"),
        (nf4(blocksize=0), "says blocksize 0"),
        (nf4(shape=[2, 9, 1]), "that of no linear layer"),
        (nf4(shape=[2, 16]), "has 8 bytes"),
        (nf4(), "not the table of NF4"),
    ],
)
def test_states_that_lie(parts, words):
    with pytest.raises(FileError, match=words):
        read_checkpoint(hand.named("a", parts), {"quant_method": "bitsandbytes"}).linear("a")


def test_levels_that_no_format_has():
    parts = {"weight.quant_state.bitsandbytes__fp4": torch.zeros(2, dtype=torch.uint8)}
    with pytest.raises(ModelError, match="FP4"):
        read_checkpoint(hand.named("a", parts), {"quant_method": "bitsandbytes"}).linear("a")


TORCHAO = {
    "no description": (None, "do not describe"),
    "no JSON": ("{", "do not describe"),
    "shuffled codes": ('{"_type": "Int4TilePackedTo4dTensor", "_data": {}}', "Int4TilePackedTo4dTensor"),
    "no block": ('{"_type": "Int8Tensor", "_data": {}}', "block_size"),
}


@pytest.mark.parametrize("case", TORCHAO)
def test_metadata_that_say_nothing(case, tmp_path):
    text, words = TORCHAO[case]
    tensors = {"a._weight_qdata": torch.zeros(2, 2, dtype=torch.int8), "a._weight_scale": torch.ones(2, 1)}
    save_file(tensors, tmp_path / "model.safetensors", {"a.weight": text} if text else None)
    with pytest.raises(ModelError, match=words):
        read_checkpoint(Shards(tmp_path), {"quant_method": "torchao"}).linear("a")


def test_folders_that_are_none(tmp_path, parts):
    with pytest.raises(FileError, match="no safetensors file"):
        Shards(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    with pytest.raises(FileError, match="is damaged"):
        Shards(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "damaged"),
        ('{"weight_map": []}', "damaged"),
        ('{"weight_map": {"a": "../model.safetensors"}}', "outside the folder"),
        ('{"weight_map": {"a": "missing.safetensors"}}', "cannot be read"),
    ],
)
def test_indices_that_lie(text, words, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(QDebugError, match=words):
        Shards(tmp_path)


def test_no_values_and_more_rows_than_any_tensor_has(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(safetensors({"a": entry((2**63, 0), 0, 0)}))
    with pytest.raises(FileError, match="impossible shape"):
        Shards(tmp_path)


def test_a_name_in_two_files(tmp_path):
    for file in ("one", "two"):
        save_file({"a": torch.zeros(1)}, tmp_path / f"{file}.safetensors")
    with pytest.raises(FileError, match="is in one"):
        Shards(tmp_path)


def test_two_shards_are_one_checkpoint(tmp_path, parts):
    rest = {"norm.weight": torch.ones(3), "a.scales": parts.pop("scales"), "a.bias": torch.ones(16)}
    save_file({f"a.{name}": one.contiguous() for name, one in parts.items()}, tmp_path / "one.safetensors")
    save_file(rest, tmp_path / "two.safetensors")
    index = dict.fromkeys(("a.qweight", "a.qzeros", "a.g_idx"), "one.safetensors")
    index |= dict.fromkeys(rest, "two.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    found = read_checkpoint(Shards(tmp_path), GPTQ)
    floats = dict(found.floats())
    assert sorted(floats) == ["a.bias", "a.weight", "norm.weight"]
    assert torch.equal(floats["a.weight"], found.linear("a").weight)


def test_sizes_beyond_the_weight_cost_no_memory():
    far = (1 << 31) - 1
    parts = {"weight": torch.zeros(2, 4).to(torch.float8_e4m3fn), "weight_scale_inv": torch.full((1, 1), 2.0)}
    config = {"quant_method": "fp8", "weight_block_size": [far, far]}
    assert read_checkpoint(hand.named("a", parts), config).linear("a").grid.scale.shape == (2, 1)
    state = json.dumps({"blocksize": far, "shape": [2, 4], "nested_blocksize": far, "nested_offset": 1.0})
    parts = {
        "weight": torch.zeros(4, 1, dtype=torch.uint8), "weight.absmax": torch.zeros(1, dtype=torch.uint8),
        "weight.quant_map": torch.tensor(find("nf4").levels), "weight.nested_absmax": torch.ones(1),
        "weight.nested_quant_map": torch.ones(256),
        "weight.quant_state.bitsandbytes__nf4": torch.tensor(list(state.encode()), dtype=torch.uint8),
    }  # fmt: skip
    stored = read_checkpoint(hand.named("a", parts), {"quant_method": "bitsandbytes"}).linear("a")
    assert stored.weight.tolist() == [[-2.0] * 4] * 2
