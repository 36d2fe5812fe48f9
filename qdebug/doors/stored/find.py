"""Which files a path means: one file of weights, or a folder of shards with their index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from qdebug.beneath import place_beneath
from qdebug.doors.stored.gguf import read_gguf
from qdebug.doors.stored.safetensors import read_safetensors, strict_json
from qdebug.doors.stored.tensors import Checkpoint
from qdebug.errors import FileError

_INDEX = "model.safetensors.index.json"
_LARGEST_INDEX = 100_000_000


def find_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read the heads of a checkpoint's files.

    Args:
        path: a ``.safetensors`` or ``.gguf`` file, an index of shards (``….safetensors.index.json``), or a folder with
            such an index, or else with one file of weights.

    Raises:
        FileError: there is nothing of the kind, or it is damaged; see :func:`.read_safetensors`, :func:`.read_gguf`.
            Of an index: it is no map from names to files beside it, names a tensor twice, a file that is missing, or
            a tensor that its file has not.
    """
    place = Path(path)
    if place.is_dir():
        return _folder(place)
    if not place.is_file():
        raise FileError("There is no such file or folder", file=place, do="Check the path.")
    if place.name.endswith(".index.json"):
        return _indexed(place, place)
    return _single(place, place)


def _folder(folder: Path) -> Checkpoint:
    index = folder / _INDEX
    if index.is_file():
        return _indexed(index, folder)
    found = sorted([*folder.glob("*.safetensors"), *folder.glob("*.gguf")])
    if len(found) == 1:
        return _single(found[0], folder)
    if not found:
        raise FileError(
            "The folder holds no .safetensors or .gguf file", file=folder, do="Give a folder or file of weights."
        )
    names = ", ".join(one.name for one in found[:5]) + (" …" if len(found) > 5 else "")
    raise FileError(
        f"The folder holds {len(found)} files of weights ({names}) and no {_INDEX}", file=folder, do="Name one of them."
    )


def _single(file: Path, path: Path) -> Checkpoint:
    with file.open("rb") as stream:
        is_gguf = stream.read(4) == b"GGUF" or file.suffix.lower() == ".gguf"
    if not is_gguf:
        tensors, facts = read_safetensors(file)
        return Checkpoint(path, "safetensors", (file,), tensors, facts)
    tensors, facts = read_gguf(file)
    parts = facts.get("split.count", "1")
    number = facts.get("split.no", "0")
    notes = ()
    if parts.isdigit() and number.isdigit() and int(parts) > 1:
        notes = (f"The file is part {int(number) + 1} of {parts}; the others are files of their own.",)
    return Checkpoint(path, "gguf", (file,), tensors, facts, notes)


def _indexed(index: Path, path: Path) -> Checkpoint:
    """The tensors that an index names, shard by shard."""
    places = _weight_map(index)
    by_shard: dict[str, set[str]] = {}
    for name, shard in places.items():
        by_shard.setdefault(shard, set()).add(name)
    tensors, files, unnamed = [], [], 0
    for shard in sorted(by_shard):
        file = place_beneath(index.parent, shard, "The shard")
        if not file.is_file():
            raise FileError(
                f"The shard '{shard}' that the index names is missing", file=index, do="Download it into the folder."
            )
        found, _ = read_safetensors(file)
        lacking = sorted(by_shard[shard] - {one.name for one in found})
        if lacking:
            raise FileError(
                f"The index says that '{lacking[0]}' is in '{shard}', which has no such tensor", file=index,
                do="Download index and shards again, all of one version.",
            )  # fmt: skip
        tensors += [one for one in found if one.name in by_shard[shard]]
        unnamed += len(found) - len(by_shard[shard])
        files.append(file)
    notes = (f"The shards hold {unnamed} tensors that the index does not name; they are left out.",) if unnamed else ()
    return Checkpoint(path, "safetensors", tuple(files), tuple(tensors), {}, notes)


def _weight_map(index: Path) -> dict[str, str]:
    if index.stat().st_size > _LARGEST_INDEX:
        raise FileError(f"The index has more than {_LARGEST_INDEX:,} bytes", file=index, do="Check the file.")
    content: Any = strict_json(index.read_bytes(), index)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not places or not all(isinstance(shard, str) for shard in places.values()):
        raise FileError("The index has no weight_map from names to files", file=index, do="Download it again.")
    for name, shard in places.items():
        if Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise FileError(
                f"The index places '{name}' in '{shard}', which is no .safetensors file beside it", file=index,
                do="Download it again.",
            )  # fmt: skip
    return places
