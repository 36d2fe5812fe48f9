"""Single files that code could hide in: arrays, ONNX, safetensors, GGUF, recipes, tables, images, metrics."""

from __future__ import annotations

import io
import json
import os
import runpy
import struct
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from benchmarks.promises.traps.trap import Trap, expression, pickled, unpickled

F = TensorProto.FLOAT


def small(*more: onnx.NodeProto, **opsets: int) -> ModelProto:
    """``y = relu(x w)``, with nodes more before it."""
    nodes = [*more, helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", F, ["N", 4])],
        [helper.make_tensor_value_info("y", F, ["N", 3])],
        [numpy_helper.from_array(np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32), "w")],
    )  # fmt: skip
    known = [helper.make_opsetid(name.replace("_", "."), version) for name, version in opsets.items()]
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), *known], ir_version=10)


def saved(folder: Path, model: ModelProto, name: str = "model.onnx") -> Path:
    """The file of a model."""
    (folder / name).write_bytes(model.SerializeToString())
    return folder / name


def data(folder: Path) -> Path:
    """Data that fit the small model."""
    np.savez(folder / "data.npz", x=np.random.default_rng(1).standard_normal((8, 4)).astype(np.float32))
    return folder / "data.npz"


def _objects(folder: Path, mark: Path) -> Path:
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    with zipfile.ZipFile(folder / "data.npz", "w") as archive:
        archive.writestr("x.npy", content.getvalue() + pickled(mark))
    return folder / "data.npz"


def _bare_pickle(folder: Path, mark: Path) -> Path:
    (folder / "data.npz").write_bytes(pickled(mark))  # numpy takes what is neither for a pickle
    return folder / "data.npz"


def _single_array(folder: Path, mark: Path) -> Path:
    with zipfile.ZipFile(_objects(folder, mark)) as archive:
        (folder / "array.npy").write_bytes(archive.read("x.npy"))
    return folder / "array.npy"


def load_arrays(path: Path) -> object:
    """As old scripts do."""
    found = np.load(path, allow_pickle=True)
    return dict(found) if isinstance(found, np.lib.npyio.NpzFile) else found


def _recipe(folder: Path, mark: Path) -> Path:
    text = f"default:\n  weight: !!python/object/apply:os.mkdir ['{mark}']\n"
    (folder / "recipe.yaml").write_text(text)
    return folder / "recipe.yaml"


def load_yaml(path: Path) -> object:
    """As PyYAML's users once did."""
    import yaml

    return yaml.load(path.read_text(), Loader=yaml.UnsafeLoader)


def _custom_operator(folder: Path, mark: Path) -> Path:
    """An operator whose attribute is Python code, as onnxruntime-extensions and torch's ``PythonOp`` have them."""
    node = helper.make_node(
        "PyOp", ["x"], ["o"], domain="ai.onnx.contrib", code=expression(mark), module="os", compute="mkdir"
    )
    return saved(folder, small(node, ai_onnx_contrib=1))


def _outside(folder: Path, mark: Path) -> Path:
    """Weights that lie in a pickle beside the model."""
    model = small()
    held = model.graph.initializer[0]
    held.ClearField("raw_data")
    held.external_data.add(key="location", value="weights.pkl")
    held.data_location = TensorProto.EXTERNAL
    (folder / "weights.pkl").write_bytes(pickled(mark).ljust(48, b"\0"))
    return saved(folder, model)


def _safetensors_pickle(folder: Path, mark: Path) -> Path:
    (folder / "model.safetensors").write_bytes(pickled(mark))
    return folder / "model.safetensors"


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]], notes: dict[str, str] | None = None) -> bytes:
    """A file of tensors: dtype, shape and bytes by name."""
    header: dict[str, object] = {"__metadata__": notes} if notes else {}
    body = b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def _odd_header(folder: Path, mark: Path) -> Path:
    code = expression(mark)
    content = safetensors({code: ("F32", [2], bytes(8))}, {"format": code, "__reduce__": code})
    (folder / "model.safetensors").write_bytes(content)
    return folder / "model.safetensors"


def load_header(path: Path) -> object:
    """As somebody would who takes a header for a literal of Python."""
    raw = path.read_bytes()
    names = json.loads(raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]])
    return [eval(name) for name in names if name.startswith("__import__")]


def _gguf(folder: Path, mark: Path) -> Path:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    template = "{{ cycler.__init__.__globals__.os.mkdir('%s') }}" % mark  # noqa: UP031 - braces are the template's
    pairs = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    pairs += text("tokenizer.chat_template") + struct.pack("<I", 8) + text(template)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 2) + pairs
    head += text("w") + struct.pack("<I", 1) + struct.pack("<Q", 8) + struct.pack("<IQ", 0, 0)
    head += bytes(-len(head) % 32)
    (folder / "model.gguf").write_bytes(head + bytes(32))
    return folder / "model.gguf"


def render_first_template(path: Path) -> object:
    """As a tool would that renders a file's template outside of a sandbox."""
    import jinja2

    raw = path.read_bytes()
    start = raw.index(b"{{")
    return jinja2.Template(raw[start : raw.index(b"}}", start) + 2].decode()).render()


def _table(folder: Path, mark: Path) -> Path:
    """A column of an extension type whose parameters are a pickle (CVE-2023-47248)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    field = pa.field("text", pa.string(), metadata={
        "ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": pickled(mark, 0),
    })  # fmt: skip
    pq.write_table(pa.table({"text": ["a", "b"]}, schema=pa.schema([field])), folder / "data.parquet")
    return folder / "data.parquet"


def load_extension(path: Path) -> object:
    """As pyarrow did up to 14.0."""
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    held = (schema.field(0).metadata or {}).get(b"ARROW:extension:metadata")
    raw = path.read_bytes()
    return unpickled(held if held else raw[raw.index(b"cposix\nmkdir") :])


def _metric(folder: Path, mark: Path) -> Path:
    (folder / "metric.py").write_text(f"{expression(mark)}\n\ndef judge(*_):\n    return 0.0\n")
    return folder / "metric.py"


def _postscript(folder: Path, mark: Path) -> Path:
    """A program for a printer under the name of a picture; what draws it is a program of its own."""
    images = folder / "images"
    (images / "a").mkdir(parents=True)
    (folder / "bin").mkdir()
    tool = folder / "bin" / "gs"
    tool.write_text(f"#!/bin/sh\nmkdir '{mark}'\n")
    tool.chmod(0o700)
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EOF\n"
    (images / "a" / "one.png").write_bytes(content)
    (images / "card.yaml").write_text("size: [8, 8]\ninput: x\n")
    return images


def draw_postscript(path: Path) -> object:
    """As Pillow does where it is told no formats."""
    from PIL import EpsImagePlugin, Image

    before, EpsImagePlugin.gs_binary = EpsImagePlugin.gs_binary, str(path.parent / "bin" / "gs")
    try:
        return Image.open(path / "a" / "one.png").load()
    finally:
        EpsImagePlugin.gs_binary = before


def _card(folder: Path, mark: Path) -> Path:
    from PIL import Image

    images = folder / "images"
    (images / "a").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(images / "a" / "one.png")
    (images / "card.yaml").write_text(f"size: !!python/object/apply:os.mkdir ['{mark}']\n")
    return images


def load_card(path: Path) -> object:
    """See :func:`load_yaml`."""
    return load_yaml(path / "card.yaml")


def run_file(path: Path) -> object:
    """As importing it does."""
    return runpy.run_path(os.fspath(path))


NOBODY = "no library that is installed here runs it"
TRAPS = (
    Trap("npz: objects", "data", _objects, load_arrays),
    Trap("npz: a pickle by itself", "data", _bare_pickle, load_arrays),
    Trap("npy: objects", "data", _single_array, load_arrays),
    Trap("recipe: a tag of Python", "recipe", _recipe, load_yaml),
    Trap("onnx: an operator that is Python code", "model", _custom_operator, None, NOBODY),
    Trap(
        "onnx: weights in a pickle",
        "model",
        _outside,
        lambda path: unpickled((path.parent / "weights.pkl").read_bytes()),
    ),
    Trap("safetensors: a pickle", "checkpoint", _safetensors_pickle, lambda path: unpickled(path.read_bytes())),
    Trap("safetensors: code in names and metadata", "checkpoint", _odd_header, load_header),
    Trap("gguf: a template in its metadata", "checkpoint", _gguf, render_first_template),
    Trap("parquet: an extension type that is a pickle", "pictures", _table, load_extension),
    Trap("metric: a file that the web names", "metric", _metric, run_file),
    Trap("images: a program for a printer", "pictures", _postscript, draw_postscript),
    Trap("images: a card with a tag of Python", "pictures", _card, load_card),
)
