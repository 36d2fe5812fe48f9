"""What a scan says of whole files, and what it bears: odd types, long rows, files that shrink, a stop in between."""

import struct
import tracemalloc

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import qdebug
from qdebug.checkpoint import USUAL, scan
from qdebug.engine import Work
from qdebug.errors import Cancelled, FileError
from tests.doors.stored_files import entry, gguf, safetensors, text


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    x = torch.randn(64, 128)
    x[5, 7] = 1000.0
    stored = {"peaked": x, "empty": torch.zeros(3, 4), "norm": torch.ones(9), "ids": torch.tensor([[3, -4]])}
    save_file(stored, tmp_path / "w.safetensors", metadata={"format": "pt"})
    return tmp_path / "w.safetensors"


def test_a_file_as_a_whole(file):
    found = qdebug.scan(file)
    assert (found.source, found.files, found.facts) == ("safetensors", ("w.safetensors",), {"format": "pt"})
    assert found.formats == USUAL
    assert found.nbytes == 4 * (64 * 128 + 12 + 9) + 16
    assert (found.params, found.bits) == (64 * 128 + 12 + 9, 32.0)
    by_name = {one.name: one for one in found.tensors}
    assert [len(by_name[name].added) for name in ("peaked", "empty", "norm", "ids")] == [4, 4, 0, 0]
    assert (by_name["ids"].stats.low, by_name["ids"].stats.mean) == (-4.0, -0.5)
    assert by_name["norm"].stats.std == 0.0
    assert found.findings[0] == "empty holds nothing but zeros."
    assert found.findings[1].startswith("peaked holds values far beyond the rest, up to 90 × the tensor's RMS")


def test_formats_as_text_and_none_at_all(file):
    assert scan(file, " NF4, int8-pc,nf4,").formats == ("nf4", "int8-pc")
    found = scan(file, ())
    assert (found.formats, found.totals, found.tensors[0].added) == ((), (), ())


def test_totals_weigh_squared_values(tmp_path):
    big, small = torch.randn(32, 64) * 100, torch.randn(32, 64)
    save_file({"big": big, "small": small}, tmp_path / "w.safetensors")
    found = scan(tmp_path / "w.safetensors", "int4g32")
    parts = [
        one.added[0].relative * float(w.double().square().sum())
        for one, w in zip(found.tensors, (big, small), strict=True)
    ]
    signal = sum(float(w.double().square().sum()) for w in (big, small))
    assert found.totals[0].relative == pytest.approx(sum(parts) / signal, rel=1e-9)
    assert found.totals[0].bits == pytest.approx(4 + 16 / 32)


def test_what_loses_far_more_than_the_rest_is_told(tmp_path):
    torch.manual_seed(0)
    x = torch.randn(64, 64)
    bad = x.clone() / 20
    bad[0, 0] = 3.0
    save_file({"bad": bad, "good": x}, tmp_path / "w.safetensors")
    assert scan(tmp_path / "w.safetensors", "int4").findings[-1].startswith("int4 loses most on bad:")


def test_types_that_are_not_understood_are_named_and_the_rest_goes_on(tmp_path):
    (tmp_path / "w.gguf").write_bytes(gguf([("odd", [8], 999, 0), ("iq", [256], 19, 0), ("a", [4, 2], 0, 64)]))
    found = scan(tmp_path / "w.gguf", "int8")
    odd, iq, a = sorted(found.tensors, key=lambda one: -len(one.why))[:3]
    assert {odd.why, iq.why} == {"values of type 999 are not understood", "values of IQ1_S are not understood"}
    assert next(one for one in found.tensors if one.name == "odd").bits is None
    assert a.stats.count == 8
    assert a.added[0].relative > 0
    assert (
        found.findings[0] == "2 tensors, first odd, hold types whose values are not understood here (IQ1_S, type 999)."
    )


def test_small_floats_of_less_than_a_byte_are_named(tmp_path):
    content = safetensors({"a": entry([4, 2], 0, 4, "F4"), "b": entry([2, 2], 4, 20)}, bytes(20))
    (tmp_path / "w.safetensors").write_bytes(content)
    first, second = scan(tmp_path / "w.safetensors").tensors
    assert (first.why, first.bits, first.stats) == ("values of F4 are not understood", 4.0, None)
    assert second.stats.zeros == 4


@pytest.mark.parametrize("dtype", ["F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E5M2", "U8", "I16", "BOOL"])
def test_every_code_of_small_types(tmp_path, dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    types = {
        "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
        "F8_E5M2": ml_dtypes.float8_e5m2, "U8": np.uint8, "I16": np.int16, "BOOL": np.uint8,
    }  # fmt: skip
    width = np.dtype(types[dtype]).itemsize
    raw = np.arange(2 if dtype == "BOOL" else 1 << 8 * width, dtype=f"<u{width}").tobytes()
    values = np.frombuffer(raw, types[dtype]).astype(np.float64)
    (tmp_path / "w.safetensors").write_bytes(safetensors({"a": entry([len(values)], 0, len(raw), dtype)}, raw))
    stats = scan(tmp_path / "w.safetensors").tensors[0].stats
    good = values[np.isfinite(values)]
    assert (stats.low, stats.high, stats.zeros) == (good.min(), good.max(), (good == 0).sum())
    assert (stats.nans, stats.infinities) == (
        np.isnan(values).sum(),
        ((values == -np.inf).sum(), (values == np.inf).sum()),
    )
    assert stats.std == pytest.approx(good.std())


def test_rows_that_are_too_long_have_statistics_and_no_errors(file, monkeypatch):
    monkeypatch.setattr("qdebug.doors.stored.reading.LONGEST", 100)
    monkeypatch.setattr("qdebug.doors.stored.reading.AT_ONCE", 32)
    one = next(one for one in scan(file).tensors if one.name == "peaked")
    assert (one.why, one.added) == ("rows of 128 values are too long to try formats on", ())
    assert (one.stats.count, one.stats.high) == (64 * 128, 1000.0)


def test_memory_does_not_grow_with_the_tensor(tmp_path):
    rows, columns = 12_000, 1024  # 48 MB
    header = safetensors({"a": entry([rows, columns], 0, 4 * rows * columns)})
    with (tmp_path / "w.safetensors").open("wb") as out:
        out.write(header)
        part = np.random.default_rng(0).standard_normal((1000, columns)).astype(np.float32).tobytes()
        for _ in range(rows // 1000):
            out.write(part)
    scan(tmp_path / "w.safetensors")
    tracemalloc.start()
    scan(tmp_path / "w.safetensors")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 2**20


def test_a_file_that_becomes_shorter_while_it_is_read(file):
    from qdebug.doors.stored import find_checkpoint, pieces

    one = next(one for one in find_checkpoint(file).tensors if one.name == "peaked")
    with file.open("r+b") as out:
        out.truncate(one.start + 100)
    with pytest.raises(FileError, match="has become shorter"):
        list(pieces(one))


def test_progress_and_a_stop_in_between(file, monkeypatch):
    monkeypatch.setattr("qdebug.doors.stored.reading.AT_ONCE", 256)
    seen = []

    def report(progress):
        seen.append(progress.text)
        if len(seen) == 5:
            work.cancel()

    work = Work(report)
    with pytest.raises(Cancelled):
        scan(file, work=work)
    assert len(seen) == 5
    assert seen[0].startswith("reading ")


def test_what_a_gguf_file_says_of_itself(tmp_path):
    pairs = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    (tmp_path / "w.gguf").write_bytes(gguf([("a", [8], 0, 0)], pairs, 1))
    assert scan(tmp_path / "w.gguf").facts == {"general.architecture": "llama"}


@pytest.mark.parametrize("shape", [(2**50, 0), (0, 2**50), (0,)])
def test_a_tensor_without_values_may_claim_any_number_of_rows(shape, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(
        safetensors({"a": entry(shape, 0, 0), "b": entry([2, 2], 0, 16)}, bytes(16))
    )
    found = {one.name: one for one in qdebug.scan(tmp_path / "w.safetensors").tensors}
    assert found["a"].shape == shape and found["b"].stats.zeros == 4
