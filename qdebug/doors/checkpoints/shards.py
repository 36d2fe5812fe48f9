"""The tensors of a folder of safetensors files, read when they are asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from qdebug.beneath import place_beneath
from qdebug.doors.stored import StoredTensor
from qdebug.doors.stored.filing import whole
from qdebug.doors.stored.safetensors import read_safetensors
from qdebug.errors import FileError

INDEX = "model.safetensors.index.json"


class Shards(Mapping[str, Tensor]):
    """Tensors by name, each read from its file when it is asked for, and never kept.

    The list of shards is that of ``model.safetensors.index.json``, else every ``*.safetensors`` file of the folder.
    Names come from the files' own headers, so that an index cannot promise what is not there. Files are read, not
    mapped: a map of a file counts as memory where a process is limited in what it may hold, read or not.

    Args:
        folder: the checkpoint.

    Raises:
        FileError: the folder has no safetensors file, one is damaged or missing, or two hold the same name.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.metadata: dict[str, str] = {}
        self._stored: dict[str, StoredTensor] = {}
        for path in _shards(self.folder):
            tensors, facts = read_safetensors(path)
            self.metadata.update(facts)
            for one in tensors:
                if one.name in self._stored:
                    raise FileError(
                        f"The tensor '{one.name}' is in {self._stored[one.name].file.name} too", file=path,
                        do="Keep one of the two files in the folder.",
                    )  # fmt: skip
                self._stored[one.name] = one

    @property
    def files(self) -> dict[str, Path]:
        """Where each tensor lies."""
        return {name: one.file for name, one in self._stored.items()}

    def __getitem__(self, name: str) -> Tensor:
        return whole(self._stored[name])

    def kind(self, name: str) -> str:
        """A tensor's element type as its file spells it (``BF16``), without reading the tensor."""
        return self._stored[name].title

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


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
