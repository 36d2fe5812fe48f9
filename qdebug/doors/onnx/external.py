"""Tensors in files beside the model: read only from its own folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor

from qdebug.beneath import LINK, NotBeneath, open_beneath
from qdebug.doors.onnx.parse import NOT_TEXT, are_texts
from qdebug.errors import FileError

WIDEST = 16
"""Bytes of the widest element."""
_BESIDE = "Put the data file beside the model, as it was when the model was written."
_COPY = "Put a copy of the data file itself into the model's folder."


class Folder:
    """The folder of a model's file, and the files in it that its tensors lie in. Each is mapped once.

    Args:
        file: the model's file; None where tensors may lie nowhere but in the model itself.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._maps: dict[str, np.memmap | np.ndarray] = {}

    def bytes(self, proto: TensorProto, owner: str, size: int) -> Tensor:
        """The bytes of a tensor that says it lies outside; copied when they are written to, not before.

        Raises:
            FileError: the place is outside the model's folder, a link, no regular file or too short, or is not given.
        """
        if not are_texts(*(text for entry in proto.external_data for text in (entry.key, entry.value))):
            self._refuse(NOT_TEXT, owner, "")
        entries = {entry.key: entry.value for entry in proto.external_data}
        location = entries.get("location", "")
        if len(entries) < len(proto.external_data):
            self._refuse("Its place is given twice", owner, location)
        offset = self._number(entries, "offset", 0, owner, location)
        length = self._number(entries, "length", size, owner, location)
        if length != size:
            self._refuse(f"It is said to have {length} bytes where {size} are needed", owner, location)
        whole = self._map(location, owner)
        if offset + size > len(whole):
            self._refuse(f"It should end at byte {offset + size}, the file has {len(whole)}", owner, location)
        if size == 0:
            return torch.zeros(0, dtype=torch.uint8)
        part = torch.from_numpy(whole[offset : offset + size])
        # Kernels expect values at multiples of their width, which files need not care for.
        return part.clone() if offset % WIDEST else part

    def _number(self, entries: dict[str, str], key: str, default: int, owner: str, location: str) -> int:
        text = entries.get(key, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            self._refuse(f"Its {key} is '{text[:40]}'", owner, location)
        return int(text)

    def _map(self, location: str, owner: str) -> np.ndarray:
        if location not in self._maps:
            self._maps[location] = self._opened(location, owner)
        return self._maps[location]

    def _opened(self, location: str, owner: str) -> np.ndarray:
        """The bytes of the file that a location names, or a refusal."""
        if self.file is None:
            self._refuse("The model was given without files beside it", owner, location)
        try:
            handle = open_beneath(self.file.parent, location)
        except NotBeneath as error:
            self._refuse(error.what, owner, location, _COPY if error.what == LINK else _BESIDE)
        with os.fdopen(handle, "rb") as opened:
            if os.fstat(handle).st_size == 0:
                return np.zeros(0, dtype=np.uint8)
            try:
                return np.memmap(opened, dtype=np.uint8, mode="c")
            except (OSError, OverflowError, ValueError) as error:
                self._refuse(f"Its file cannot be mapped ({error})", owner, location)

    def _refuse(self, what: str, owner: str, location: str, do: str = _BESIDE) -> NoReturn:
        raise FileError(
            f"A tensor lies outside the model's file, in '{location[:200]}'. {what}", file=self.file, tensor=owner,
            do=do,
        )  # fmt: skip
