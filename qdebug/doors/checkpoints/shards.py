"""The tensors of a folder of safetensors files, read when they are asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from qdebug.beneath import place_beneath
from qdebug.errors import FileError

INDEX = "model.safetensors.index.json"


class Shards(Mapping[str, Tensor]):
    """Tensors by name, each mapped from its file when it is asked for, and never kept.

    The list of shards is that of ``model.safetensors.index.json``, else every ``*.safetensors`` file of the folder.
    Names come from the files' own headers, so that an index cannot promise what is not there.

    Args:
        folder: the checkpoint.

    Raises:
        FileError: the folder has no safetensors file, one is damaged or missing, or two hold the same name.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.files: dict[str, Path] = {}
        self.metadata: dict[str, str] = {}
        self._opened: dict[Path, Any] = {}
        for path in _shards(self.folder):
            file = self._open(path)
            self.metadata.update(file.metadata() or {})
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                if name in self.files:
                    raise FileError(
                        f"The tensor '{name}' is in {self.files[name].name} too", file=path,
                        do="Keep one of the two files in the folder.",
                    )  # fmt: skip
                self.files[name] = path

    def __getitem__(self, name: str) -> Tensor:
        path = self.files[name]
        try:
            return self._open(path).get_tensor(name)
        except (SafetensorError, OSError, RuntimeError, ValueError) as error:
            raise FileError(
                f"The tensor '{name}' cannot be read: {_short(error)}", file=path, do="Download the file anew."
            ) from None

    def kind(self, name: str) -> str:
        """A tensor's element type as its file spells it (``BF16``), without reading the tensor."""
        return self._open(self.files[name]).get_slice(name).get_dtype()

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def _open(self, path: Path) -> Any:
        if path not in self._opened:
            try:
                self._opened[path] = safe_open(str(path), framework="pt")
            except (SafetensorError, OSError) as error:
                raise FileError(
                    f"The safetensors file cannot be opened: {_short(error)}", file=path, do="Download it anew."
                ) from None
        return self._opened[path]


def _shards(folder: Path) -> list[Path]:
    index = folder / INDEX
    if index.is_file():
        try:
            named = json.loads(index.read_text("utf-8"))["weight_map"].values()
            names = sorted({str(name) for name in named})
        except (ValueError, KeyError, AttributeError, OSError, RecursionError):
            raise FileError("The index of the shards is damaged", file=index, do="Download it anew.") from None
        if any(Path(name).name != name for name in names):
            raise FileError("The index names a file outside the folder", file=index, do="Download the folder anew.")
        return [place_beneath(folder, name, "The shard") for name in names]
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise FileError("There is no safetensors file", file=folder, do="Give a folder with *.safetensors files.")
    return found


def _short(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
