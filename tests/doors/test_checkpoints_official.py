"""Checkpoints against the library that each belongs to. Skipped where it is not installed; hand-made tests remain."""

import pytest
import torch

from qdebug.doors.checkpoints import Shards, read_checkpoint
from tests.doors import packed_by_hand as hand

pytestmark = pytest.mark.filterwarnings("ignore")

INT = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 16}
FP8 = {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "channel"}
CASES = {
    "int8 by channel": ("int-quantized", INT | {"num_bits": 8, "strategy": "channel", "group_size": None}),
    "int8 by tensor": ("int-quantized", INT | {"num_bits": 8, "strategy": "tensor", "group_size": None}),
    "int4 groups": ("pack-quantized", INT),
    "int4 affine groups": ("pack-quantized", INT | {"symmetric": False}),
    "int3 affine groups": ("pack-quantized", INT | {"symmetric": False, "num_bits": 3}),
    "int8 packed": ("pack-quantized", INT | {"num_bits": 8, "strategy": "channel", "group_size": None}),
    "fp8 by channel": ("float-quantized", FP8),
    "fp8 by tensor": ("float-quantized", FP8 | {"strategy": "tensor"}),
    "fp8 by tiles": ("float-quantized", FP8 | {"strategy": "block", "block_structure": [16, 32]}),
    "nvfp4": (
        "nvfp4-pack-quantized",
        {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16,
         "scale_dtype": "torch.float8_e4m3fn"},
    ),
    "mxfp4": (
        "mxfp4-pack-quantized",
        {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32, "scale_dtype": "torch.uint8"},
    ),
    "mxfp8": (
        "mxfp8-quantized",
        {"num_bits": 8, "type": "float", "strategy": "group", "group_size": 32, "scale_dtype": "torch.uint8"},
    ),
}  # fmt: skip


def shape_of_scales(said, rows, columns):
    strategy = said["strategy"]
    if strategy == "block":
        return rows // 16, columns // 32
    return {"tensor": (1,), "channel": (rows, 1)}.get(strategy, (rows, columns // (said.get("group_size") or 1)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_compressed_tensors(case, dtype):
    pytest.importorskip("compressed_tensors")
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationScheme

    form, said = CASES[case]
    scheme = QuantizationScheme(targets=["Linear"], weights=said)
    torch.manual_seed(0)
    shape = shape_of_scales(said, 32, 64)
    state = {
        "weight": torch.randn(32, 64, dtype=dtype),
        "weight_scale": (torch.rand(shape) * 0.05 + 0.01).to(dtype),
    }  # fmt: skip
    bits = said["num_bits"]
    if not said.get("symmetric", True):
        half = 1 << (bits - 1)
        state["weight_zero_point"] = torch.randint(-half, half, shape, dtype=torch.int8)
    if case == "nvfp4":
        state["weight_scale"] = (torch.rand(shape) * 400 + 1).to(torch.float8_e4m3fn).float()
        state["weight_global_scale"] = torch.tensor([700.0])
        state["weight"] = state["weight"].float()
    compressor = BaseCompressor.get_value_from_registry(form)
    compressed = compressor.compress(dict(state), scheme)
    restored = compressor.decompress(dict(compressed), scheme)["weight"].data
    config = {
        "quant_method": "compressed-tensors", "format": form,
        "config_groups": {"group_0": scheme.model_dump(mode="json")},
    }  # fmt: skip
    stored = read_checkpoint(hand.named("a", compressed), config).linear("a")
    assert torch.equal(stored.weight.to(restored.dtype), restored)
    assert stored.shape == (32, 64)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("block", [64, 128])
def test_nf4_of_bitsandbytes(double, block):
    package = pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    weight = torch.randn(64, 192)
    codes, state = package.functional.quantize_4bit(
        weight, blocksize=block, compress_statistics=double, quant_type="nf4"
    )
    parts = {"weight": codes} | {f"weight.{name}": one for name, one in state.as_dict(packed=True).items()}
    stored = read_checkpoint(hand.named("a", parts), {"quant_method": "bitsandbytes"}).linear("a")
    # its CPU kernel begins a block at each row, its GPU kernels and its quantizer do not: shown rows of whole blocks
    state.shape = torch.Size([64 * 192 // block, block])
    assert torch.equal(stored.weight, package.functional.dequantize_4bit(codes, state).view(64, 192))


def test_int8_of_bitsandbytes():
    package = pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    codes, scale, _ = package.functional.int8_vectorwise_quant(torch.randn(32, 64).half())
    parts = {"weight": codes, "SCB": scale}
    stored = read_checkpoint(hand.named("a", parts), {"quant_method": "bitsandbytes"}).linear("a")
    expected = package.functional.int8_vectorwise_dequant(codes, scale)  # times 1/127, rounded, in another order
    assert torch.allclose(stored.weight, expected, rtol=3e-7, atol=0)


TORCHAO = {
    "int8": lambda q: q.Int8WeightOnlyConfig(version=2),
    "int8 inputs": lambda q: q.Int8DynamicActivationInt8WeightConfig(version=2),
    "int4 groups": lambda q: q.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=q.PerGroup(32)),
    "int4 affine": lambda q: q.IntxWeightOnlyConfig(
        weight_dtype=torch.int4, granularity=q.PerGroup(32), mapping_type=q.quant_primitives.MappingType.ASYMMETRIC
    ),
    "int4 inputs": lambda q: q.Int8DynamicActivationIntxWeightConfig(
        weight_dtype=torch.int4, weight_granularity=q.PerGroup(32)
    ),
    "fp8": lambda q: q.Float8WeightOnlyConfig(),
}


@pytest.mark.parametrize("case", TORCHAO)
def test_torchao(case, tmp_path):
    package = pytest.importorskip("torchao.quantization")
    support = pytest.importorskip("torchao.prototype.safetensors.safetensors_support")
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(64, 32)).to(torch.bfloat16)
    package.quantize_(net, TORCHAO[case](package))
    tensors, metadata = support.flatten_tensor_state_dict({
        name: one if hasattr(one, "qdata") else one.data for name, one in net.state_dict().items()
    })  # fmt: skip
    save_file({name: one.contiguous() for name, one in tensors.items()}, tmp_path / "model.safetensors", metadata)
    found = read_checkpoint(Shards(tmp_path), {"quant_method": "torchao"})
    stored = found.linear("0")
    assert torch.equal(stored.weight.bfloat16(), net[0].weight.dequantize())
    assert list(found.plain()) == ["0.bias"]
    assert (stored.activation.granularity == "token") == case.endswith("inputs")


def test_awq_as_compressed_tensors_converts_it():
    module = pytest.importorskip("compressed_tensors.entrypoints.convert.converters.autoawq")
    weight, zeros, scale = hand.codes(32, 64, 4), hand.codes(32, 4, 4, seed=3), hand.scales(32, 4)
    tensors = hand.named("a", hand.awq(weight, zeros, scale))
    config = {"quant_method": "awq", "bits": 4, "group_size": 16, "version": "gemm", "zero_point": True}
    converter = module.AutoAWQConverter.from_autoawq_config(config)
    converted = converter.process(dict(tensors))
    said = converter.update_config(None).model_dump(mode="json")
    ours, theirs = read_checkpoint(tensors, config).linear("a"), read_checkpoint(converted, said).linear("a")
    assert torch.equal(ours.weight, theirs.weight)


def test_tiles_as_compressed_tensors_decodes_them():
    module = pytest.importorskip("compressed_tensors.entrypoints.convert.converters.fp8block_dequantizer")
    torch.manual_seed(0)
    parts = {"weight": torch.randn(256, 384).to(torch.float8_e4m3fn), "weight_scale_inv": torch.rand(2, 3)}
    tensors = hand.named("a", parts)
    converter = module.FP8BlockDequantizer(targets=["a"], dtype=torch.float32)
    stored = read_checkpoint(tensors, {"quant_method": "fp8", "weight_block_size": [128, 128]}).linear("a")
    assert torch.equal(stored.weight, converter.process(dict(tensors))["a.weight"])
