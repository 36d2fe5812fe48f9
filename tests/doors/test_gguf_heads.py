"""Heads of GGUF files: what the package `gguf` writes is read as it reads it, what is wrong is one clear error."""

import struct

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants

from qdebug.doors.stored.gguf import read_gguf
from qdebug.errors import FileError
from tests.doors.stored_files import gguf, text

F32 = 0
WORD = text("general.name") + struct.pack("<I", 8) + text("x")


@pytest.mark.parametrize("alignment", [32, 128])
def test_tensors_and_keys_are_those_of_the_package(tmp_path, alignment):
    file = tmp_path / "w.gguf"
    rng = np.random.default_rng(0)
    writer = GGUFWriter(file, "llama")
    writer.add_custom_alignment(alignment)
    writer.add_name("a model")
    writer.add_uint32("llama.block_count", 2)
    writer.add_float32("llama.rope.freq_base", 10000.0)
    writer.add_bool("llama.tied", True)
    writer.add_array("tokenizer.ggml.tokens", ["one", "two", "three"])
    writer.add_array("tokenizer.ggml.scores", [0.5, 1.5])
    writer.add_tensor("norm", rng.standard_normal(33).astype(np.float32))
    writer.add_tensor("half", rng.standard_normal((3, 64)).astype(np.float16))
    for kind in (GGMLQuantizationType.Q4_0, GGMLQuantizationType.Q8_0):
        packed = quants.quantize(rng.standard_normal((5, 64)).astype(np.float32), kind)
        writer.add_tensor(kind.name, packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tensors, facts = read_gguf(file)
    reader = GGUFReader(file)
    assert facts["general.name"] == "a model"
    assert (facts["llama.block_count"], facts["llama.tied"]) == ("2", "True")
    assert facts["llama.rope.freq_base"] == "10000.0"
    assert (facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.scores"]) == ("3 values", "2 values")
    assert set(facts) == {name for name in reader.fields if not name.startswith("GGUF.")}
    theirs = {one.name: one for one in reader.tensors}
    assert set(theirs) == {one.name for one in tensors}
    for one in tensors:
        other = theirs[one.name]
        assert one.shape == tuple(reversed(other.shape.tolist()))
        assert (one.title, one.nbytes, one.start) == (other.tensor_type.name, other.n_bytes, other.data_offset)


def test_a_type_nobody_knows_has_no_kind(tmp_path):
    file = tmp_path / "w.gguf"
    file.write_bytes(gguf([("a", [8], 999, 0), ("b", [8], F32, 64)]))
    (first, second), _ = read_gguf(file)
    assert (first.kind, first.title, first.nbytes) == (None, "type 999", 0)
    assert (second.shape, second.nbytes) == ((8,), 32)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin"),
        (gguf([], magic=b"GGML"), "does not begin"),
        (gguf([], version=1), "version 1"),
        (gguf([], version=4), "version 4"),
        (gguf([], version=3 << 24), "big-endian"),
        (gguf([("a", [8], F32, 0)])[:40], "more than fit"),
        (gguf([("a", [8], F32, 0)], WORD, 1)[:80], "within its head"),
        (gguf([("a", [8], F32, 0)], said=(2**60, 0)), "more than fit"),
        (gguf([], said=(0, 2**60)), "more than fit"),
        (gguf([("a", [8], F32, 0)], said=(5, 0)), "within its head|is not UTF-8|axes|left of"),
        (gguf([], text(b"\xff") + struct.pack("<IB", 0, 1), 1), "UTF-8"),
        (gguf([], struct.pack("<Q", 2**62) + b"abcdefgh", 1), "left of the file"),
        (gguf([], text("k") + struct.pack("<I", 13), 1), "unknown type 13"),
        (gguf([], text("k") + struct.pack("<IIQ", 9, 4, 2**61), 1), "left of the file"),
        (gguf([], text("k") + struct.pack("<IIQ", 9, 8, 2**61), 1), "more than fit"),
        (gguf([], text("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 8, 1), "unknown type 9"),
        (gguf([], WORD + WORD, 2), "occurs twice"),
        (gguf([("a", [8], F32, 0), ("a", [8], F32, 32)]), "'a' occurs twice"),
        (gguf([("a", [1] * 5, F32, 0)]), "5 axes"),
        (gguf([("a", [2**40, 2**40], F32, 0)]), "impossible shape"),
        (gguf([("a", [33], 2, 0)]), "whole blocks of 32"),
        (gguf([("a", [8], F32, 4)]), "aligned to 32"),
        (gguf([("a", [65], F32, 0)]), "end at byte"),
        (gguf([("a", [8], F32, 2**50)]), "end at byte"),
        (gguf([("a", [16], F32, 0), ("b", [8], F32, 32)]), "'a' and 'b' overlap"),
        (gguf([("a", [8], F32, 0)], text("general.alignment") + struct.pack("<II", 4, 24), 1), "no power of two"),
        (gguf([("a", [8], F32, 0)], text("general.alignment") + struct.pack("<Ii", 5, -32), 1), "no power of two"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, said):
    file = tmp_path / "w.gguf"
    file.write_bytes(content)
    with pytest.raises(FileError, match=said) as caught:
        read_gguf(file)
    assert caught.value.where["file"] == str(file)
    assert caught.value.do


def test_every_file_that_ends_early_is_refused(tmp_path):
    whole = gguf([("a", [8], F32, 0), ("b", [4, 3], F32, 32)], WORD, 1, data=bytes(80))
    file = tmp_path / "w.gguf"
    file.write_bytes(whole)
    assert len(read_gguf(file)[0]) == 2
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(FileError):
            read_gguf(file)
