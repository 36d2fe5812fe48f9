"""Nothing outside the workspace is read or written.

Each name goes wherever a name out of a file or from a browser can go: the place of an ONNX model's tensors, the shards
of an index, the files of a table, members of archives, what an upload is called, names of layers and tensors that are
exported and reported, a metric, a model in an address. Meanwhile an audit hook watches, and what lies beyond is such
that it would open: a result that comes of it is found.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.promises import wrong_names
from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.traps import files as good
from benchmarks.promises.traps import folders, programs
from benchmarks.promises.watch import watched
from qdebug.errors import QDebugError
from qdebug.results import ModelRef


@dataclass(frozen=True)
class Way:
    """Somewhere that a name can go.

    Attributes:
        name: of the operation.
        go: does it in a folder; gives what was read, if anything.
        refuses: whether it must end in an error for people.
    """

    name: str
    go: Callable[[str, Path], object]
    refuses: bool = True


def keep(allowance: Allowance) -> Outcome:
    """Send names every way; the fixed ones first, then drawn ones."""
    broken: list[str] = []
    tried = events = ways = 0
    with tempfile.TemporaryDirectory(prefix="qdebug-paths-") as place, _own_folders(Path(place)) as spaces:
        inside, outside = wrong_names.room(Path(place))
        names = wrong_names.fixed(inside, outside)
        before = _listing(outside), _listing(Path(place) / "in-evil")
        for way in WAYS:  # what is imported on the way is no name's fault
            with contextlib.suppress(QDebugError):
                way.go("fine", inside)
        for number in allowance.rounds():
            known = number < len(names)
            name = names[number] if known else wrong_names.drawn(allowance.dice(number), inside, outside)
            for way in WAYS:
                with watched([inside, *spaces], outside) as watch:
                    fault = _gone(way, name, inside, leads=known)
                told = [*watch.seen, *([fault] if fault else [])]
                broken += [f"{way.name} {name[:80]!r} (seed {allowance.seed}, {number}): {one}" for one in told]
                events, ways = events + watch.count, ways + 1
            tried += 1
            if (_listing(outside), _listing(Path(place) / "in-evil")) != before:
                broken.append(f"{name[:80]!r} (seed {allowance.seed}, {number}): a file outside has changed")
                break
    return Outcome(tried, tuple(broken), {"operations": ways, "paths seen by the hook": events})


def _gone(way: Way, name: str, folder: Path, *, leads: bool) -> str:
    """What is wrong about how it ended, if anything."""
    try:
        found = way.go(name, folder)
    except QDebugError:
        return ""
    except Exception as error:  # noqa: BLE001 - a fault of ours is what is looked for
        return f"a fault: {type(error).__name__}: {str(error)[:200]}"
    return f"it was read: {str(found)[:80]}" if way.refuses and leads and found is not None else ""


# ---------------------------------------------------------------------------------------------------------------- open


def external(name: str, folder: Path) -> object:
    """Tensors beside an ONNX model."""
    from qdebug.doors.onnx import read_onnx

    model = good.small()
    held = model.graph.initializer[0]
    held.ClearField("raw_data")
    held.external_data.add(key="location", value="place")
    held.external_data.add(key="length", value="48")
    held.data_location = 1
    raw = model.SerializeToString()
    if name.encode("utf-8", "ignore").decode() == name and len(name) < 2**20:
        held.external_data[0].value = name
        raw = model.SerializeToString()
    (folder / "model.onnx").write_bytes(raw)
    return read_onnx(folder / "model.onnx").tensors


def shard(name: str, folder: Path) -> object:
    """A shard of an index, for looking through and for a checkpoint that is quantized."""
    from qdebug.doors.checkpoints import Shards
    from qdebug.doors.stored import find_checkpoint

    index = folder / "model.safetensors.index.json"
    found: list[object] = []
    for one in (name, f"{name}.safetensors"):
        index.write_text(json.dumps({"weight_map": {"w": one}}))
        for read in (find_checkpoint, Shards):
            with contextlib.suppress(QDebugError):
                found.append(read(folder))
    index.unlink()
    return found or None


def table(name: str, folder: Path) -> object:
    """The files and the split of a data set."""
    from qdebug.doors.datasets import open_table

    said = {
        "state.json": {"_data_files": [{"filename": name}]}, "dataset_dict.json": {"splits": [name]},
        "dataset_info.json": {"features": {"text": {"dtype": "string", "_type": "Value"}}},
    }  # fmt: skip
    found: list[object] = []
    for names in (("state.json", "dataset_info.json"), ("dataset_dict.json",)):
        for file in names:
            (folder / file).write_text(json.dumps(said[file]))
        with contextlib.suppress(QDebugError):
            found.append(open_table(folder))
        for file in names:
            (folder / file).unlink()
    return found or None


def tokenizer(name: str, folder: Path) -> object:
    """Files that a tokenizer's description names."""
    from qdebug.doors.huggingface.config import read_config
    from qdebug.doors.huggingface.tokenizer import Tokenizer

    said = {"tokenizer_class": "BertTokenizer", "vocab": name, "vocab_file": name, "tokenizer_file": name}
    place = folders.written(folder, folders.LLAMA, tokenizer_config_json=json.dumps(said))
    try:
        return Tokenizer(read_config(place))
    finally:
        shutil.rmtree(place)


def metric(name: str, folder: Path) -> object:
    """A function that the web names."""
    from qdebug.jobs import metrics

    metrics.check(ModelRef(model="x.onnx", metric=f"{name}:judge"))
    return name


def address(name: str, folder: Path) -> object:
    """A model and a recipe that an address of the app names."""
    from qdebug.jobs.links import Links

    printable = name.encode("utf-8", "replace").decode()
    return Links().model(printable) or Links().recipe(printable)


# ------------------------------------------------------------------------------------------------------------- extract


def arrays(name: str, folder: Path) -> object:
    """A member of an ``.npz``: read into memory, written nowhere."""
    from qdebug.doors import read_npz

    with zipfile.ZipFile(folder / "data.npz", "w") as archive:
        archive.writestr(_member(name), b"\x93NUMPY")
        archive.writestr(_member(f"{name}.npy"), b"\x93NUMPY")
    return read_npz(folder / "data.npz")


def program(name: str, folder: Path) -> object:
    """A member of a ``.pt2``, and what its descriptions name."""
    from qdebug.doors.pt2_archive import rewritten

    members = programs.entries()
    with zipfile.ZipFile(folder / "model.pt2", "w") as archive:
        for place, content in members.items():
            archive.writestr(f"model/{place}", content)
        archive.writestr(_member(f"model/{name}"), b"x")
    found: list[object] = []
    with contextlib.suppress(QDebugError):
        found.append(rewritten(folder / "model.pt2", folder / "copy.pt2") or "the member")

    def change(said: Any) -> None:
        said["config"]["head.bias"]["path_name"] = name

    programs.written(folder, programs.edited(members, programs.WEIGHTS, change))
    rewritten(folder / "model.pt2", folder / "copy.pt2")
    return found or "the description"


def _member(name: str) -> zipfile.ZipInfo:
    """A member of an archive, whatever it is called."""
    found = zipfile.ZipInfo("x")
    found.filename = name.encode("utf-8", "replace").decode()[:60_000] or "x"
    return found


# ---------------------------------------------------------------------------------------- upload, save, export, report


def upload(name: str, folder: Path) -> object:
    """What a browser calls a file."""
    from qdebug.jobs import uploads

    (kept,) = uploads.store([(name, b"content")])
    root = os.path.realpath(uploads.folder())
    if not os.path.realpath(kept).startswith(root + os.sep):
        raise AssertionError(f"kept at {kept}")
    return None


def save(name: str, folder: Path) -> object:
    """A recipe whose layers are called so, as a file and by its name in an address."""
    from qdebug.jobs.links import Links
    from qdebug.recipes import parse_plan, preset, save, set_layers

    layer = name.encode("utf-8", "replace").decode() or "x"
    recipe = set_layers(preset("w8a8"), {layer: parse_plan("w4a8")})
    save(recipe, folder / "sub" / "recipe.yaml")
    Links().name_recipe(recipe)
    return None


def export(name: str, folder: Path) -> object:
    """A model whose file, nodes and tensors are called so, taken home from the app."""
    from qdebug.jobs import exports
    from qdebug.jobs.archives import packed
    from qdebug.jobs.uploads import safe_name
    from qdebug.results import Exported

    text = name.encode("utf-8", "replace").decode()

    def write(place: Path) -> Exported:
        stem = Path(safe_name(text)).stem or "model"  # as the compute process calls what it writes
        target = place / f"{stem}-target"
        target.mkdir()
        (target / "encodings.json").write_text(json.dumps({"layer": text}))
        return packed(Exported(path=str(target), bytes=1), place)

    made = exports.kept(f"{abs(hash(text)):x}", write)
    for file in exports.files(made):
        exports.read(file)
    return None


def copied(name: str, folder: Path) -> object:
    """A file of a Hugging Face folder, taken along into one that is exported."""
    from qdebug.export.checkpoints.folder import _copy

    target = folder / "sub" / "copy"
    target.mkdir()
    try:
        _copy(folder, name, target)
        return [one.name for one in target.iterdir()] or None
    except ValueError as error:
        raise QDebugError(str(error)) from None
    finally:
        shutil.rmtree(target)


def report(name: str, folder: Path) -> object:
    """A report of a model that is called so."""
    from qdebug.report.files import write_files

    text = name.encode("utf-8", "replace").decode()
    found = _report()
    changed = msgspec.structs.replace(found, model=msgspec.structs.replace(found.model, name=text, source=text))
    place = folder / "sub" / "report"
    place.mkdir()
    try:
        write_files(changed, place)
    finally:
        shutil.rmtree(place)
    return None


@cache
def _report() -> Any:
    import qdebug
    from qdebug.report import gather

    with tempfile.TemporaryDirectory() as folder:
        model = good.saved(Path(folder), good.small())
        session = qdebug.open(model, {"x": np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)})
        return gather(session, "w8a8")


WAYS = (
    Way("open: tensors outside", external), Way("open: shard", shard), Way("open: table", table),
    Way("open: tokenizer", tokenizer), Way("open: metric", metric), Way("open: address", address),
    Way("extract: npz", arrays), Way("extract: pt2", program), Way("save: upload", upload, refuses=False),
    Way("save: recipe", save, refuses=False), Way("export: archive", export, refuses=False),
    Way("export: copied file", copied), Way("report", report, refuses=False),
)  # fmt: skip


@contextlib.contextmanager
def _own_folders(place: Path) -> Iterator[list[Path]]:
    """Folders for uploads, exports, the workspace and temporary files."""
    names = {"QDEBUG_UPLOADS": "up", "QDEBUG_EXPORTS": "exports", "QDEBUG_WORKSPACE": "space"}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: str(place / folder) for name, folder in names.items()})
    temporary, tempfile.tempdir = tempfile.tempdir, str(place / "tmp")
    (place / "tmp").mkdir()
    try:
        yield [place / folder for folder in (*names.values(), "tmp")]
    finally:
        tempfile.tempdir = temporary
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _listing(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(one): (one.lstat().st_size, one.lstat().st_mtime_ns, one.read_bytes()) for one in sorted(folder.rglob("*"))
    }


PROMISE = Promise(
    name="paths", says="Nothing outside the workspace is read or written", unit="wrong names",
    test="tests/promises/test_paths.py", short=79, long=3000, keep=keep,
)  # fmt: skip
