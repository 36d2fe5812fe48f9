"""Archives, images, weights, tables and texts that unfold, or say that they do."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from benchmarks.promises.blasts.bomb import Bomb
from benchmarks.promises.traps import folders


def header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    """The head of an array's file."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": descr, "fortran_order": False, "shape": shape})
    return content.getvalue()


def _zeros(folder: Path, number: int) -> Path:
    """Eight arrays of a quarter of a GiB, in some MB."""
    with zipfile.ZipFile(folder / "data.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for at in range(8):
            with archive.open("x.npy" if at == 0 else f"x{at}.npy", "w", force_zip64=True) as out:
                out.write(header((2**24, 4)))
                for _ in range(64):
                    out.write(bytes(2**22))
    return folder / "data.npz"


def _lying(folder: Path, number: int) -> Path:
    """An array that unfolds to one GiB where the archive says ten bytes."""
    path = folder / "data.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as out,
    ):
        out.write(header((2**26, 4)))
        for _ in range(256):
            out.write(bytes(2**22))
    raw = bytearray(path.read_bytes())
    place = raw.rindex(b"PK\x01\x02")
    raw[place + 24 : place + 28] = struct.pack("<I", 10)
    path.write_bytes(bytes(raw))
    return path


def _nested(folder: Path, number: int) -> Path:
    """An archive in an archive in an archive."""
    content = zlib.compress(bytes(2**22))
    for level in range(8):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for at in range(16):
                archive.writestr(f"{at}.npz" if level < 7 else f"x{at}.npy", content)
        content = held.getvalue()
    (folder / "data.npz").write_bytes(content)
    return folder / "data.npz"


def _overlapping(folder: Path, number: int) -> Path:
    """Two thousand members that are the same bytes of the file."""
    path = folder / "data.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((2**20, 4)) + bytes(2**24))
    raw = path.read_bytes()
    place, end = raw.rindex(b"PK\x01\x02"), raw.rindex(b"PK\x05\x06")
    entry = raw[place:end]
    many = 2000
    directory = b"".join(entry[:46] + f"{at:05}"[:5].encode() + entry[51:] for at in range(many))
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, many, many, len(directory), place, 0)
    path.write_bytes(raw[:place] + directory + tail)
    return path


def _claimed(folder: Path, number: int) -> Path:
    with zipfile.ZipFile(folder / "data.npz", "w") as archive:
        archive.writestr("x.npy", header((2**40 + number, 4)) + bytes(64))
    return folder / "data.npz"


def _many(folder: Path, number: int) -> Path:
    with zipfile.ZipFile(folder / "data.npz", "w") as archive:
        for at in range(20_000 + number):
            archive.writestr(f"{at}.npy", header((1,)) + bytes(4))
    return folder / "data.npz"


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *more: bytes, body: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _images(folder: Path, content: bytes) -> Path:
    place = folder / "images"
    place.mkdir()
    (place / "one.png").write_bytes(content)
    (place / "card.json").write_text(json.dumps({"size": [1, 4], "channels": "gray", "input": "x"}))
    return place


def _wide_image(folder: Path, number: int) -> Path:
    row = zlib.compressobj(9)
    body = b"".join(row.compress(bytes(90_001)) for _ in range(3000)) + row.flush()
    return _images(folder, _png(30_000, 30_000 + number, body=body))


def _image_text(folder: Path, number: int) -> Path:
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**28), 9))
    profile = chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(2**28), 9))
    return _images(folder, _png(8, 8, text, profile, body=zlib.compress(bytes(8 * 25))))


def _header_length(folder: Path, number: int) -> Path:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**63 - number) + b"{}" * 50)
    return folder / "model.safetensors"


def _shape(folder: Path, number: int) -> Path:
    said = {"w": {"dtype": "F32", "shape": [2**61 + number, 0, 2**61], "data_offsets": [0, 0]}}
    said["v"] = {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 8]}
    text = json.dumps(said).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    return folder / "model.safetensors"


def _nothing(folder: Path, number: int) -> Path:
    """Very many tensors without a value."""
    said = {f"w{at}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for at in range(100_000 + number)}
    text = json.dumps(said).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    return folder / "model.safetensors"


def _gguf(folder: Path, number: int) -> Path:
    (folder / "model.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**60 + number, 2**60) + bytes(200))
    return folder / "model.gguf"


def _gguf_array(folder: Path, number: int) -> Path:
    key = struct.pack("<Q", 1) + b"k"
    inner = b"".join(struct.pack("<IQ", 9, 2**40) for _ in range(4))
    raw = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key + struct.pack("<I", 9) + inner + struct.pack("<IQ", 8, 2**61)
    (folder / "model.gguf").write_bytes(raw + bytes(200))
    return folder / "model.gguf"


def _table(folder: Path, number: int) -> Path:
    """A thousand million rows of one picture, in some kilobytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = pa.nulls(10**6, kind)
    with pq.ParquetWriter(folder / "data.parquet", pa.schema([("image", kind)])) as out:
        for _ in range(60):
            out.write_table(pa.table({"image": rows}))
    (folder / "card.json").write_text(json.dumps({"size": [1, 4], "channels": "gray", "input": "x"}))
    return folder / "data.parquet"


def _aliases(folder: Path, number: int) -> Path:
    text = "fixes: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for at in range(30):
        text += f"k{at}: &a{at + 1} [{', '.join([f'*a{at}'] * 10)}]\n"
    (folder / "recipe.yaml").write_text(text + f"layers: *a{30 - number % 3}\n")
    return folder / "recipe.yaml"


def _merges(folder: Path, number: int) -> Path:
    text = "k0: &a0 {a: 1, b: 2, c: 3, d: 4}\n"
    for at in range(30):
        text += f"k{at + 1}: &a{at + 1} {{<<: [{', '.join([f'*a{at}'] * 10)}]}}\n"
    (folder / "recipe.yaml").write_text(text)
    return folder / "recipe.yaml"


def _deep(folder: Path, number: int) -> Path:
    (folder / "recipe.json").write_text('{"layers":' * (10**6 + number))
    return folder / "recipe.json"


def _long_recipe(folder: Path, number: int) -> Path:
    (folder / "recipe.yaml").write_text("a: " + "- " * (4 * 10**6 + number))
    return folder / "recipe.yaml"


def _digits(folder: Path, number: int) -> Path:
    (folder / "recipe.json").write_text('{"version": ' + "9" * (4 * 10**6 + number) + "}")
    return folder / "recipe.json"


def _line(folder: Path, number: int) -> Path:
    (folder / "texts.jsonl").write_text('{"text": "' + "a " * (8 * 2**20 + number) + '"}')
    return folder / "texts.jsonl"


def _nested_line(folder: Path, number: int) -> Path:
    (folder / "texts.jsonl").write_text('{"text": ' + "[" * (8 * 2**20 + number))
    return folder / "texts.jsonl"


def tiny(folder: Path) -> Path:
    """The model that reads the texts."""
    return folders.written(folder, folders.LLAMA, **folders.tokenizer())


BOMBS = (
    Bomb("npz: two GiB of zeros", "data", _zeros, sent=True),
    Bomb("npz: more than the archive says", "data", _lying, sent=True),
    Bomb("npz: archives in archives", "data", _nested),
    Bomb("npz: members that overlap", "data", _overlapping, sent=True),
    Bomb("npz: a shape of 2^42 values", "data", _claimed),
    Bomb("npz: twenty thousand arrays", "data", _many, sent=True),
    Bomb("png: 30,000 × 30,000", "data", _wide_image),
    Bomb("png: a quarter of a GiB of comments", "data", _image_text),
    Bomb("safetensors: a header of 2^63 bytes", "checkpoint", _header_length),
    Bomb("safetensors: impossible shapes", "checkpoint", _shape),
    Bomb("safetensors: very many empty tensors", "checkpoint", _nothing),
    Bomb("gguf: 2^60 tensors", "checkpoint", _gguf),
    Bomb("gguf: arrays of arrays of arrays", "checkpoint", _gguf_array),
    Bomb("parquet: sixty million rows", "data", _table),
    Bomb("yaml: aliases of aliases", "recipe", _aliases),
    Bomb("yaml: mappings merged from mappings", "recipe", _merges),
    Bomb("yaml: lists in lists", "recipe", _long_recipe),
    Bomb("json: a million objects deep", "recipe", _deep),
    Bomb("json: a number of four million digits", "recipe", _digits),
    Bomb("jsonl: one line of 16 MB", "texts", _line),
    Bomb("jsonl: eight million brackets", "texts", _nested_line),
)
