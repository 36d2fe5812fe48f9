"""The error that a format adds, found in pieces, against the whole tensor quantized as a layer's weight is."""

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter, quants
from safetensors.torch import save_file

from qdebug.checkpoint import scan
from qdebug.doors.stored import pieces
from qdebug.errors import RecipeError
from qdebug.quantize import quantize_weight
from qdebug.recipes import parse_weight_format
from qdebug.targets import stored_bits

NOTATIONS = (
    "int8", "int8-pc", "int8-affine", "int4g128", "int4g32-affine", "int4b64x64", "int4b48x16", "int8-pc-fp16",
    "int8-e8m0", "int4-pc-floor", "nf4", "nf4-pc", "nf4g16-bf16", "fp8_e4m3fn", "fp8_e4m3fn-pc", "fp4g32", "mxfp4",
    "mxint8", "mxfp8_e5m2", "nvfp4", "nvint4", "apot4", "ternary-pc", "kmeans3-pc", "bf16", "fp16", "fp32",
)  # fmt: skip
LLAMA = ("q4_0", "q5_0", "q8_0", "q6_k")
DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16, "F8_E4M3": torch.float8_e4m3fn}


def expected(x, notation):
    """Relative squared error of a whole tensor, in float64."""
    x = x.float()
    xq = quantize_weight(x, parse_weight_format(notation))[0].double()
    good = torch.isfinite(x)
    value, kept = x[good].double(), xq[good]
    kept = torch.where(torch.isfinite(kept), kept, 0.0)
    return float((kept - value).square().sum() / value.square().sum())


def weights(dtype, shape=(300, 77)):
    torch.manual_seed(3)
    x = torch.randn(shape) * 0.3
    x[3] *= 40
    return x.to(dtype)


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of few rows, so that a small tensor has many, and the last is not full."""
    monkeypatch.setattr("qdebug.doors.stored.reading.AT_ONCE", 77 * 20)


@pytest.mark.parametrize("dtype", DTYPES)
def test_errors_are_those_of_the_whole_tensor(tmp_path, small_pieces, dtype):
    x = weights(DTYPES[dtype])
    save_file({"w": x}, tmp_path / "w.safetensors")
    found = scan(tmp_path / "w.safetensors", NOTATIONS)
    (one,) = found.tensors
    assert one.kind == dtype
    assert [error.notation for error in one.added] == list(NOTATIONS)
    for error, total in zip(one.added, found.totals, strict=True):
        plan = parse_weight_format(error.notation)
        assert error.relative == pytest.approx(expected(x, error.notation), rel=1e-9, abs=1e-20), error.notation
        assert error.bits == stored_bits(300, 77, plan) / (300 * 77)
        if error.relative:
            assert error.sqnr_db == pytest.approx(-10 * np.log10(error.relative))
        else:
            assert error.sqnr_db is None
        assert total.relative == pytest.approx(error.relative)


def test_llama_s_formats_on_floats(tmp_path, small_pieces):
    x = weights(torch.float32, (40, 256))
    save_file({"w": x}, tmp_path / "w.safetensors")
    (one,) = scan(tmp_path / "w.safetensors", LLAMA).tensors
    for error in one.added:
        assert error.relative == pytest.approx(expected(x, error.notation), rel=1e-9)


def test_a_convolution_s_rows_are_its_output_channels(tmp_path):
    x = weights(torch.float32, (6, 5, 3, 3))
    save_file({"w": x}, tmp_path / "w.safetensors")
    (one,) = scan(tmp_path / "w.safetensors", "int8-pc,int4g16").tensors
    for error in one.added:
        assert error.relative == pytest.approx(expected(x, error.notation), rel=1e-9)


@pytest.mark.parametrize("name", ["Q4_0", "Q8_0", "Q5_1"])
def test_errors_on_what_a_gguf_file_holds(tmp_path, name):
    kind = GGMLQuantizationType[name]
    packed = quants.quantize(weights(torch.float32, (50, 96)).numpy(), kind)
    writer = GGUFWriter(tmp_path / "w.gguf", "llama")
    writer.add_tensor("w", packed, raw_dtype=kind)
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    x = torch.from_numpy(quants.dequantize(packed, kind))
    found = scan(tmp_path / "w.gguf", "int8,int4g32,nvfp4,q4_0")
    (one,) = found.tensors
    assert (one.kind, one.shape, one.bits) == (name, (50, 96), 8 * packed.nbytes / x.numel())
    assert (one.stats.low, one.stats.high) == (x.min(), x.max())
    for error in one.added:
        assert error.relative == pytest.approx(expected(x, error.notation), rel=1e-9, abs=1e-15)


def test_nan_and_infinity_take_no_part(tmp_path):
    x = weights(torch.float32)
    x[3, 4], x[5, 6], x[9, 9] = torch.nan, torch.inf, -torch.inf
    x[20] = torch.nan
    save_file({"w": x}, tmp_path / "w.safetensors")
    found = scan(tmp_path / "w.safetensors", "int8,int8-pc,int4g16,mxfp4,nvfp4,bf16,q8_0")
    (one,) = found.tensors
    assert (one.stats.nans, one.stats.infinities) == (78, (1, 1))
    assert found.findings[0] == "w holds NaN or Inf: 78 NaN and 2 infinite values."
    for error in one.added:
        assert error.relative == pytest.approx(expected(x, error.notation), rel=1e-9)


def test_nothing_finite_is_no_error(tmp_path):
    save_file({"w": torch.full((4, 64), torch.nan), "z": torch.zeros(4, 64)}, tmp_path / "w.safetensors")
    for one in scan(tmp_path / "w.safetensors", "int8,int8-pc,int4g16,mxfp4,nvfp4,bf16,q8_0,ternary-pc").tensors:
        assert [error.relative for error in one.added] == [None] * 8
        assert [error.sqnr_db for error in one.added] == [None] * 8


@pytest.mark.parametrize(
    "notation", ["kmeans4", "vq2_16", "ternary", "nf4-dq", "int8-stochastic", "int8@2:4", "int8@r4"]
)
def test_what_needs_a_whole_tensor_is_refused(tmp_path, notation):
    with pytest.raises(RecipeError, match="needs a whole tensor at once"):
        scan(tmp_path, notation)


def test_tiles_that_would_keep_too_many_rows_together_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="heights"):
        scan(tmp_path, "int4b127x16,int4b128x16")


def test_tiles_get_whole_tiles(tmp_path, small_pieces):
    from qdebug.doors.stored import find_checkpoint

    save_file({"w": weights(torch.float32)}, tmp_path / "w.safetensors")
    (one,) = find_checkpoint(tmp_path / "w.safetensors").tensors
    assert [piece.rows for piece in pieces(one, 16)] == [16] * 18 + [12]
    assert [piece.rows for piece in pieces(one, 64)] == [64] * 4 + [44]
