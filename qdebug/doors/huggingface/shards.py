"""The weights' files of a folder: complete, and each tensor in one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from qdebug.doors.huggingface.config import read_json
from qdebug.doors.huggingface.library import first_line
from qdebug.errors import FileError

ONE, INDEX = "model.safetensors", "model.safetensors.index.json"


def find_shards(folder: Path) -> dict[str, Path]:
    """Every tensor's file.

    Raises:
        FileError: there are no weights in safetensors; a shard is missing or damaged; the index names a tensor twice,
            a file outside the folder, or a tensor that its shard does not have.
    """
    if (folder / INDEX).is_file():
        return _indexed(folder)
    if (folder / ONE).is_file():
        return dict.fromkeys(names_in(folder / ONE), folder / ONE)
    pickled = sorted(one.name for one in folder.glob("*.bin")) or sorted(one.name for one in folder.glob("*.pt*"))
    if pickled:
        raise FileError(
            f"The weights are pickles ({pickled[0]}), and opening one can run code", file=folder,
            do="Save the model as safetensors: model.save_pretrained(folder).",
        )  # fmt: skip
    raise FileError(f"The folder has no weights: neither {ONE} nor {INDEX}", file=folder, do="Download them too.")


def names_in(file: Path) -> list[str]:
    """The tensors of a safetensors file.

    Raises:
        FileError: it is damaged.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            return list(opened.keys())
    except (SafetensorError, OSError) as error:
        raise FileError(
            f"The weights cannot be read: {first_line(error)}", file=file, do="Download the file again."
        ) from None


def _indexed(folder: Path) -> dict[str, Path]:
    index = folder / INDEX
    _refuse_twice(index)
    listed = read_json(index).get("weight_map")
    if not isinstance(listed, Mapping) or not listed:
        raise FileError("The index has no 'weight_map'", file=index, do="Download it again.")
    held = {name: set(names_in(_shard(folder, index, name))) for name in sorted({str(one) for one in listed.values()})}
    for tensor, name in listed.items():
        if tensor not in held[str(name)]:
            raise FileError(
                f"The index says that '{tensor}' is in {name}, which does not have it", file=index,
                do="Download index and shards of one revision.",
            )  # fmt: skip
    return {str(tensor): folder / str(name) for tensor, name in listed.items()}


def _shard(folder: Path, index: Path, name: str) -> Path:
    if Path(name).name != name or name in ("", ".", ".."):
        raise FileError(f"The index names '{name}', which is no file beside it", file=index, do="Download it again.")
    if not (folder / name).is_file():
        raise FileError(f"The shard {name} is missing", file=index, do="Download it too.")
    return folder / name


def _refuse_twice(index: Path) -> None:
    """JSON lets a later key replace an earlier one in silence."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                raise FileError(f"The index names '{key}' twice", file=index, do="Download it again.")
            found[key] = value
        return found

    read_json(index)
    json.loads(index.read_bytes(), object_pairs_hook=once)
