"""A checkpoint's folder with some of its tensors replaced: whole, or not there at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from qdebug.beneath import NotBeneath, create_beneath, open_beneath
from qdebug.doors.checkpoints import Shards
from qdebug.doors.checkpoints.shards import INDEX
from qdebug.errors import FileError
from qdebug.graph.filed import plain
from qdebug.whole import whole_folder

SHARD = 5 << 30
"""Bytes of a file, as transformers writes them by default."""

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".index.json")


def write_folder(
    original: str | os.PathLike[str], path: str | os.PathLike[str], tensors: Mapping[str, Tensor],
    quantization_config: Mapping[str, Any], *, changed: Mapping[str, Tensor] | None = None, shard: int = SHARD,
) -> Path:  # fmt: skip
    """A copy of a checkpoint in which quantized layers are stored as such.

    Small files (tokenizer, generation config, templates) are copied; ``config.json`` gets the ``quantization_config``;
    weights are written anew as safetensors. Tensors that are not replaced are read one at a time. The folder appears
    under its name when all of it is written.

    Args:
        original: the float model's folder.
        path: the new folder, which must not exist.
        tensors: of the quantized layers, by full name (see ``Written``); the layer's own ``weight`` is left out.
        quantization_config: goes into ``config.json``.
        changed: other tensors to put in the place of the original's, by name; they are stored in its types.
        shard: largest size of a file, in bytes.

    Raises:
        FileError: the original is no such folder, or the new one exists or cannot be written.
    """
    source, target = Path(original), Path(path)
    if target.exists():
        raise FileError("There is something already", file=target, do="Choose another place, or delete it.")
    shards = Shards(source)
    config = _config(source / "config.json")
    replaced = {f"{name.rpartition('.')[0]}.weight" for name in tensors}
    changed = changed or {}
    missing = sorted(name for name in {*replaced, *changed} if name not in shards)
    if missing:
        raise FileError(
            f"The folder has no tensor '{missing[0]}'",
            file=source,
            do="Give the folder that the model was opened from.",
        )
    whole = config | {"quantization_config": dict(quantization_config)}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(target) as part:
            _copied(source, part)
            _written(part, _all(shards, replaced, changed, tensors), shard)
            (part / "config.json").write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise _unwritten(target, error.strerror) from None
    except SafetensorError as error:  # what its library says of a full disk
        raise _unwritten(target, error) from None
    return target


def _unwritten(target: Path, reason: object) -> FileError:
    return FileError(f"Cannot write the folder: {reason}", file=target, do="Choose another place.")


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise FileError("There is no config.json that could be read", file=path, do="Give a Hugging Face folder.")
    if "quantization_config" in config:
        raise FileError("The checkpoint is quantized already", file=path, do="Give the float model's folder.")
    return config


def _copied(source: Path, target: Path) -> None:
    for file in sorted(source.iterdir()):
        if file.is_file() and file.name != "config.json" and not file.name.endswith(_WEIGHTS):
            _copy(source, file.name, target)


def _copy(source: Path, name: str, target: Path) -> None:
    """One file; links that lead elsewhere are not followed: whoever made the folder need not be who publishes this."""
    try:
        handle = open_beneath(source, name, cached=True)
    except NotBeneath as error:
        raise FileError(
            f"The file '{name}' of the model's folder is not copied. {error.what}", file=source,
            do="Put the file itself there, or take it away.",
        ) from None  # fmt: skip
    with os.fdopen(handle, "rb") as here, os.fdopen(create_beneath(target, name), "wb") as there:
        shutil.copyfileobj(here, there, 2**20)


def _all(
    shards: Shards, replaced: set[str], changed: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor]]:  # fmt: skip
    for name in shards:
        if name not in replaced:
            own = shards[name]
            if name in changed and changed[name].shape != own.shape:
                raise FileError(
                    f"The tensor '{name}' has another shape here than in the folder", file=shards.files[name],
                    do="Give the folder that the model was opened from.",
                )  # fmt: skip
            yield name, changed[name].to(own.dtype) if name in changed else own
    yield from tensors.items()


def _written(folder: Path, tensors: Iterator[tuple[str, Tensor]], most: int) -> None:
    """One file, or numbered files and their index."""
    files: list[list[str]] = []
    held: dict[str, Tensor] = {}
    size = total = 0
    for name, tensor in tensors:
        bytes_ = tensor.numel() * tensor.element_size()
        if held and size + bytes_ > most:
            files.append(_saved(folder, held, len(files)))
            held, size = {}, 0
        held[name] = plain(tensor).contiguous()
        size, total = size + bytes_, total + bytes_
    files.append(_saved(folder, held, len(files)))
    if len(files) == 1:
        (folder / _part(0)).rename(folder / "model.safetensors")
        return
    index: dict[str, str] = {}
    for place, names in enumerate(files):
        file = f"model-{place + 1:05}-of-{len(files):05}.safetensors"
        (folder / _part(place)).rename(folder / file)
        index |= dict.fromkeys(names, file)
    value = {"metadata": {"total_size": total}, "weight_map": dict(sorted(index.items()))}
    (folder / INDEX).write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def _saved(folder: Path, held: Mapping[str, Tensor], place: int) -> list[str]:
    save_file(_apart(held), folder / _part(place), {"format": "pt"})
    return list(held)


def _apart(held: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor in memory of its own: layers that read one value share its scale, and no file stores it so."""
    seen: set[int] = set()
    apart: dict[str, Tensor] = {}
    for name, tensor in held.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return apart


def _part(place: int) -> str:
    return f"part-{place}"
