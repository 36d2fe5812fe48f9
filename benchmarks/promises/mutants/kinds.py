"""What is changed, and what reads it: a good file of each kind, and its door."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.promises.mutants.change import other_bytes, other_json, other_values
from benchmarks.promises.traps import programs
from benchmarks.promises.traps.files import safetensors

Make = Callable[[random.Random, Path], Path]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        share: of a hundred mutants.
        make: writes a changed file into a folder and gives its path.
        read: opens it: ends, or raises an error of :mod:`qdebug.errors`.
    """

    share: int
    make: Make
    read: Callable[[Path], object]


# ---------------------------------------------------------------------------------------------------------------- ONNX


@cache
def _whole_models() -> tuple[bytes, ...]:
    from benchmarks.promises.mutants.onnx_models import MODELS

    return tuple(make().SerializeToString() for make in MODELS.values())


def _onnx(dice: random.Random, folder: Path) -> Path:
    from onnx import ModelProto

    from benchmarks.promises.mutants.onnx_models import change_a_field

    model = ModelProto.FromString(dice.choice(_whole_models()))
    if is_fields := dice.random() < 0.6:
        for _ in range(dice.choice([1, 1, 2, 3])):
            change_a_field(model, dice)
    data = model.SerializeToString()
    (folder / "data.bin").write_bytes(bytes(64))
    (folder / "model.onnx").write_bytes(data if is_fields else other_bytes(data, dice))
    return folder / "model.onnx"


def _lower(path: Path) -> object:
    from qdebug.doors.onnx import lower_onnx, read_onnx

    return lower_onnx(read_onnx(path)).program.steps


def _inspect(path: Path) -> object:
    from qdebug.session import inspect

    return inspect(path)


# ------------------------------------------------------------------------------------------------------------- weights


def _tensors(dice: random.Random, folder: Path) -> Path:
    raw = np.random.default_rng(0).standard_normal(40).astype(np.float32).tobytes()
    whole = safetensors({
        "a.weight": ("F32", [4, 4], raw[:64]), "a.bias": ("BF16", [4], raw[64:72]), "codes": ("I8", [2, 8], raw[:16]),
        "small": ("F8_E4M3", [2, 4], raw[:8]),
    }, {"format": "pt"})  # fmt: skip
    if dice.random() < 0.5:
        content = other_bytes(whole, dice)
    else:
        size = struct.unpack("<Q", whole[:8])[0]
        header = other_json(whole[8 : 8 + size], dice)
        content = struct.pack("<Q", len(header)) + header + whole[8 + size :]
    (folder / "model.safetensors").write_bytes(content)
    return folder / "model.safetensors"


def _shards(dice: random.Random, folder: Path) -> Path:
    place = folder / "sharded"
    place.mkdir(exist_ok=True)
    for at in range(2):
        (place / f"{at}.safetensors").write_bytes(safetensors({f"w{at}": ("F32", [2, 4], bytes(32))}))
    index = {"metadata": {"total_size": 64}, "weight_map": {f"w{at}": f"{at}.safetensors" for at in range(2)}}
    (place / "model.safetensors.index.json").write_bytes(other_json(json.dumps(index), dice))
    return place


@cache
def _whole_gguf() -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    pairs = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    pairs += text("general.alignment") + struct.pack("<II", 4, 32)
    pairs += text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    pairs += text("scores") + struct.pack("<IIQ", 9, 6, 2) + bytes(8)
    tensors = text("w") + struct.pack("<IQQIQ", 2, 32, 2, 8, 0)  # Q8_0
    tensors += text("v") + struct.pack("<IQIQ", 1, 8, 0, 96)
    head = b"GGUF" + struct.pack("<IQQ", 3, 2, 4) + pairs + tensors
    return head + bytes(-len(head) % 32) + np.random.default_rng(0).bytes(128)


def _gguf(dice: random.Random, folder: Path) -> Path:
    (folder / "model.gguf").write_bytes(other_bytes(_whole_gguf(), dice))
    return folder / "model.gguf"


def _scan(path: Path) -> object:
    from qdebug.checkpoint import scan

    return scan(path, ("int8",))


# ---------------------------------------------------------------------------------------------------------------- data


def _arrays(dice: random.Random, folder: Path) -> Path:
    content = io.BytesIO()
    save = np.savez_compressed if dice.random() < 0.4 else np.savez
    save(content, x=np.ones((4, 3), np.float32), labels=np.arange(4), group=np.array(["a", "b", "a", "ä"]))
    raw = content.getvalue()
    if dice.random() < 0.4:  # the arrays within, so that checksums are right
        changed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                new.writestr(name, other_bytes(old.read(name), dice) if dice.random() < 0.5 else old.read(name))
        raw = changed.getvalue()
    else:
        raw = other_bytes(raw, dice)
    (folder / "data.npz").write_bytes(raw)
    return folder / "data.npz"


def _join(path: Path) -> object:
    from qdebug.doors import join_data, read_npz
    from qdebug.results import TensorSpec

    return join_data(read_npz(path), (TensorSpec(name="x", shape=(None, 3), dtype="float32"),), path.name)


@cache
def _whole_image(kind: str, mode: str) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(content, kind, **({"exif": exif.tobytes()} if kind in ("JPEG", "PNG", "WEBP") else {}))
    return content.getvalue()


def _image(dice: random.Random, folder: Path) -> Path:
    kind = dice.choice(["PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "GIF"])
    mode = dice.choice(["RGB", "L"] if kind in ("JPEG", "BMP", "WEBP", "PPM") else ["RGB", "L", "P"])
    place = folder / "images"
    place.mkdir(exist_ok=True)
    (place / "one.png").write_bytes(other_bytes(_whole_image(kind, mode), dice))
    card = {"size": [8, 8], "channels": "rgb", "mean": [0.5, 0.5, 0.5], "std": 0.5, "layout": "nchw", "input": "x"}
    (place / "card.json").write_bytes(
        other_json(json.dumps(card), dice) if dice.random() < 0.2 else json.dumps(card).encode()
    )
    return place


def _read_images(path: Path) -> object:
    from qdebug.doors.images import read_images

    return read_images(path)


def _lines(dice: random.Random, folder: Path) -> Path:
    rows = [
        {"text": "one two"}, {"text": "three", "label": 1, "group": "a"}, {"text": "four", "target": "five"},
        {"messages": [{"role": "user", "content": "six"}]},
    ]  # fmt: skip
    if dice.random() < 0.5:
        raw = b"\n".join(
            other_json(json.dumps(row), dice) if dice.random() < 0.5 else json.dumps(row).encode() for row in rows
        )
    else:
        raw = other_bytes("\n".join(map(json.dumps, rows)).encode(), dice)
    (folder / "texts.jsonl").write_bytes(raw)
    return folder / "texts.jsonl"


def _texts(path: Path) -> object:
    from qdebug.doors.huggingface.texts import read_texts

    return read_texts(path)


# ------------------------------------------------------------------------------------------------------------- recipes


@cache
def _whole_recipe() -> str:
    from qdebug.recipes import dumps, parse_fix, parse_plan, preset, set_layers, with_fix

    recipe = set_layers(preset("w8a8-pc"), {"head": parse_plan("w4g32a8"), "blocks.0": parse_plan("w4a16")})
    for fix in ("cle", "smoothquant:alpha=0.4", "bias-correction"):
        recipe = with_fix(recipe, parse_fix(fix))
    return dumps(recipe, "json")


def _recipe(dice: random.Random, folder: Path) -> Path:
    from qdebug.recipes.text import write_yaml

    form = dice.randrange(3)
    if form == 0:
        raw, ending = other_json(_whole_recipe(), dice), "json"
    else:
        plain = json.loads(_whole_recipe())
        text = write_yaml(plain if form == 1 else _plain(other_values(plain, dice)))
        raw, ending = (other_bytes(text.encode(), dice) if form == 1 else text.encode("utf-8", "replace")), "yaml"
    (folder / f"recipe.{ending}").write_bytes(raw)
    return folder / f"recipe.{ending}"


def _plain(value: object) -> object:
    """Without lone surrogates, which YAML cannot write."""
    return json.loads(json.dumps(value).replace("\\ud800", "?"))


def _load_recipe(path: Path) -> object:
    from qdebug.recipes import dumps, load, loads

    found = load(path)
    assert loads(dumps(found)) == found
    return found


# ------------------------------------------------------------------------------------------------------------ programs


def _program(dice: random.Random, folder: Path) -> Path:
    members = dict(programs.entries())
    if dice.random() < 0.3:
        path = programs.written(folder, members)
        path.write_bytes(other_bytes(path.read_bytes(), dice))
        return path
    name = dice.choice([programs.MODEL, programs.MODEL, programs.WEIGHTS, "data/weights/weight_0", "archive_version"])
    members[name] = other_json(members[name], dice) if name.endswith(".json") else other_bytes(members[name], dice)
    return programs.written(folder, members)


def _read_program(path: Path) -> object:
    from qdebug.doors import read_pt2

    return read_pt2(path)


def _rewrite(path: Path) -> object:
    from qdebug.doors.pt2_archive import rewritten

    rewritten(path, path.with_name("copy.pt2"))
    return path


KINDS = {
    "onnx": Kind(30, _onnx, _lower), "onnx, run once": Kind(8, _onnx, _inspect),
    "safetensors": Kind(12, _tensors, _scan), "shards": Kind(4, _shards, _scan), "gguf": Kind(10, _gguf, _scan),
    "npz": Kind(12, _arrays, _join), "images": Kind(8, _image, _read_images), "jsonl": Kind(6, _lines, _texts),
    "recipes": Kind(6, _recipe, _load_recipe), "pt2, rewritten": Kind(3, _program, _rewrite),
    "pt2": Kind(1, _program, _read_program),
}  # fmt: skip
ROUND = tuple(name for name, kind in KINDS.items() for _ in range(kind.share))
"""A hundred names, in the order that mutants are made in."""
