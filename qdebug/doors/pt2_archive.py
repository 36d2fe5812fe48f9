"""The archive of an exported program (``.pt2``), rewritten so that torch's loader finds nothing in it to run.

The loader unpickles (weights, constants and example inputs), loads compiled libraries, evaluates expressions of sizes
as Python, calls whatever function of torch a node names, and builds source code from names. So it is never given a
file as it came: what is plain is copied into another archive, example inputs and guards are left out, the description
of the graph is checked (:mod:`qdebug.doors.pt2_graph`) and written anew. Nothing is unpickled on the way.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

from qdebug.doors.pt2_graph import Unsafe, checked
from qdebug.errors import FileError

_LARGEST_TEXT = 2**28
"""Bytes of a description."""
_MOST_VALUES = 2**28
"""Of a tensor that repeats its values; one that does not has as many as are stored."""
_MODEL, _SAMPLES = "models/model.json", "data/sample_inputs/model.pt"
_CONFIGS = {
    "weights": "data/weights/model_weights_config.json",
    "constants": "data/constants/model_constants_config.json",
}
_STORED = {"weights": re.compile(r"weight_\d{1,9}"), "constants": re.compile(r"tensor_\d{1,9}")}
_PLAIN = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/(version|serialization_id|alignment|align)|\.format_version"
    r"|\.storage_alignment|extra/.*"
)
_PICKLED = re.compile(r".*\.(pt|pkl)|(.*/)?(custom_obj|opaque_obj|serialized)_[^/]*|data\.pkl")
_COMPILED = re.compile(r"data/aotinductor/.*|.*\.(so|o|cpp|dll|dylib|py)")
_DAMAGED = (
    zipfile.BadZipFile, struct.error, NotImplementedError, RuntimeError, EOFError, ValueError, KeyError, IndexError,
    OverflowError, MemoryError,
)  # fmt: skip
"""What the library raises on an archive that is none."""
_AGAIN = "Save it again with torch.export.save and the torch version installed here."
_MODULE = "Build the model yourself and give the module: qdebug.open(model, inputs, data=…)."


def rewritten(file: Path, target: Path) -> None:
    """Write an archive with the same program that runs nothing when it is loaded.

    Args:
        file: the archive as it came.
        target: where the other is written.

    Raises:
        FileError: the archive holds what would be run, or is damaged. Nothing of it has been run.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            _rewrite(archive, file, target)
    except Unsafe as error:
        raise FileError(f"The exported program is not opened: {error}", file=file, do=_MODULE) from None
    except _DAMAGED as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise FileError(f"This is no .pt2 file, or it is damaged: {reason[:200]}", file=file, do=_AGAIN) from None
    except OSError as error:
        raise FileError(
            f"The file cannot be read: {error.strerror or error}", file=file, do="Check the disk."
        ) from None


def _rewrite(archive: zipfile.ZipFile, file: Path, target: Path) -> None:
    entries = _entries(archive, file)
    for name in (_MODEL, *_CONFIGS.values()):
        if name not in entries:
            raise ValueError(f"it has no {name}")
    stored = {kind: _payloads(archive, entries, kind) for kind in _CONFIGS}
    model = checked(_description(archive, entries[_MODEL]))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as safe:
        for name, entry in entries.items():
            if _PLAIN.fullmatch(name) and not name.startswith("extra/"):
                safe.writestr(f"model/{name}", archive.read(entry))
        for kind, (config, names) in stored.items():
            safe.writestr(f"model/{_CONFIGS[kind]}", json.dumps(config))
            for name in sorted(names):
                place = f"data/{kind}/{name}"
                with archive.open(entries[place]) as here, safe.open(f"model/{place}", "w", force_zip64=True) as there:
                    shutil.copyfileobj(here, there, 2**20)
        safe.writestr(f"model/{_MODEL}", json.dumps(model))
        safe.writestr(f"model/{_SAMPLES}", b"")


def _entries(archive: zipfile.ZipFile, file: Path) -> dict[str, zipfile.ZipInfo]:
    """The archive's members by their place below its one folder; those that would be run are refused."""
    entries: dict[str, zipfile.ZipInfo] = {}
    roots: set[str] = set()
    if any(name.startswith("serialized_") for name in archive.namelist()):
        raise Unsafe("it was written by a torch older than 2.8, as pickles, which can run code")
    for entry in archive.infolist():
        root, _, name = entry.filename.partition("/")
        roots.add(root)
        if name in entries or len(roots) > 1 or not name:
            raise ValueError("its members are not in one folder, or one is there twice")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise ValueError("a member is compressed or encrypted, as torch writes none")
        if entry.compress_size != entry.file_size:  # else so many bytes are asked for, whatever the file has
            raise ValueError("a member says two things of how long it is")
        entries[name] = entry
    if sum(entry.file_size for entry in entries.values()) > file.stat().st_size:
        raise ValueError("its members overlap")
    for name in entries:
        if name in (_MODEL, _SAMPLES, *_CONFIGS.values()) or _PLAIN.fullmatch(name):
            continue
        if any(
            name.startswith(f"data/{kind}/") and one.fullmatch(name[len(kind) + 6 :]) for kind, one in _STORED.items()
        ):
            continue
        if _COMPILED.fullmatch(name):
            raise Unsafe(f"it holds compiled code ('{name[:80]}')")
        if _PICKLED.fullmatch(name):
            raise Unsafe(f"it holds a pickle ('{name[:80]}'), and opening one can run code")
        raise Unsafe(f"it holds '{name[:80]}', which no exported program has")
    return entries


def _description(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Any:
    if entry.file_size > _LARGEST_TEXT:
        raise ValueError(f"a description has {entry.file_size:,} bytes")
    try:
        return json.loads(archive.read(entry))
    except RecursionError:
        raise ValueError("a description is nested too deeply") from None


def _payloads(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], kind: str
) -> tuple[dict[str, Any], set[str]]:
    """What an archive says of its weights or constants, and the members that they lie in."""
    found = _description(archive, entries[_CONFIGS[kind]])
    config = found.get("config") if isinstance(found, dict) else None
    if not isinstance(config, dict):
        raise ValueError(f"nothing is said of its {kind}")
    names: set[str] = set()
    for name, said in config.items():
        match said:
            case {"path_name": str(place), "use_pickle": False, "tensor_meta": {"sizes": list(sizes)}}:
                pass
            case _:
                raise Unsafe(f"'{name[:80]}' is stored as a pickle, or as no tensor, and opening one can run code")
        if not _STORED[kind].fullmatch(place):
            raise Unsafe(f"'{name[:80]}' lies in '{place[:80]}', where no tensor is")
        if f"data/{kind}/{place}" not in entries:
            raise ValueError(f"'{place}' is missing")
        lengths = [one.get("as_int") if isinstance(one, dict) else None for one in sizes]
        if not all(type(one) is int and 0 <= one < 2**48 for one in lengths):
            raise ValueError(f"'{name[:80]}' has no size")
        stored = entries[f"data/{kind}/{place}"].file_size
        count = math.prod(length or 0 for length in lengths)
        if count > (max(8 * stored, _MOST_VALUES) if stored else 0):
            raise ValueError(f"'{name[:80]}' is said to have {count:,} values where {stored:,} bytes are stored")
        names.add(place)
    return {"config": config}, names
